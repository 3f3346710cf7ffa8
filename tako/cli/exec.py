"""``tako exec``."""

from __future__ import annotations

import json
import os
import sys

import click

from tako.cli.inputs import InputCommand, complete_workflows, parse_inputs
from tako.cli.target import (
    find_target,
    find_workflow,
    make_wiring,
    repository_options,
    require_expressions,
    root_request,
)
from tako.errors import ConfigError
from tako.stdio import say, show
from tako.wiring import bind_inputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tako.cli.target import Target
    from tako.config.model import WorkflowSpec
    from tako.execution.request import RunRequest
    from tako.fanout.result import TreeResult
    from tako.wiring import Wiring

EPILOG = """\b
Examples:
  tako exec release
  tako exec release --inputs.version-bump=minor
  tako exec release -i version-bump=minor -j 4
  tako exec release --repo my-org/go-lib:main --local
  tako exec release --dry-run
  tako exec release --json > result.json
"""


@click.command("exec", cls=InputCommand, epilog=EPILOG)
@click.argument("workflow", shell_complete=complete_workflows)
@repository_options
@click.option(
    "-i", "--input", "given", multiple=True, metavar="NAME=VALUE",
    help="An input of the workflow; also --inputs.NAME=VALUE or --inputs.NAME VALUE.",
)  # fmt: skip
@click.option(
    "-j", "--max-concurrent-repos", "cap", type=click.IntRange(min=1), metavar="N",
    help="How many children are at work at once; the number of cores by default.",
)  # fmt: skip
@click.option("--local", is_flag=True, help="Use only what is in the cache; clone and fetch nothing.")
@click.option("--strict", is_flag=True, help="Refuse to fan out while a repository's tako.yml cannot be read.")
@click.option("--dry-run", is_flag=True, help="Print what would run, and run nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.option("-v", "--verbose", is_flag=True, help="Show what the steps print, and the steps of children.")
def exec_(
    workflow: str,
    *,
    root: str | None,
    repo: str | None,
    cache_dir: str | None,
    given: tuple[str, ...],
    cap: int | None,
    local: bool,
    strict: bool,
    dry_run: bool,
    as_json: bool,
    verbose: bool,
) -> int:
    """Run WORKFLOW, and every workflow in other repositories that its fan-outs trigger.

    The workflow's own steps run in the repository's directory (with --repo, in a private checkout); each triggered
    workflow runs as a process of its own. Exits with 1 if anything failed, after everything else has ended.
    """
    del local  # nothing is ever cloned or fetched yet, with or without it
    wiring = make_wiring(cache_dir=cache_dir, cap=cap, strict=strict)
    try:
        target = find_target(wiring, root, repo)
        spec = find_workflow(target, workflow)
        require_expressions(target.config)
    except ConfigError as error:
        say(f"error: {error}\n")
        return 1
    inputs = bind_inputs(spec, parse_inputs(given), target.config.path)
    if dry_run:
        return _dry_run(wiring, target, spec, inputs, as_json=as_json)
    request = root_request(wiring, target, spec, inputs)
    say(_header(request, shown_repo=f"{target.repo}:{target.ref}" if repo else None))
    return _run(wiring, request, as_json=as_json, verbose=verbose)


def _run(wiring: Wiring, request: RunRequest, *, as_json: bool, verbose: bool) -> int:
    from tako.execution.state import read_state
    from tako.execution.workspace import root_workspace
    from tako.report.data import result_data
    from tako.report.summary import failures, summary

    with _observer(verbose) as observer:
        result = wiring.execute(request, observer, echo=_echo if verbose else None)
    state_path = root_workspace(wiring.settings.home, request.run_id).state
    # A run whose checkout could not be made has none.
    steps = read_state(state_path).steps if os.path.exists(state_path) else ()
    say(failures(result))
    show(json.dumps(result_data(result, request, steps), indent=2) + "\n" if as_json else summary(result, steps))
    return _exit_code(result)


def _exit_code(result: TreeResult) -> int:
    if result.interrupted_by is not None:
        return 128 + result.interrupted_by
    return 0 if result.ok else 1


def _header(request: RunRequest, *, shown_repo: str | None) -> str:
    lines = [f"Executing workflow '{request.workflow.name}'"]
    if shown_repo:
        lines.append(f"Repository: {shown_repo}")
    if request.inputs:
        lines += ["Inputs:", *(f"  {name}: {_plain(value)}" for name, value in request.inputs.items())]
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _observer(verbose: bool) -> Any:
    """The live tree on a terminal, lines everywhere else."""
    from tako.report.choose import observer

    return observer(sys.stderr, verbose=verbose)


def _echo(step_id: str, data: bytes) -> None:
    """What a root's step prints, each line with the step's name before it."""
    for line in data.decode("utf-8", "replace").splitlines():
        say(f"[{step_id}] {line}\n")


def _dry_run(wiring: Wiring, target: Target, spec: WorkflowSpec, inputs: Mapping[str, Any], *, as_json: bool) -> int:
    from tako.fanout.preview import preview
    from tako.report.preview import preview_data, preview_text

    strict = wiring.settings.strict
    steps = preview(root_request(wiring, target, spec, inputs), wiring.discovery(), strict=strict)
    if as_json:
        show(json.dumps(preview_data(target.repo, spec.name, inputs, steps), indent=2) + "\n")
    else:
        show(preview_text(target.repo, spec.name, steps))
    return 0
