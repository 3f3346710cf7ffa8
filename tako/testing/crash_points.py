"""``python crash_points.py exec …``: ``tako`` whose processes kill themselves at chosen writes. For tests only.

Nothing of Tako knows of this file. Started instead of ``tako``, it wraps the writes of ``tako.files`` before anything
else is imported, and has itself started as the children too. What it does is in the environment:

``TAKO_TEST_WRITES``
    A file that gets a line for each write of the tree, before it is made: who writes, what, and for the how many-th
    time, as ``crash/left state 2``. Who is ``root`` or a child's repository. Before a kill it gets the line ``killed``.
``TAKO_TEST_CRASH``
    ``WHEN:VICTIM:LINE``: SIGKILL ``before``, ``during`` (the new file is there, under its temporary name) or ``after``
    the write of that line, to the process ``itself``, its ``root``, or ``both``. Or ``every:root:N`` and
    ``every:child:N``: each such process kills itself before its N-th write.
"""

from __future__ import annotations

import os
import signal
import sys

if __name__ == "__main__":
    # Python puts this file's own directory first; what is wanted is the one that holds the package.
    sys.path[0] = __file__.rpartition("/tako/")[0]

from tako import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

WRITES = "TAKO_TEST_WRITES"
CRASH = "TAKO_TEST_CRASH"
ENTRY = __file__

KILLED = "killed"

BEFORE, DURING, AFTER, EVERY = "before", "during", "after", "every"
ITSELF, ROOT, BOTH = "itself", "root", "both"


class Strikes:
    """Counts the writes of this process and kills at the wanted one."""

    def __init__(self, who: str, *, log: str, wanted: str) -> None:
        self._who = who
        self._log = log
        self._when, self._victim, self._line = (*wanted.split(":", 2), "", "")[:3]
        self._written = 0
        self._at = ""

    def write(self, what: str, act: Callable[[], None]) -> None:
        """Make one write, and the kill that belongs to it, if one does."""
        outer, self._at = self._at, self._counted(what)
        self._written += 1
        if self._when == EVERY and (self._victim == ROOT) == (self._who == ROOT) and self._written == int(self._line):
            self._kill(ITSELF)
        self.strike(BEFORE)
        act()
        self.strike(AFTER)
        self._at = outer

    def strike(self, when: str) -> None:
        """Kill, if this is the moment."""
        if when == self._when and self._at == self._line:
            # Once only, also where the one that is killed is another.
            self._line = ""
            self._kill(self._victim)

    def _kill(self, victim: str) -> None:
        with open(self._log, "a", encoding="utf-8") as file:
            file.write(f"{KILLED}\n")
        if victim in (ROOT, BOTH):
            os.kill(os.getppid(), signal.SIGKILL)
        if victim != ROOT:
            os.kill(os.getpid(), signal.SIGKILL)

    def _counted(self, what: str) -> str:
        """The line of a write: the next of its kind in the whole tree."""
        import fcntl

        key = f"{self._who} {what}"
        with open(self._log, "a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            number = 1 + sum(line.rpartition(" ")[0] == key for line in file)
            file.write(f"{key} {number}\n")
        return f"{key} {number}"


def install(who: str) -> None:
    """Wrap the writes of this process; before any module that writes is imported."""
    strikes = Strikes(who, log=os.environ[WRITES], wanted=os.environ.get(CRASH, ""))
    atomic_write, append, rename = files.atomic_write, files.append, os.replace

    def counted_write(path: str, content: bytes, **options: Any) -> None:
        strikes.write(_name(path), lambda: atomic_write(path, content, **options))

    def counted_append(descriptor: int, content: bytes, path: str, **options: Any) -> None:
        strikes.write(_entry(content), lambda: append(descriptor, content, path, **options))

    def counted_rename(source: Any, target: Any) -> None:
        strikes.strike(DURING)
        rename(source, target)

    files.atomic_write, files.append = counted_write, counted_append
    os.replace = counted_rename  # type: ignore[assignment]


def _name(path: str) -> str:
    directory, name = os.path.split(path)
    place = os.path.basename(directory)
    return place if place in ("alive", "answers") else name.partition(".")[0]


def _entry(content: bytes) -> str:
    """A journal's entry by its type."""
    import json

    return f"journal-{json.loads(content)['entry']['type']}"


def main() -> None:
    """Be ``tako``, or one of its children."""
    if "TAKO_LIFELINE" in os.environ:
        import json

        with open(os.path.join(sys.argv[1], "request.json"), encoding="utf-8") as file:
            install(json.load(file)["data"]["repo"])
        from runner_child.__main__ import main as run_child
        from tako.packages import OnDemand

        sys.meta_path.append(OnDemand())
        sys.exit(run_child(sys.argv[1:]))
    install(ROOT)
    from tako.__main__ import main as run_tako
    from tako.children.launchers import local

    local.ENTRY = ENTRY  # type: ignore[attr-defined]
    run_tako()


if __name__ == "__main__":
    main()
