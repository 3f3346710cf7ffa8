"""Where the output of a step's command goes: to its log, to whoever watches, and to the outputs made of it."""

from __future__ import annotations

from tako.execution.outputs import KEPT_OUTPUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tako.process import Sink
    from tako.sinks import JoinedSinks
    from tako.steps.base import StepContext


class StepOutput:
    """The sinks of one command.

    Its streams have one pipe unless something needs them apart: an output that is made of one of them, or a secret,
    which the step could print on one stream in two parts with something from the other between them.
    """

    def __init__(
        self, context: StepContext, write_log: Callable[[bytes], object], *, keep_out: bool, keep_err: bool
    ) -> None:
        self.stdout = bytearray()
        """The beginning of what it printed there, if that is to be kept."""
        self.stderr = bytearray()
        self._echo = context.capabilities.echo
        self._step_id = context.spec.id
        sink = write_log if self._echo is None else self._both(write_log)
        apart = keep_out or keep_err or bool(context.secret_variables())
        self._joined: JoinedSinks | None = None
        out, err = sink, None
        if apart or context.capabilities.secrets:
            from tako.sinks import JoinedSinks

            self._joined = JoinedSinks(context.capabilities.secrets, sink, apart=apart)
            out, err = self._joined.on_stdout, self._joined.on_stderr
        self.on_stdout: Sink = _kept(out, self.stdout) if keep_out else out
        self.on_stderr: Sink | None = _kept(err, self.stderr) if keep_err and err is not None else err
        """None if the command is to have one pipe for both."""
        self.tick: Callable[[], float | None] | None = self._tick if apart or self._echo is not None else None
        """To be called now and then while the command runs; returns the seconds until the next call."""

    def say(self, text: str) -> None:
        """Add a line of Tako's own."""
        (self.on_stderr or self.on_stdout)(f"{text}\n".encode("utf-8", "replace"))

    def end(self) -> None:
        """Pass on what is still held: the command has ended."""
        if self._joined is not None:
            self._joined.end()
        if self._echo is not None:
            self._echo.end(self._step_id)

    def _tick(self) -> float | None:
        waits = [each.tick() for each in (self._joined, self._echo) if each is not None]
        return min((wait for wait in waits if wait is not None), default=None)

    def _both(self, write_log: Callable[[bytes], object]) -> Callable[[bytes], object]:
        echo, step_id = self._echo, self._step_id
        assert echo is not None, "somebody watches"

        def sink(data: bytes) -> None:
            write_log(data)
            echo.feed(step_id, data)

        return sink


def _kept(sink: Callable[[bytes], object], kept: bytearray) -> Callable[[bytes], object]:
    """A function that passes data on and keeps the beginning of it, as it was."""

    def keep(data: bytes) -> None:
        sink(data)
        if len(kept) < KEPT_OUTPUT:
            kept.extend(data[: KEPT_OUTPUT - len(kept)])

    return keep
