"""``tako``, also as ``python -m tako``."""

from __future__ import annotations

import os
import sys

from tako.stdio import prepare, say, show


def main() -> None:
    """Run the command line and end the process with its exit code.

    The version and the help need nothing of ours, so they are answered before anything else is imported.
    """
    prepare()
    arguments = sys.argv[1:]
    if "_TAKO_COMPLETE" not in os.environ:
        if arguments in (["version"], ["--version"]):
            from tako import __version__

            sys.exit(_answer(f"tako {__version__}\n"))
        if arguments in ([], ["--help"]):
            from tako.cli.help import HELP

            sys.exit(_answer(HELP))
    try:
        from tako.cli.main import run

        code = run(arguments)
    except MemoryError:
        say("error: Tako could not get the memory that it needs\n  fix: close other programs, or raise `ulimit -v`\n")
        code = 3
    sys.exit(code)


def _answer(text: str) -> int:
    from tako.errors import MachineError

    try:
        show(text)
    except MachineError as error:
        say(f"error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    main()
