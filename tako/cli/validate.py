"""``tako validate``."""

from __future__ import annotations

import json
from functools import partial

import click

from tako.cli.refusal import refusal_data
from tako.cli.target import find_target, make_wiring, repository_options
from tako.errors import ConfigError
from tako.records import to_data
from tako.stdio import show
from tako.wiring import load_config_thoroughly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sized

EPILOG = """\b
Examples:
  tako validate
  tako validate --root ../go-lib
  tako validate --repo my-org/go-lib:main --json
"""


@click.command(epilog=EPILOG)
@repository_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def validate(root: str | None, repo: str | None, cache_dir: str | None, as_json: bool) -> int:
    """Check a repository's tako.yml: fields, types, names, templates, conditions, paths, kinds of step.

    Every problem is printed with its file, line and column; the exit code is then 2.
    """
    from tako.steps.registry import known

    wiring = make_wiring(cache_dir=cache_dir)
    try:
        target = find_target(wiring, root, repo, load=partial(load_config_thoroughly, kinds=known()))
    except ConfigError as error:
        if not as_json:
            raise
        show(json.dumps({"valid": False, **refusal_data(error), "problems": to_data(error.faults)}, indent=2) + "\n")
        return error.exit_code
    config = target.config
    if as_json:
        show(json.dumps({"valid": True, "repository": target.repo, "problems": []}, indent=2) + "\n")
    else:
        parts = (_count(config.workflows, "workflow"), _count(config.subscriptions, "subscription"))
        show(f"Validation successful! {config.path}: {target.repo}, {', '.join(parts)}\n")
    return 0


def _count(things: Sized, noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"
