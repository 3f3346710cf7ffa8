"""The ``tako`` command group, and how every error becomes a message and an exit code."""

from __future__ import annotations

import contextlib
import importlib
import os

import click

from tako import __version__
from tako.cli.help import HELP
from tako.cli.refusal import asks_for_json, document, refusal_of
from tako.cli.strictness import Invocation, strict_by, strict_exit_option
from tako.clock import SystemClock
from tako.errors import InterruptedCommandError, MachineError
from tako.household import kill_ours
from tako.interrupts import exit_code, told
from tako.stdio import say, show, shown, silence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

COMMANDS = {
    "artifacts": "tako.cli.artifacts:artifacts",
    "cache": "tako.cli.cache:cache",
    "cancel": "tako.cli.cancel:cancel",
    "child": "tako.cli.child:child",
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
        for each in (command, *getattr(command, "commands", {}).values()):
            each.short_help = each.short_help or _summary(each)
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
            say("\n")
            raise InterruptedCommandError(told(error), exit_code(error)) from error

    def get_help(self, _ctx: click.Context) -> str:
        return HELP.rstrip("\n")


def _summary(command: click.Command) -> str:
    """Return the first paragraph of a command's help, which click would cut to 45 characters."""
    return " ".join((command.help or "").partition("\n\n")[0].split())


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tako", message="%(prog)s %(version)s")
@strict_exit_option
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Run workflows across many git repositories."""
    invocation = ctx.ensure_object(Invocation)
    invocation.strict_exit = invocation.strict_exit or strict_by(os.environ)


def run(arguments: list[str]) -> int:
    """Run the command line; returns its exit code. Raises nothing but ``MemoryError``.

    Whatever ends a command without a result is a message on stderr and, with ``--json``, one document on stdout.
    """
    invocation, before = Invocation(), shown()
    if "_TAKO_COMPLETE" in os.environ:
        from tako.cli.shells import register

        register()
    try:
        result = cli.main(args=arguments, prog_name="tako", standalone_mode=False, obj=invocation)
        show("")
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as error:
        return int(error.exit_code)
    except BrokenPipeError:
        silence(1)
        return 0
    except MemoryError:
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  (also a bug of ours: it is a refusal, too)
        refusal = refusal_of(error)
        if shown() == before and asks_for_json(cli, arguments):
            with contextlib.suppress(MachineError):
                show(document(refusal.data))
        if isinstance(error, OSError):
            silence(1)
        say(refusal.text)
        return invocation.exit_code(error, refusal.exit_code)
