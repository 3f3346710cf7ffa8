"""Runs a tree for a person or a program: what is shown of it meanwhile, and what of its end."""

from __future__ import annotations

import contextlib
import json
import os
import sys

from tako.errors import MachineError
from tako.execution.workspace import root_workspace
from tako.stdio import say, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tako.execution.request import RunRequest
    from tako.fanout.result import TreeResult
    from tako.report.echo import LineEcho
    from tako.wiring import Wiring


def carry_out(
    wiring: Wiring, request: RunRequest, run: Callable[..., TreeResult], *, as_json: bool, verbose: bool
) -> int:
    """Show a tree while it runs, and what became of it; returns the exit code.

    ``run`` is ``wiring.execute`` or ``wiring.resume`` without their last arguments: who observes, and the ``echo``.
    """
    with wiring.signals.heeded():
        try:
            with _observer(verbose) as observer:
                result = run(observer, echo=said(request.repo) if verbose else observer.echo)
        except MachineError as error:
            raise _resumable(error, request.run_id, wiring.settings.home) from error
        code = _report(wiring, request, result, as_json=as_json)
    _clean_up(wiring, result)
    return code


def _resumable(error: MachineError, run_id: str, home: str) -> MachineError:
    """The error that Tako itself could not go on for, with how to resume the run, if there is one by now."""
    from tako.report.again import command

    if os.path.lexists(root_workspace(home, run_id).request):
        resume = f"go on with it: {command(f'exec --resume {run_id}', home)}"
        error.cure = f"{error.cure}\n  {resume}" if error.cure else resume
    return error


def _report(wiring: Wiring, request: RunRequest, result: TreeResult, *, as_json: bool) -> int:
    from tako.execution.state import read_state
    from tako.report.data import result_data
    from tako.report.recorded import recorded_steps
    from tako.report.style import screen_of
    from tako.report.summary import failures, summary

    state_path = root_workspace(wiring.settings.home, request.run_id).state
    # A run whose checkout could not be made has none.
    state = read_state(state_path) if os.path.exists(state_path) else None
    own = ((*state.steps, *state.finals), state.services) if state is not None else ((), ())
    say(failures(result, screen_of(sys.stderr, os.environ)))
    if as_json:
        show(json.dumps(result_data(result, request, *own, steps_of=recorded_steps), indent=2) + "\n")
    else:
        show(summary(result, *own, screen=screen_of(sys.stdout, os.environ)))
    return _exit_code(result)


def _clean_up(wiring: Wiring, result: TreeResult) -> None:
    """Remove old runs, if the settings say so, but not while somebody waits for us to end."""
    if wiring.settings.retention.automatic and result.interrupted_by is None:
        from tako.cli.cleaner import clean_automatically

        with contextlib.suppress(KeyboardInterrupt):
            clean_automatically(wiring, sparing=result.root.run_id)


def _exit_code(result: TreeResult) -> int:
    if result.interrupted_by is not None:
        return 128 + result.interrupted_by
    if result.ok:
        return 0
    return MachineError.exit_code if result.is_the_machines_fault else 1


def _observer(verbose: bool) -> Any:
    """The live tree on a terminal, lines everywhere else."""
    from tako.report.choose import observer

    return observer(sys.stderr, verbose=verbose)


def said(repo: str) -> LineEcho:
    """What says the lines that a root's steps print, each with the repository and the step before it."""
    from tako.report.echo import LineEcho

    return LineEcho(lambda step_id, line: say(f"[{repo} {step_id}] {line}\n"))
