"""What the prepare scripts of the examples share: git repositories, laid out as Tako's cache wants them.

The scripts are plain Python, run by path, and need nothing of Tako.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

BRANCH = "main"
STAMP = "tako-example-stamp"

# Fixed, so that the same content always gives the same commit.
_COMMIT_ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "Tako example",
    "GIT_AUTHOR_EMAIL": "example@tako.invalid",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00+00:00",
    "GIT_COMMITTER_NAME": "Tako example",
    "GIT_COMMITTER_EMAIL": "example@tako.invalid",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00+00:00",
}


class PrepareError(Exception):
    """An example could not be prepared; the text says why and what to do."""


def say(text: str) -> None:
    """One line of progress on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def run_script(description: str, prepare: Callable[[Path], None], argv: Sequence[str] | None = None) -> int:
    """Parse ``--home DIR``, call ``prepare(DIR)`` alone in that directory, and give the exit code.

    0 is done, 1 a ``PrepareError``, which is printed.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--home", required=True, type=Path, help="the TAKO_HOME to fill; made if missing")
    home: Path = parser.parse_args(argv).home.absolute()
    try:
        with _alone_in(home):
            prepare(home)
    except PrepareError as error:
        say(f"error: {error}")
        return 1
    except OSError as error:
        say(f"error: {home} cannot be prepared: {error}\n  fix: give --home a directory that can be written")
        return 1
    return 0


def git(directory: Path, *arguments: str) -> str:
    """Run git in ``directory``, untouched by anyone's configuration, and give its stdout.

    Raises ``PrepareError`` if git is missing or fails.
    """
    # Somebody's hooks, templates, signing or line endings must not reach the example's commits, nor a GIT_DIR
    # that is set because this runs inside a hook.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    environment |= _COMMIT_ENVIRONMENT
    return call(["git", "-c", f"core.hooksPath={os.devnull}", *arguments], directory, environment)


def call(command: Sequence[str], directory: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a command and give its stdout; raises ``PrepareError`` with what it printed if it fails."""
    try:
        done = subprocess.run(  # the examples are no part of the package, so its process gateway is not here
            command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except FileNotFoundError as error:
        raise PrepareError(f"{command[0]} is not installed\n  fix: install it and run this again") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        errors = [line for line in said if not line.startswith("WARNING")][-8:]
        raise PrepareError("\n    ".join([f"`{' '.join(command)}` failed ({done.returncode})", *errors]))
    return done.stdout.decode(errors="replace")


def fingerprint(*parts: bytes) -> str:
    """A digest that changes when any of the parts does."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def make_repository(
    home: Path, name: str, *, origin: str, files: Mapping[str, bytes], archive: Path | None = None
) -> None:
    """Put the repository ``owner/name`` into ``home``'s cache, with one commit on ``main``.

    It holds the content of ``archive`` (a ``.tar.gz`` with one top directory), then ``files`` over it, and has
    ``origin`` as its remote. Nothing is done if it was made from the same inputs before, so edits made by
    hand in the cache stay. The name is taken only when the repository is complete.
    """
    target = home / "cache" / "repos" / name / BRANCH
    content = [data for path, text in sorted(files.items()) for data in (path.encode(), text)]
    stamp = fingerprint(
        Path(__file__).read_bytes(), origin.encode(), archive.read_bytes() if archive else b"", *content
    )
    if _read(target / ".git" / STAMP) == stamp:
        return
    say(f"making {name}")
    with scratch(home) as work:
        new = work / "new"
        new.mkdir()
        if archive is not None:
            call(["tar", "-xzf", str(archive), "--strip-components=1", "--no-same-owner"], new)
        for path, text in files.items():
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            (new / path).write_bytes(text)
        git(new, "init", "--quiet", f"--initial-branch={BRANCH}", "--template=")
        git(new, "remote", "add", "origin", origin)
        git(new, "add", "--all", "--force")
        git(new, "commit", "--quiet", "--message", f"{name}, prepared as an example")
        (new / ".git" / STAMP).write_text(stamp, encoding="utf-8")
        publish(new, target)


@contextmanager
def scratch(home: Path) -> Iterator[Path]:
    """A directory under ``home`` that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=".preparing-", dir=home) as name:
        yield Path(name)


def publish(new: Path, target: Path) -> None:
    """Move ``new``, which lies in a ``scratch`` directory, to ``target``, in place of what was there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.rename(new.with_name("old"))
    new.rename(target)


@contextmanager
def _alone_in(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".prepare.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
