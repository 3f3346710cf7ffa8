"""``tako``, also as ``python -m tako``."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and end the process with its exit code.

    The version and the help need nothing of ours, so they are answered before anything is imported.
    """
    arguments = sys.argv[1:]
    if "_TAKO_COMPLETE" not in os.environ:
        if arguments in (["version"], ["--version"]):
            from tako import __version__

            _finish(f"tako {__version__}\n")
        if arguments in ([], ["--help"]):
            from tako.cli.help import HELP

            _finish(HELP)
    from tako.cli.main import run

    sys.exit(run(arguments))


def _finish(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain once more when it closes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(0)


if __name__ == "__main__":
    main()
