"""Keeps the secrets of a run out of what its steps leave behind: outputs, artifacts, events, and why they failed."""

from __future__ import annotations

import os

from tako.errors import StepError
from tako.records import replace, to_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from tako.execution.artifact_files import Chosen
    from tako.execution.failure import Failure
    from tako.secrets.run import RunSecrets
    from tako.steps.base import StepContext


def keep_out(context: StepContext, value: object, what: str) -> None:
    """Raise ``StepError`` if there is a secret in plain data, records included; ``what`` is that data."""
    secrets = context.capabilities.secrets
    if secrets:
        secrets.refuse(to_data(value), what, where=context.where)


def keep_outputs_public(context: StepContext, outputs: Mapping[str, str]) -> None:
    """Raise ``StepError``, naming the output, if there is a secret in one."""
    secrets = context.capabilities.secrets
    if not secrets:
        return
    for name, value in outputs.items():
        secrets.refuse(name, "the name of an output", where=context.where)
        secrets.refuse(value, f"output {name!r}", where=context.where)


def refuse_artifact(context: StepContext, name: str, chosen: Chosen) -> None:
    """Raise ``StepError`` if there is a secret in an artifact's files as they lie there, or in their names."""
    mask = context.capabilities.secrets.mask
    if mask is None:
        return
    from tako.secrets.scan import secret_in

    for match in chosen.matches:
        found = secret_in(mask, os.path.join(context.capabilities.repo_dir, match), check=context.check)
        if found is not None:
            secret, path = found
            shown = mask.hide(os.path.relpath(path, context.capabilities.repo_dir))
            raise StepError(
                f"artifact {name!r} holds the value of the secret {secret!r}, in {shown}",
                where=context.where,
                why="an artifact is kept, and handed to other repositories",
                cure="leave the secret out of it, and let whoever needs it name it in its own `env`",
            )


def masked(failure: Failure, secrets: RunSecrets) -> Failure:
    """The failure with ``***`` for every secret in its words."""
    if not secrets:
        return failure
    return replace(failure, message=secrets.hide(failure.message), log=tuple(map(secrets.hide, failure.log)))
