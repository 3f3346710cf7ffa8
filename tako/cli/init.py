"""``tako init``."""

from __future__ import annotations

import json
import os

import click

from tako.cli.paths import CONFIG_FILE, HomePath
from tako.cli.target import make_wiring
from tako.config.recipes import ECOSYSTEMS, MANIFESTS, ecosystems_of, package_name, recipe
from tako.config.starter import starter
from tako.errors import CheckoutError, UsageError
from tako.files import atomic_write, machine_errors
from tako.repos.identity import origin_of
from tako.stdio import say, show

EPILOG = """\b
Examples:
  tako init
  tako init --dry-run
  tako init --ecosystem python --root ../py-lib
"""

_MAX_MANIFEST = 1_000_000


@click.command(epilog=EPILOG)
@click.option("--ecosystem", type=click.Choice(ECOSYSTEMS), help="What is built here, if not what the files tell.")
@click.option("--root", type=HomePath(), default=".", help="The repository's directory; the current one by default.")
@click.option("--force", is_flag=True, help="Replace a tako.yml that is there.")
@click.option("--dry-run", is_flag=True, help="Print the file, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the path, the ecosystem and the content as JSON.")
def init(ecosystem: str | None, root: str, force: bool, dry_run: bool, as_json: bool) -> int:
    """Write a first tako.yml for a repository, with comments.

    It declares one artifact, and a workflow `release` that tests, builds and fans out.
    """
    path = os.path.normpath(os.path.join(root, CONFIG_FILE))
    if not os.path.isdir(root):
        raise UsageError(f"there is no directory {root}", cure="name the repository's directory with --root")
    with machine_errors("read", root):
        names = os.listdir(root)
    if not force and not dry_run and os.path.lexists(path):
        raise UsageError(f"there is a {CONFIG_FILE} already", where=path, cure="--force replaces it")
    found = ecosystems_of(names)
    chosen = ecosystem or found[0]
    origin = _origin(root)
    directory = f"local/{os.path.basename(os.path.realpath(root)) or 'root'}"
    manifest = _manifest(root, names, chosen)
    package = package_name(chosen, manifest)
    named = origin is not None
    text = starter(chosen, origin or directory, named=named, package=package, names=names, manifest=manifest)
    others = [] if ecosystem else found[1:]
    if not dry_run:
        atomic_write(path, text.encode())
    if as_json:
        data = {"path": path, "written": not dry_run, "ecosystem": chosen, "others": list(others), "content": text}
        show(json.dumps(data, indent=2) + "\n")
    elif dry_run:
        show(text)
    else:
        say(_next_steps(path, chosen, others))
    return 0


def _origin(root: str) -> str | None:
    try:
        origin = origin_of(root, make_wiring().git)
        return origin.path if origin is not None else None
    except CheckoutError:
        # What git cannot read is still a directory to write a file in.
        return None


def _manifest(root: str, names: list[str], ecosystem: str) -> str:
    manifests = [manifest for manifest, kind in MANIFESTS.items() if kind == ecosystem and manifest in names]
    path = os.path.join(root, manifests[0]) if manifests else ""
    if not os.path.isfile(path):
        return ""
    with machine_errors("read", path), open(path, encoding="utf-8", errors="replace") as file:
        return file.read(_MAX_MANIFEST)


def _next_steps(path: str, chosen: str, others: list[str]) -> str:
    from shlex import quote

    also = f"; there is {' and '.join(others)} here as well: --ecosystem chooses" if others else ""
    at = os.path.dirname(path)
    root = f" --root {quote(at)}" if at else ""
    tag = ", and tag the commit that you release, like: git tag v1.2.3" if recipe(chosen).tagged else ""
    return (
        f"wrote {path} ({chosen}{also})\n"
        "next:\n"
        "  1. read it, and put your own commands where they differ\n"
        f"  2. tako lint {quote(path)}\n"
        f"  3. commit it{tag}\n"
        f"  4. tako exec release --dry-run{root}\n"
    )
