"""``python -m runner_child DIR``: run the request in DIR, and speak in frames on stdout.

The wire format is in ``tako.children.protocol``, the directory's in ``tako.execution.workspace``. Exit codes: 0 the
workflow succeeded or waits for a fan-out, 1 it failed, 2 wrong usage, 3 Tako or its machine failed.
"""

from __future__ import annotations

import os
import sys

from tako.cgroup import VARIABLE, Entrance
from tako.git_context import forget_git_context
from tako.stdio import prepare


def main(argv: list[str]) -> int:
    """Run a child, or what the options ask for."""
    prepare()
    forget_git_context(os.environ)
    entrance = Entrance(os.environ.pop(VARIABLE, ""))
    frames = os.dup(1)
    os.dup2(2, 1)
    if len(argv) == 1 and not argv[0].startswith("-"):
        from runner_child.child import Options, run

        return run(Options(argv[0]), frames, ready=entrance.wait)
    from runner_child.options import run_with_options

    return run_with_options(argv, frames)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
