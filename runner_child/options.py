"""``python -m runner_child`` with options, and ``tako child``: for a person who debugs one child."""

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
from tako.execution.workspace import Workspace, root_workspace
from tako.records import record, replace
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


@record
class Given:
    """What a person asks for."""

    directory: str | None = None
    """A child's directory; without one, a request is made of the last three."""
    fresh: bool = False
    from_step: str | None = None
    secrets_file: str | None = None
    repo: str | None = None
    workflow: str | None = None
    inputs: tuple[str, ...] = ()


def run_with_options(argv: list[str], frames_fd: int) -> int:
    """Parse the options and run the child; returns its exit code."""
    parser = _parser()
    if "-h" in argv or "--help" in argv:
        os.dup2(frames_fd, 1)
        show(parser.format_help())
        return 0
    try:
        parsed = parser.parse_args(plain_inputs(argv))
        given = Given(**{**vars(parsed), "inputs": tuple(parsed.inputs)})
        directory = find_directory(given)
    except TakoError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return run_in(directory, given, frames_fd)


def find_directory(given: Given) -> str:
    """Return the child's directory, made for this if only a repository is given. Raises ``TakoError``."""
    if given.directory is None:
        return _request_on_the_spot(given.repo, given.workflow, given.inputs)
    if given.repo is not None or given.workflow is not None or given.inputs:
        raise UsageError("DIR has a request already", cure="give either DIR, or --repo, --workflow and -i")
    if not os.path.lexists(Workspace(given.directory).request):
        raise UsageError(
            f"{given.directory} is not the directory of a child: it has no request.json",
            cure="give the directory that a failure names, or --repo and --workflow",
        )
    return given.directory


def run_in(directory: str, given: Given, frames_fd: int) -> int:
    """Run the child of a directory and return its exit code."""
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
    parser.add_argument("-i", dest="inputs", action="append", default=[], metavar="NAME=VALUE", help="an input")
    return parser


def _request_on_the_spot(repo: str | None, workflow_name: str | None, given: tuple[str, ...]) -> str:
    """Write a request for a repository into a new workspace and return its directory."""
    if repo is None or workflow_name is None:
        raise UsageError("give the directory of a child, or --repo and --workflow", cure="see `tako child --help`")
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
    inputs = bind_inputs(workflow, parse_inputs(given), target.config.path)
    request = replace(root_request(wiring, target, workflow, inputs), private=True, source=os.path.realpath(repo))
    workspace = root_workspace(wiring.settings.home, request.run_id)
    workspace.make()
    write_request(workspace.request, request)
    return workspace.path
