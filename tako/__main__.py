"""``tako``, also as ``python -m tako``."""

from __future__ import annotations

import os
import sys

from tako.stdio import prepare, say, show


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        code = _run()
    except KeyboardInterrupt as error:
        from tako.interrupts import exit_code, heed_no_more, told

        heed_no_more()
        say(f"{told(error)}\n")
        code = exit_code(error)
        _answer_json("interrupted", told(error), "")
    except MemoryError:
        what, fix = "Tako could not get the memory that it needs", "close other programs, or raise `ulimit -v`"
        say(f"error: {what}\n  fix: {fix}\n")
        code = 3
        _answer_json("machine_error", what, fix)
    sys.exit(code)


def _run() -> int:
    """The version and the help need nothing of ours, so they are answered before anything else is imported."""
    prepare()
    arguments = sys.argv[1:]
    if "_TAKO_COMPLETE" not in os.environ:
        if arguments in (["version"], ["--version"]):
            from tako import __version__

            return _answer(f"tako {__version__}\n")
        if arguments in ([], ["--help"]):
            from tako.cli.help import HELP

            return _answer(HELP)
    from tako.git_context import forget_git_context
    from tako.interrupts import heed_no_more, raise_on_signals

    raise_on_signals()
    forget_git_context(os.environ)
    from tako.cli.main import run

    code = run(arguments)
    heed_no_more()
    return code


def _answer_json(code: str, message: str, fix: str) -> None:
    """Print the document of a refusal, if ``--json`` asks for it; for what ends Tako outside of any command."""
    from tako.stdio import shown

    if "--json" in sys.argv and not shown():
        try:
            from tako.cli.refusal import document, error_data

            show(document(error_data(code, message, fix=fix)))
        except Exception:  # noqa: BLE001, S110  (what had no memory before may have none now)
            pass


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
