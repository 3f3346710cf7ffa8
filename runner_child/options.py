"""``python -m runner_child`` with options: for a person who debugs one child."""

from __future__ import annotations

import argparse
import os
import sys

from runner_child.child import Options, run
from runner_child.reader import TerminalReader
from tako.cli.inputs import parse_inputs, plain_inputs
from tako.cli.target import find_target, make_wiring, root_request
from tako.errors import TakoError, UnknownWorkflowError, UsageError
from tako.execution.request import write_request
from tako.execution.workspace import root_workspace
from tako.records import replace
from tako.stdio import show
from tako.wiring import bind_inputs

EPILOG = """\
examples:
  python -m runner_child DIR               what the parent would have run
  python -m runner_child DIR --fresh       the same in a new checkout
  python -m runner_child DIR --from test   starting at the step `test`
  python -m runner_child --repo ../client --workflow verify -i version=1.2.0

Frames go to stdout, words to stderr. A child that reaches a waiting fan-out says
who would be triggered, and stops there.
"""


def run_with_options(argv: list[str], frames_fd: int) -> int:
    """Parse the options and run the child; returns its exit code."""
    parser = _parser()
    if "-h" in argv or "--help" in argv:
        os.dup2(frames_fd, 1)
        show(parser.format_help())
        return 0
    try:
        given = parser.parse_args(plain_inputs(argv))
        if given.directory is not None and (given.repo or given.workflow or given.input):
            raise UsageError("DIR has a request already", cure="give either DIR, or --repo, --workflow and -i")
        directory = given.directory or _request_on_the_spot(given.repo, given.workflow, given.input)
    except TakoError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    options = Options(
        directory=directory, fresh=given.fresh, from_step=given.from_step, secrets_file=given.secrets_file
    )
    return run(options, frames_fd, TerminalReader() if given.directory is None else None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m runner_child",
        description="Run one child of a Tako run, alone.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", nargs="?", metavar="DIR", help="a child's directory, which holds its request.json")
    parser.add_argument("--fresh", action="store_true", help="make a new checkout and forget what was done")
    parser.add_argument("--from", dest="from_step", metavar="STEP", help="start at this step")
    parser.add_argument("--secrets-file", metavar="FILE", help="NAME=value lines with the values of its secrets")
    parser.add_argument("--repo", metavar="DIR", help="make a request for this repository instead")
    parser.add_argument("--workflow", metavar="NAME", help="the workflow to run, with --repo")
    parser.add_argument("-i", dest="input", action="append", default=[], metavar="NAME=VALUE", help="an input")
    return parser


def _request_on_the_spot(repo: str | None, workflow_name: str | None, given: list[str]) -> str:
    """Write a request for a repository into a new workspace and return its directory."""
    if repo is None or workflow_name is None:
        raise UsageError(
            "give the directory of a child, or --repo and --workflow", cure="see `python -m runner_child --help`"
        )
    wiring = make_wiring(cache_dir=None)
    target = find_target(wiring, repo, None)
    workflow = target.config.workflow(workflow_name)
    if workflow is None:
        names = ", ".join(each.name for each in target.config.workflows)
        raise UnknownWorkflowError(
            f"workflow '{workflow_name}' not found in {target.repo}",
            where=target.config.path,
            cure=f"it has {names or 'none'}",
        )
    inputs = bind_inputs(workflow, parse_inputs(tuple(given)), target.config.path)
    request = replace(root_request(wiring, target, workflow, inputs), private=True, source=os.path.realpath(repo))
    workspace = root_workspace(wiring.settings.home, request.run_id)
    workspace.make()
    write_request(workspace.request, request)
    return workspace.path
