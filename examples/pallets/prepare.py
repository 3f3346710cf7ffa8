"""Turns four releases of the Pallets projects into git repositories that Tako can run.

    python examples/pallets/prepare.py --home DIR

DIR becomes a TAKO_HOME: ``DIR/cache/repos/pallets/<name>/main`` are the repositories, made of the source
distributions as published plus ``tako.yml`` and ``tako-requirements.txt`` from beside this file.
``DIR/downloads/wheels`` is what their steps install from, offline; the steps find it by PALLETS_WHEELHOUSE.

Everything is downloaded by pip, once. The wheels of the Pallets projects that a run builds itself are left
out on purpose: a step that tests against one of them can only have got it from Tako.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from common import PrepareError, call, fingerprint, make_repository, publish, run_script, say, scratch  # noqa: E402

PACKAGES = {"MarkupSafe": "3.0.4", "Jinja2": "3.1.6", "Werkzeug": "3.1.9", "Flask": "3.1.3"}
STAMP = "complete"


def main(argv: Sequence[str] | None = None) -> int:
    """The script; gives its exit code."""
    return run_script("Prepare the Pallets example.", prepare, argv)


def prepare(home: Path) -> None:
    """Fill ``home``; raises ``PrepareError`` if something cannot be downloaded."""
    sources = _download_sources(home)
    _download_wheels(home)
    for package, version in PACKAGES.items():
        name = package.lower()
        make_repository(
            home,
            f"pallets/{name}",
            origin=f"https://github.com/pallets/{name}.git",
            archive=sources / f"{name}-{version}.tar.gz",
            files={
                "tako.yml": (HERE / "tako" / f"{name}.yml").read_bytes(),
                "tako-requirements.txt": (HERE / "requirements" / f"{name}.txt").read_bytes(),
            },
        )


def _download_sources(home: Path) -> Path:
    pins = [f"{package}=={version}" for package, version in PACKAGES.items()]
    # pip looks into a source distribution by asking its build backend, which it fetches as well, for itself.
    arguments = ["--no-deps", f"--no-binary={','.join(PACKAGES)}", *pins]
    return _download(home, "sources", arguments, fingerprint(*(pin.encode() for pin in pins)))


def _download_wheels(home: Path) -> Path:
    files = sorted((HERE / "requirements").glob("*.txt"))
    arguments = ["--no-deps", "--only-binary=:all:"]
    for file in files:
        arguments += ["--requirement", str(file)]
    python = f"{sys.implementation.cache_tag} {sysconfig.get_platform()}"
    stamp = fingerprint(python.encode(), *(file.read_bytes() for file in files))
    return _download(home, "wheels", arguments, stamp)


def _download(home: Path, what: str, arguments: Sequence[str], stamp: str) -> Path:
    target = home / "downloads" / what
    mark = target / STAMP
    if mark.is_file() and mark.read_text(encoding="utf-8") == stamp:
        return target
    say(f"downloading {what}")
    with scratch(home) as work:
        new = work / "new"
        new.mkdir()
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--retries=2"]
        try:
            call([*pip, "--dest", str(new), *arguments], home)
        except PrepareError as error:
            raise PrepareError(
                f"the example's {what} could not be downloaded: {error}\n"
                "  fix: this needs the network once, and pip set up to reach a package index from here "
                "(proxy, mirror, certificates); then run it again. `scripts/demo hello` needs no network."
            ) from error
        (new / STAMP).write_text(stamp, encoding="utf-8")
        publish(new, target)
    return target


if __name__ == "__main__":
    sys.exit(main())
