"""A ``run`` step: a script for the shell."""

from __future__ import annotations

import contextlib
import os
from signal import SIGKILL

from tako.errors import SpawnError, StepError
from tako.execution.failure import LOG_TAIL, STEP_FAILED, STEP_KILLED, Failure
from tako.execution.memory import LINES, kills_for_memory, tells_of_memory, with_limit_in_mind, with_memory_hint
from tako.execution.outputs import needed_streams
from tako.execution.script_file import command_of, script_file, write_script
from tako.execution.step_environment import is_long
from tako.expressions.shebang import has_shebang
from tako.log_file import DEFAULT_LOG_LIMIT, open_log, tail
from tako.process import Outcome
from tako.records import replace
from tako.signals import Exit, exit_status, how_it_was_ended, signal_name
from tako.steps.base import RunInterruptedError, StepResult
from tako.steps.output import StepOutput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from tako.process import Processes
    from tako.steps.base import StepContext

_FILE_ARGV = {"sh": ("/bin/sh", "-e"), "bash": ("bash", "-e", "-o", "pipefail")}
_ARGV = {shell: (*argv, "-c") for shell, argv in _FILE_ARGV.items()}


class ShellStep:
    """Runs the script with the repository as its directory; its output goes to the step's log."""

    def run(self, context: StepContext) -> StepResult:
        spec = context.spec
        script = context.render_script(spec.run or "")
        if "\0" in script:
            raise StepError(
                f"the script holds a NUL, at character {script.index(chr(0))}; no process can be given that",
                where=context.where,
            )
        directory = context.directory
        if not os.path.isdir(directory):
            raise StepError(
                f"the working directory {spec.working_directory or directory!r} does not exist", where=context.where
            )
        path = f"{context.output_path}.script"
        if spec.long_running:
            if has_shebang(spec.run or ""):
                write_script(path, script)
                return _leave_running(context, command_of(script, path, directory))
            whole = _script(script, directory, None, ())
            if is_long(whole):
                write_script(path, whole)
                return _leave_running(context, [*_FILE_ARGV[spec.shell], path])
            return _leave_running(context, [*_ARGV[spec.shell], whole])
        if has_shebang(spec.run or ""):
            with script_file(path, script):
                return self._run(context, command_of(script, path, directory), None)
        sources = spec.produces.outputs if spec.produces else {}
        dump = f"{context.output_path}.env" if _needs_environment(sources.values()) else None
        if dump is not None:
            # An earlier try may have left one.
            _read_environment(dump)
        whole = _script(script, directory, dump, context.secret_variables())
        if is_long(whole):
            with script_file(path, whole):
                return self._run(context, [*_FILE_ARGV[spec.shell], path], dump)
        return self._run(context, [*_ARGV[spec.shell], whole], dump)

    def _run(self, context: StepContext, command: Sequence[str], dump: str | None) -> StepResult:
        """Run the command; ``dump`` is where it leaves its environment, if it does."""
        spec = context.spec
        sources = spec.produces.outputs if spec.produces else {}
        kills = kills_for_memory()
        keep_out, keep_err = needed_streams(sources)
        capabilities = context.capabilities
        with open_log(context.log_path, limit=capabilities.log_limit or DEFAULT_LOG_LIMIT) as write_log:
            output = StepOutput(context, write_log, keep_out=keep_out or context.keeps_result, keep_err=keep_err)
            try:
                outcome = _run(
                    capabilities.processes,
                    command,
                    output,
                    env=context.environment(),
                    stops=capabilities.stops,
                    timeout=context.seconds,
                )
            finally:
                output.end()
        context.time.process_ended(outcome.stood_still)
        exported = _read_environment(dump) if dump else None
        if outcome.stopped:
            number = outcome.exit.signal
            how = "" if number is None else how_it_was_ended(number, forced=outcome.forced)
            raise RunInterruptedError(how, signal=number)
        if outcome.timed_out:
            return StepResult(failure=_overtime(context, outcome), stdout=bytes(output.stdout))
        if not outcome.exit.ok:
            failure = _failure(outcome.exit, context.log_path)
            hint = with_memory_hint if _lacked_memory(failure, context.log_path, kills) else with_limit_in_mind
            failure = hint(failure, context.request.workflow.mem_limit)
            return StepResult(failure=failure, stdout=bytes(output.stdout))
        return StepResult(stdout=bytes(output.stdout), stderr=bytes(output.stderr), exported=exported)


def _leave_running(context: StepContext, command: Sequence[str]) -> StepResult:
    from tako.execution.services import start_service

    capabilities = context.capabilities
    processes = capabilities.processes
    service = start_service(
        processes,
        capabilities.workspace,
        context.spec.id,
        command,
        env=context.environment(),
        lifeline=processes.lifeline() if capabilities.lifeline is None else capabilities.lifeline,
        log_limit=capabilities.log_limit,
        memory=context.request.workflow.mem_limit,
        secrets=capabilities.secrets.values,
    )
    return StepResult(service=service)


def _run(processes: Processes, argv: Sequence[str], output: StepOutput, **how: Any) -> Outcome:
    """Run it; a shell that is not there is what it is to a shell: exit code 127, or 126."""
    try:
        return processes.run_piped(
            argv, on_stdout=output.on_stdout, on_stderr=output.on_stderr, tick=output.tick, **how
        )
    except SpawnError as error:
        if error.passing:
            raise
        output.say(str(error))
        return Outcome(Exit(code=127 if isinstance(error.__cause__, FileNotFoundError) else 126))


def _lacked_memory(failure: Failure, log_path: str, kills: int) -> bool:
    """Whether memory is what a step failed for; ``kills`` is how many the kernel had killed for it before."""
    if failure.signal == SIGKILL and kills_for_memory() > kills:
        return True
    return tells_of_memory(tail(log_path, LINES))


def _overtime(context: StepContext, outcome: Outcome) -> Failure:
    failure = context.overtime()
    number = outcome.exit.signal
    message = f"{failure.message}; {how_it_was_ended(number, forced=outcome.forced)}"
    log = tail(context.log_path, LOG_TAIL)
    return replace(failure, message=message, exit_code=exit_status(number), signal=number, log=log)


def _script(script: str, directory: str, dump: str | None, secret: Iterable[str]) -> str:
    """The script with what must come before it, on its first line, so that the shell's line numbers stay right.

    The environment at its end goes to the file ``dump``, without the variables that are ``secret``.
    """
    before = f"cd -- {_quote(directory)}; "
    if dump is None:
        return before + script
    # By its path, since the script may have changed PATH; twice, since it may have set a trap of its own for EXIT.
    without = "".join(f"-u {name} " for name in secret)
    write = f"/usr/bin/env {without}-0 > {_quote(dump)} || :"
    return f"{before}trap {_quote(write)} EXIT; {script}\n\ntako_status=$?; {write}; exit $tako_status"


def _quote(text: str) -> str:
    """A text as one word for the shell (POSIX 2.2.2: nothing is special between single quotes but the quote)."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


def _needs_environment(sources: Iterable[str]) -> bool:
    return any(source.startswith("from_env:") for source in sources)


def _read_environment(path: str) -> dict[str, str] | None:
    try:
        with open(path, "rb") as file:
            entries = file.read().decode("utf-8", "surrogateescape").split("\0")
    except OSError:
        return None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def _failure(exit_: Exit, log_path: str) -> Failure:
    """An exit code above 128 from a shell means that what it ran was killed (POSIX 2.8.2)."""
    number = exit_.signal
    code = exit_.code
    log = tail(log_path, LOG_TAIL)
    if number is not None:
        return Failure(
            kind=STEP_KILLED, message=exit_.describe(), exit_code=exit_status(number), signal=number, log=log
        )
    if code is not None and 128 < code <= 128 + 64 and signal_name(code - 128).startswith("SIG"):
        message = f"exit code {code}: its command was killed by {signal_name(code - 128)}"
        return Failure(kind=STEP_KILLED, message=message, exit_code=code, signal=code - 128, log=log)
    return Failure(kind=STEP_FAILED, message=f"exit code {code}", exit_code=code, log=log)
