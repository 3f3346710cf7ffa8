"""The contract of a launcher."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from tako.signals import Exit

    class Launcher(Protocol):
        """Runs ``python -m runner_child DIR`` somewhere, from its start to its end."""

        def launch(self, directory: str, *, on_output: Callable[[bytes], bool], stop_fd: int) -> Exit:
            """Run the child of a directory and return how its process ended, with nothing of it left running.

            ``on_output`` gets the bytes of its stdout as they come; when it returns False, the child is ended. So it
            is when ``stop_fd`` becomes readable, in a way that lets it end its steps first. Raises ``MachineError`` if
            the child cannot be started.
            """
