"""The contract of a launcher."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol

    from tako.process import Outcome
    from tako.signals import Stops

    class Launcher(Protocol):
        """Runs ``python -m runner_child DIR`` somewhere, from its start to its end."""

        def launch(
            self,
            directory: str,
            *,
            env: Mapping[str, str],
            secrets: Mapping[str, str],
            on_output: Callable[[bytes], bool],
            on_closed: Callable[[], object],
            on_words: Callable[[bytes], object],
            due: Callable[[], float | None],
            stops: Stops,
        ) -> Outcome:
            """Run the child of a directory and return how its process ended, with nothing of it left running.

            ``env`` is added to the environment that all children have. ``secrets`` are the values that the child is to
            know, by name, on a way that nobody else sees (``tako.secrets.handover``). ``on_output`` gets the bytes of
            its stdout as they come, and ``on_words`` those of its stderr; ``on_closed`` is called if its stdout ends
            before it. The child is ended, in a way that lets it end its steps first, when ``on_output`` returns False,
            at the moment that ``due`` tells, on the clock's ``monotonic``, and when ``stops`` say so. Raises
            ``SpawnError`` if it cannot be started.
            """
