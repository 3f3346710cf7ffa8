"""The command that runs a failed run again, as it can be pasted into a shell."""

from __future__ import annotations

import os
import shlex
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.fanout.result import ChildOutcome

NAME = "tako"


def replay_command(run: ChildOutcome) -> str:
    """Return the command that runs it again, alone, and changes nothing recorded.

    It names ``TAKO_HOME`` if the run is not in the default one.
    """
    child = "" if run.run_id == run.root_id else f" --child {run.run_id}"
    return f"{_home(run)}{tako_command()} replay {run.root_id}{child}"


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


def _home(run: ChildOutcome) -> str:
    home, workspaces, _ = run.workspace.partition(f"/workspaces/{run.root_id}")
    if not workspaces or os.path.abspath(home) == os.path.abspath(os.path.expanduser("~/.tako")):
        return ""
    return f"TAKO_HOME={_quoted(home)} "


def _quoted(path: str) -> str:
    """A path for a shell; one that is not UTF-8 in the form that bash and zsh know."""
    data = os.fsencode(path)
    try:
        return shlex.quote(data.decode())
    except UnicodeDecodeError:
        escaped = data.replace(b"\\", b"\\\\").replace(b"'", b"\\'")
        return f"$'{escaped.decode('ascii', 'backslashreplace')}'"
