"""``tako exec``."""

from __future__ import annotations

import contextlib
import json
import os
from functools import partial

import click

from tako.cli.carry_out import carry_out
from tako.cli.completers import complete_inputs, complete_resumed_steps, complete_workflows
from tako.cli.find import find_begun
from tako.cli.inputs import InputCommand, parse_inputs
from tako.cli.refusal import document, error_data
from tako.cli.resume import Wanted, find_restored, still_alive
from tako.cli.runs import complete_runs
from tako.cli.secrets import require_secrets, secrets_option
from tako.cli.strictness import strict_exit_option
from tako.cli.target import (
    find_target,
    find_workflow,
    make_wiring,
    repository_options,
    root_request,
)
from tako.cli.working_directory import alone_in
from tako.errors import ConfigError, LockTimeoutError, UsageError
from tako.execution.request import read_request
from tako.records import replace
from tako.stdio import say, say_line, show
from tako.wiring import bind_inputs, load_config_thoroughly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tako.cli.target import Target
    from tako.config.model import WorkflowSpec
    from tako.execution.request import RunRequest
    from tako.wiring import Wiring

EPILOG = """\b
A fault of --chaos strikes when the step STEP starts, in every run that has a
step of that name, with the probability P: above 0 and up to 1, the default.
KIND is one of
  kill-child      the child is killed by SIGKILL
  segfault        the child is killed by SIGSEGV
  hang            the child does nothing more, and ignores SIGTERM
  garbage-stdout  the child writes rubbish to its parent
  slow-start      the step starts 2 seconds late
  kill-root       tako itself is killed by SIGKILL
In the workflow that you start, only slow-start and kill-root strike: it is not
run by a child.

\b
Examples:
  tako exec release
  tako exec release --inputs.version-bump=minor
  tako exec release -i version-bump=minor -j 4
  tako exec release --repo my-org/go-lib:main --local
  tako exec release --dry-run
  tako exec release --json > result.json
  tako exec --resume @latest
  tako exec release --no-cache
  tako exec release --strict-env CI,LC_ALL
  tako exec release --secrets-file ~/.secrets.env
  tako exec release --debug
  tako exec release --chaos kill-child@test,0.2
"""


@click.command("exec", cls=InputCommand, epilog=EPILOG)
@click.argument("workflow", required=False, shell_complete=complete_workflows)
@repository_options
@click.option(
    "-i", "--input", "given", multiple=True, metavar="NAME=VALUE", shell_complete=complete_inputs,
    help="Set an input of the workflow; also --inputs.NAME=VALUE or --inputs.NAME VALUE.",
)  # fmt: skip
@click.option(
    "-j", "--max-concurrent-repos", "cap", type=click.IntRange(min=1), metavar="N",
    help="Run at most N children at once; by default as many as there are cores.",
)  # fmt: skip
@click.option("--local", is_flag=True, help="Use only what is in the cache; clone and fetch nothing.")
@click.option(
    "--strict/--no-strict", default=None,
    help="Refuse to fan out if a tako.yml or a filter cannot be evaluated, or a subscription nearly matches.",
)  # fmt: skip
@click.option(
    "--strict-env", metavar="NAMES",
    help="Let steps inherit these variables only (NAME,NAME…), beside PATH, HOME, LANG, TMPDIR and TAKO_….",
)  # fmt: skip
@secrets_option
@click.option(
    "--max-crashes", type=click.IntRange(min=1), metavar="N",
    help="Stop starting a repository's workflow after N crashes of it in a row; 5 by default.",
)  # fmt: skip
@click.option(
    "--idempotent", is_flag=True,
    help="Give every event without an idempotency key one, made of what it says: the same is delivered once in 24h.",
)  # fmt: skip
@click.option("--no-cache", is_flag=True, help="Run every step: neither read nor write the step cache.")
@click.option(
    "--chaos", "faults", multiple=True, metavar="KIND@STEP[,P]",
    help="Inject a fault at a step to test recovery; see below. May be given several times.",
)  # fmt: skip
@click.option(
    "--resume", "run_id", metavar="RUN_ID", shell_complete=complete_runs,
    help="Resume a run that failed or was interrupted; @latest is the last one. What succeeded is not run again.",
)  # fmt: skip
@click.option(
    "--failed-only",
    is_flag=True,
    help="With --resume: rerun failed children only, not a workflow that failed after its fan-out.",
)
@click.option("--accept-drift", is_flag=True, help="With --resume: continue with the current workflows and commits.")
@click.option(
    "--rerun-from",
    metavar="STEP",
    shell_complete=complete_resumed_steps,
    help="With --resume: run your own workflow again from this step on.",
)
@click.option(
    "--debug", is_flag=True,
    help="Show each step of WORKFLOW before it runs; at a terminal, ask: run, skip, shell, continue or quit.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print what would run, and run nothing.")
@click.option(
    "--no-wait", is_flag=True,
    help="Fail, instead of waiting, if another run works in the same directory; with --repo no run does.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result, or why there is none, as JSON on stdout.")
@strict_exit_option
@click.option("-v", "--verbose", is_flag=True, help="Show what the steps print, and the steps of children.")
def exec_(
    workflow: str | None,
    *,
    root: str | None,
    repo: str | None,
    cache_dir: str | None,
    given: tuple[str, ...],
    cap: int | None,
    local: bool,
    strict: bool | None,
    strict_env: str | None,
    secrets_file: str | None,
    max_crashes: int | None,
    idempotent: bool,
    no_cache: bool,
    faults: tuple[str, ...],
    run_id: str | None,
    failed_only: bool,
    accept_drift: bool,
    rerun_from: str | None,
    debug: bool,
    dry_run: bool,
    no_wait: bool,
    as_json: bool,
    verbose: bool,
) -> int:
    """Run WORKFLOW, and every workflow in other repositories that its fan-outs trigger; or go on with a run.

    The workflow's own steps run in the repository's directory (with --repo, in a private checkout); each triggered
    workflow runs as a process of its own. A second run in the same directory waits for the first one. Exits with 1 if
    anything failed, after everything else has ended.
    """
    del local  # nothing is ever cloned or fetched yet, with or without it
    wiring = make_wiring(
        cache_dir=cache_dir,
        cap=cap,
        strict=strict,
        strict_env=None if strict_env is None else _names(strict_env),
        chaos=_chaos(faults),
        max_crashes=max_crashes,
        secrets_file=secrets_file,
        working_in=root or ".",
    )
    wiring.secrets.open()
    if debug:
        from tako.cli.debug import debugger

        wiring.gate, verbose = debugger(wiring.processes, as_json=as_json, dry_run=dry_run), True
    if run_id is not None:
        _refuse_with_resume(
            workflow=workflow,
            root=root,
            repo=repo,
            inputs=given,
            idempotent=idempotent,
            no_cache=no_cache,
            dry_run=dry_run,
        )
        wanted = Wanted(failed_only=failed_only, accept_drift=accept_drift, rerun_from=rerun_from)
        return _resume(wiring, run_id, wanted, wait=not no_wait, as_json=as_json, verbose=verbose)
    if failed_only or accept_drift or rerun_from is not None:
        raise UsageError("--failed-only, --accept-drift and --rerun-from need --resume RUN_ID")
    find = partial(_find, wiring, root, repo, workflow, given)
    target, spec, inputs = find()
    if dry_run:
        return _dry_run(wiring, target, spec, inputs, as_json=as_json)
    with contextlib.ExitStack() as held:
        if not target.private and held.enter_context(alone_in(target.source, wiring, wait=not no_wait)):
            target, spec, inputs = find()
        require_secrets(wiring, spec, inputs)
        wiring.end_left_behind(say_line)
        request = replace(root_request(wiring, target, spec, inputs), idempotent=idempotent, no_cache=no_cache)
        say(_header(request, shown_repo=f"{target.repo}:{target.ref}" if repo else None))
        return carry_out(wiring, request, partial(wiring.execute, request), as_json=as_json, verbose=verbose)


def _find(
    wiring: Wiring, root: str | None, repo: str | None, workflow: str | None, given: tuple[str, ...]
) -> tuple[Target, WorkflowSpec, Mapping[str, Any]]:
    """What is to run, as its repository says it now."""
    try:
        target = find_target(wiring, root, repo, load=load_config_thoroughly)
        spec = find_workflow(target, workflow)
    except ConfigError as error:
        # Of a workflow that is asked for, it is a failure (see ``errors.WorkflowError``), but for a strict exit.
        error.exit_code = 1 if workflow is not None else error.exit_code
        raise
    return target, spec, bind_inputs(spec, parse_inputs(given), target.config.path)


def _resume(wiring: Wiring, run_id: str, wanted: Wanted, *, wait: bool, as_json: bool, verbose: bool) -> int:
    wiring.end_left_behind(say_line)
    workspace = find_begun(wiring.settings.home, run_id, for_child="resume its whole tree: `tako exec --resume {root}`")
    with contextlib.ExitStack() as owned:
        try:
            owned.enter_context(wiring.owning(workspace))
        except LockTimeoutError as error:
            raise still_alive(workspace) from error
        recorded = read_request(workspace.request)
        if not recorded.private and os.path.isdir(recorded.source):
            owned.enter_context(alone_in(recorded.source, wiring, wait=wait))
        restored = find_restored(wiring, workspace, wanted)
        if restored is None:
            told = f"{os.path.basename(workspace.path)} has succeeded; there is nothing to resume"
            say_line(told)
            if as_json:
                show(document(error_data("nothing_to_resume", told)))
            return 0
        request = restored.root.request
        wiring.secrets.hide(request.workflow.secrets)
        if restored.root.result is None:
            require_secrets(wiring, request.workflow, request.inputs)
        say(f"Resuming workflow '{request.workflow.name}' of {request.repo} ({request.run_id})\n")
        resume = partial(wiring.resume, restored, rerun_from=wanted.rerun_from)
        return carry_out(wiring, request, resume, as_json=as_json, verbose=verbose)


def _refuse_with_resume(**given: Any) -> None:
    """What a resumed run has already. Raises ``UsageError``."""
    wrong = [name for name, value in given.items() if value]
    if wrong:
        names = {"workflow": "the workflow's name", "inputs": "inputs"}
        raise UsageError(
            f"--resume does not go with {names.get(wrong[0], '--' + wrong[0].replace('_', '-'))}",
            cure="a run goes on with what it was started with; `tako exec --resume RUN_ID` is enough",
        )


def _names(text: str) -> frozenset[str]:
    """The names of ``NAME,NAME``. Raises ``UsageError`` if one is no name of a variable."""
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    wrong = sorted(name for name in names if "=" in name or not name.isprintable() or " " in name)
    if wrong:
        raise UsageError(
            f"--strict-env: {wrong[0]!r} is not the name of a variable", cure="write --strict-env CI,LC_ALL"
        )
    return names


def _chaos(faults: tuple[str, ...]) -> str:
    """The faults as children read them. Raises ``UsageError``."""
    if not faults:
        return ""
    from tako.execution.chaos import encode, parse

    return encode(tuple(parse(text) for text in faults))


def _header(request: RunRequest, *, shown_repo: str | None) -> str:
    lines = [f"Executing workflow '{request.workflow.name}'"]
    if shown_repo:
        lines.append(f"Repository: {shown_repo}")
    if request.inputs:
        lines += ["Inputs:", *(f"  {name}: {_plain(value)}" for name, value in request.inputs.items())]
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


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
