"""The ``tako`` command group, and how every error becomes a message and an exit code."""

from __future__ import annotations

import importlib

import click

from tako import __version__
from tako.cli.help import HELP
from tako.clock import SystemClock
from tako.errors import MAKE_ROOM, MachineError, TakoError
from tako.household import kill_ours
from tako.interrupts import exit_code, told
from tako.shortage import is_shortage
from tako.stdio import say, show, silence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

COMMANDS = {
    "artifacts": "tako.cli.artifacts:artifacts",
    "cache": "tako.cli.cache:cache",
    "cancel": "tako.cli.cancel:cancel",
    "completion": "tako.cli.completion:completion",
    "events": "tako.cli.events:events",
    "exec": "tako.cli.exec:exec_",
    "init": "tako.cli.init:init",
    "lint": "tako.cli.lint:lint",
    "ps": "tako.cli.ps:ps",
    "replay": "tako.cli.replay:replay",
    "schema": "tako.cli.schema:schema",
    "status": "tako.cli.status:status",
    "validate": "tako.cli.validate:validate",
    "version": "tako.cli.version:version",
    "workspace": "tako.cli.workspace:workspace",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx) from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            # What click makes of it does not tell which signal it was.
            kill_ours(SystemClock())
            say(f"\n{told(error)}\n")
            raise click.exceptions.Exit(exit_code(error)) from error

    def get_help(self, _ctx: click.Context) -> str:
        return HELP.rstrip("\n")


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tako", message="%(prog)s %(version)s")
def cli() -> None:
    """Run workflows across many git repositories."""


def run(arguments: list[str]) -> int:
    """Run the command line; returns its exit code. Raises nothing but ``MemoryError``."""
    try:
        result = cli.main(args=arguments, prog_name="tako", standalone_mode=False)
        show("")
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        say(_usage(error))
        return 2
    except click.exceptions.Exit as error:
        return int(error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        say(f"{told(error)}\n")
        return exit_code(error)
    except TakoError as error:
        say(f"error: {error}\n")
        return error.exit_code
    except BrokenPipeError:
        silence(1)
        return 0
    except OSError as error:
        silence(1)
        say(f"error: {_refusal(error)}\n")
        return MachineError.exit_code
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  (a bug of ours: the traceback is what the report needs)
        import traceback

        say(traceback.format_exc())
        say(f"error: this is a bug in Tako ({type(error).__name__}); please report it with the above\n")
        return 3


def _refusal(error: OSError) -> str:
    """What the machine refused, where nobody could say more of it."""
    if not is_shortage(error):
        return str(error)
    return str(MachineError(f"Tako cannot go on: {error.strerror}", where=error.filename or "", cure=MAKE_ROOM))


def _usage(error: click.ClickException) -> str:
    """What click has to say, in the form of our own errors."""
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        return f"{error.format_message()}\n"
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    cure = f"\n  fix: see `{ctx.command_path} --help`" if ctx is not None else ""
    return f"error: {error.format_message()}{cure}\n"
