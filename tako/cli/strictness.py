"""``--strict-exit`` and ``TAKO_STRICT_EXIT``: usage and configuration errors end every command with 2."""

from __future__ import annotations

import click

from tako.config.values import as_boolean
from tako.errors import ConfigError, ExpressionError, InputError, UnknownWorkflowError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

VARIABLE = "TAKO_STRICT_EXIT"


class Invocation:
    """What one call of ``tako`` asks of its exit code."""

    def __init__(self) -> None:
        self.strict_exit = False

    def exit_code(self, error: BaseException, code: int) -> int:
        """The exit code for an error that would end with ``code``."""
        usage = isinstance(error, (InputError, UnknownWorkflowError, ConfigError, ExpressionError))
        return UsageError.exit_code if usage and self.strict_exit else code


def strict_exit_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--strict-exit``, for the group and for commands of which scripts expect 1."""
    return click.option(
        "--strict-exit", is_flag=True, expose_value=False, callback=_ask,
        help="Exit with 2, not 1, if an input, a workflow or a tako.yml is not usable.",
    )(command)  # fmt: skip


def strict_by(environment: Mapping[str, str]) -> bool:
    """Whether the environment asks for it; an empty variable is ignored. Raises ``UsageError``."""
    text = environment.get(VARIABLE, "")
    if not text:
        return False
    try:
        return as_boolean(text)
    except ValueError as error:
        raise UsageError(f"{VARIABLE}: {error}", cure=f"write it as {VARIABLE}=1") from error


def _ask(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Invocation).strict_exit = True
