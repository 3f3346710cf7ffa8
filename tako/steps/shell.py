"""A ``run`` step: a script for the shell."""

from __future__ import annotations

import contextlib
import os

from tako.errors import StepError
from tako.execution.failure import LOG_TAIL, STEP_FAILED, STEP_KILLED, Failure
from tako.execution.outputs import needed_streams
from tako.files import open_log, tail
from tako.signals import signal_name
from tako.steps.base import RunInterruptedError, StepResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tako.signals import Exit
    from tako.steps.base import StepContext

KEPT_OUTPUT = 1 << 20
"""Bytes of a stream that are kept for ``produces``."""

_ARGV = {"sh": ("/bin/sh", "-e", "-c"), "bash": ("bash", "-e", "-o", "pipefail", "-c")}


class ShellStep:
    """Runs the script with the repository as its directory; its output goes to the step's log."""

    def run(self, context: StepContext) -> StepResult:
        spec = context.spec
        script = context.render(spec.run or "")
        directory = context.directory
        if not os.path.isdir(directory):
            raise StepError(
                f"the working directory {spec.working_directory or directory!r} does not exist", where=context.where
            )
        with contextlib.suppress(FileNotFoundError):
            os.unlink(context.output_path)
        sources = spec.produces.outputs if spec.produces else {}
        dump = f"{context.output_path}.env" if _needs_environment(sources.values()) else None
        stdout, stderr = bytearray(), bytearray()
        keep_out, keep_err = needed_streams(sources)
        capabilities = context.capabilities
        with open_log(context.log_path) as write_log:
            sinks: list[Callable[[bytes], object]] = [write_log]
            if capabilities.echo is not None:
                echo = capabilities.echo
                sinks.append(lambda data: echo(spec.id, data))
            outcome = capabilities.processes.run_piped(
                [*_ARGV[spec.shell], _script(script, directory, dump)],
                env=context.environment(),
                on_stdout=_fan(sinks, stdout if keep_out else None),
                on_stderr=_fan(sinks, stderr if keep_err else None),
                stop_fds=capabilities.stop_fds,
            )
        if outcome.stopped:
            raise RunInterruptedError
        if not outcome.exit.ok:
            return StepResult(failure=_failure(outcome.exit, context.log_path))
        return StepResult(
            stdout=bytes(stdout), stderr=bytes(stderr), exported=_read_environment(dump) if dump else None
        )


def _script(script: str, directory: str, dump: str | None) -> str:
    """The script with what must come before it, on its first line, so that the shell's line numbers stay right."""
    before = f"cd -- {_quote(directory)}; "
    if dump is not None:
        before += f"trap {_quote(f'env -0 > {_quote(dump)}')} EXIT; "
    return before + script


def _quote(text: str) -> str:
    """A text as one word for the shell (POSIX 2.2.2: nothing is special between single quotes but the quote)."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


def _fan(sinks: list[Callable[[bytes], object]], kept: bytearray | None) -> Callable[[bytes], object]:
    """One function that passes data to all sinks and keeps the beginning of it."""

    def sink(data: bytes) -> None:
        for each in sinks:
            each(data)
        if kept is not None and len(kept) < KEPT_OUTPUT:
            kept.extend(data[: KEPT_OUTPUT - len(kept)])

    return sink


def _needs_environment(sources: Iterable[str]) -> bool:
    return any(source.startswith("from_env:") for source in sources)


def _read_environment(path: str) -> dict[str, str]:
    try:
        with open(path, "rb") as file:
            entries = file.read().decode("utf-8", "surrogateescape").split("\0")
    except OSError:
        return {}
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
        return Failure(kind=STEP_KILLED, message=exit_.describe(), signal=number, log=log)
    if code is not None and 128 < code <= 128 + 64 and signal_name(code - 128).startswith("SIG"):
        message = f"exit code {code}: its command was killed by {signal_name(code - 128)}"
        return Failure(kind=STEP_KILLED, message=message, exit_code=code, signal=code - 128, log=log)
    return Failure(kind=STEP_FAILED, message=f"exit code {code}", exit_code=code, log=log)
