"""``tako validate``."""

from __future__ import annotations

import json
import os
from functools import partial

import click

from tako.cli.paths import HomePath
from tako.cli.refusal import refusal_data
from tako.cli.target import find_target, make_wiring, repository_options
from tako.errors import ConfigError, UsageError
from tako.records import to_data
from tako.stdio import say, show
from tako.wiring import load_config_thoroughly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sized

    from tako.cli.target import Target
    from tako.lint.report import Report

EPILOG = """\b
Examples:
  tako validate
  tako validate ../go-lib/tako.yml
  tako validate --root ../go-lib
  tako validate --repo my-org/go-lib:main --json
"""


@click.command(epilog=EPILOG)
@click.argument("path", metavar="[PATH]", required=False, type=HomePath(exists=True))
@repository_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def validate(path: str | None, root: str | None, repo: str | None, cache_dir: str | None, as_json: bool) -> int:
    """Check a repository's tako.yml: fields, types, names, templates, conditions, paths, kinds of step.

    PATH is a file, or a directory with a tako.yml, as --root is. Every problem is printed with its file, line and
    column; the exit code is then 2.
    """
    from tako.steps.registry import known

    if path is not None and (root is not None or repo is not None):
        raise UsageError("PATH and --root or --repo exclude each other", cure="give one of them")
    file = path if path is not None and not os.path.isdir(path) else None
    wiring = make_wiring(cache_dir=cache_dir)
    load = partial(load_config_thoroughly, kinds=known())
    try:
        target = find_target(wiring, root if file is not None else path or root, repo, load=load, file=file)
    except ConfigError as error:
        if not as_json:
            raise
        show(json.dumps({"valid": False, **refusal_data(error), "problems": to_data(error.faults)}, indent=2) + "\n")
        return error.exit_code
    config = target.config
    warnings = _warnings(target)
    if as_json:
        told = {"valid": True, "repository": target.repo, "problems": [], "warnings": warnings.data()["warnings"]}
        show(json.dumps(told, indent=2) + "\n")
    else:
        parts = (_count(config.workflows, "workflow"), _count(config.subscriptions, "subscription"))
        say("".join(f"{line}\n" for line in warnings.lines()))
        show(f"Validation successful! {config.path}: {target.repo}, {', '.join(parts)}\n")
    return 0


def _warnings(target: Target) -> Report:
    """What is valid and probably not meant so; nothing if the file is not there to be read."""
    from tako.config import reading
    from tako.lint.linter import misgivings
    from tako.lint.report import Report

    config, text = target.config, target.text
    if text is None and not os.path.isfile(config.path):
        return Report(config.path)
    data = reading.read(config.path) if text is None else text
    return Report(config.path, warnings=tuple(misgivings(data, config)))


def _count(things: Sized, noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"
