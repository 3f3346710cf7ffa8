"""``tako child``."""

from __future__ import annotations

import os

import click

from tako.cli.completers import (
    complete_any_workflow,
    complete_childs_inputs,
    complete_childs_steps,
    complete_directories,
)
from tako.cli.inputs import InputCommand
from tako.cli.secrets import secrets_option

EPILOG = """\b
Examples:
  tako child DIR               what the parent would have run
  tako child DIR --fresh       the same in a new checkout
  tako child DIR --from test   starting at the step `test`
  tako child --repo ../client --workflow verify -i version=1.2.0
"""


@click.command(cls=InputCommand, epilog=EPILOG)
@click.argument("directory", metavar="[DIR]", required=False, shell_complete=complete_directories)
@click.option("--fresh", is_flag=True, help="Make a new checkout and forget what was done.")
@click.option("--from", "from_step", metavar="STEP", shell_complete=complete_childs_steps, help="Start at this step.")
@secrets_option
@click.option(
    "--repo", metavar="DIR", shell_complete=complete_directories, help="Make a request for this repository instead."
)
@click.option(
    "--workflow", metavar="NAME", shell_complete=complete_any_workflow, help="Run this workflow, with --repo."
)
@click.option(
    "-i",
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=complete_childs_inputs,
    help="Set an input, with --repo.",
)
def child(
    directory: str | None,
    *,
    fresh: bool,
    from_step: str | None,
    secrets_file: str | None,
    repo: str | None,
    workflow: str | None,
    inputs: tuple[str, ...],
) -> int:
    """Run one child of a run by hand, in its directory DIR, or a workflow of a repository as if it were one.

    A failure names the directory. Frames go to stdout, words to stderr. A child that reaches a waiting fan-out prints
    who would be triggered, and stops there. Exits with 1 if the workflow fails.
    """
    from runner_child.options import Given, find_directory, run_in

    given = Given(
        directory=directory,
        fresh=fresh,
        from_step=from_step,
        secrets_file=secrets_file,
        repo=repo,
        workflow=workflow,
        inputs=inputs,
    )
    found = find_directory(given)
    # What a step or a library prints must not come between the frames.
    frames = os.dup(1)
    os.dup2(2, 1)
    return run_in(found, given, frames)
