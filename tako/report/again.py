"""Commands that messages print, as they can be pasted into a shell."""

from __future__ import annotations

import os
import re
import shlex
import sys

from tako.execution.workspace import Workspace, home_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.fanout.result import ChildOutcome

NAME = "tako"

_NAMES_A_RUN = re.compile(r"`tako ([^`]*\bexec-[0-9][^`]*)`")


def replay_command(run: ChildOutcome) -> str:
    """Return the command that runs it again, alone, and changes nothing recorded."""
    child = "" if run.run_id == run.root_id else f" --child {run.run_id}"
    return _command_of(run, f"replay {run.root_id}{child}")


def resume_command(root: ChildOutcome) -> str:
    """Return the command that resumes a tree."""
    return _command_of(root, f"exec --resume {root.run_id}")


def status_command(root: ChildOutcome) -> str:
    """Return the command that shows a tree."""
    return _command_of(root, f"status {root.run_id}")


def command(arguments: str, home: str | None) -> str:
    """Return a command line of this Tako to paste into a shell; it names ``TAKO_HOME`` if that is not the default."""
    default = os.path.abspath(os.path.expanduser("~/.tako"))
    variable = f"TAKO_HOME={_quoted(home)} " if home is not None and os.path.abspath(home) != default else ""
    return f"{variable}{tako_command()} {arguments}"


def pasteable(text: str, home: str) -> str:
    """Complete the commands in backticks that name a run, so that they work in any shell."""
    return _NAMES_A_RUN.sub(lambda found: f"`{command(found[1], home)}`", text)


def tako_command() -> str:
    """Return what starts this Tako in a shell: ``tako`` if that is found on PATH and is this one.

    Else its script's path, or else this Python with the module; ``-P``, because a file in the current directory may
    have the name of a module.
    """
    import shutil

    script = sys.argv[0]
    found = shutil.which(NAME)
    beside = os.path.join(os.path.dirname(sys.executable), NAME)
    if found is not None and os.path.realpath(found) in {os.path.realpath(script), os.path.realpath(beside)}:
        return NAME
    for path in (script, beside):
        if os.path.basename(path) == NAME and os.path.isfile(path) and os.access(path, os.X_OK):
            return shlex.quote(os.path.abspath(path))
    return f"{shlex.quote(sys.executable)} -P -m {NAME}"


def _command_of(run: ChildOutcome, arguments: str) -> str:
    return command(arguments, home_of(Workspace(run.workspace), run.root_id))


def _quoted(path: str) -> str:
    """A path for a shell; one that is not UTF-8 in the form that bash and zsh know."""
    data = os.fsencode(path)
    try:
        return shlex.quote(data.decode())
    except UnicodeDecodeError:
        escaped = data.replace(b"\\", b"\\\\").replace(b"'", b"\\'")
        return f"$'{escaped.decode('ascii', 'backslashreplace')}'"
