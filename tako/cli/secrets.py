"""What commands that run workflows have to do with secrets."""

from __future__ import annotations

import click

from tako.cli.paths import HomePath
from tako.errors import SecretError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from tako.config.model import WorkflowSpec
    from tako.wiring import Wiring


def secrets_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--secrets-file``."""
    return click.option(
        "--secrets-file", type=HomePath(dir_okay=False), metavar="FILE",
        help="Take the values of secrets from NAME=value lines that only you can read, before the environment.",
    )(command)  # fmt: skip


def require_secrets(wiring: Wiring, workflow: WorkflowSpec, inputs: Mapping[str, Any]) -> None:
    """Find the secrets that a workflow declares, before anything of it starts.

    Raises ``SecretError`` if some have no value, or if an input has the value of one: inputs are written down.
    """
    mask = wiring.secrets.of_run(workflow.secrets).mask
    if mask is None:
        return
    for name, value in inputs.items():
        secret = mask.find(value) if isinstance(value, str) else None
        if secret is not None:
            raise SecretError(
                f"the input {name!r} holds the value of the secret {secret!r}",
                why="inputs are written to files and shown, and others on this machine see them in ps",
                cure=f"leave the input away, and let the step that needs it name {secret} in its `env`",
            )
