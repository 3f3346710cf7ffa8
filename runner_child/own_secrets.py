"""How a child comes by the secrets of its workflow: from its parent or, run by hand, from where a person keeps them."""

from __future__ import annotations

import os

from tako.errors import SecretError
from tako.logs import mask_with
from tako.secrets.handover import VARIABLE, take_over
from tako.secrets.run import RunSecrets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tako.process import Processes


def take_secrets(names: Sequence[str], file: str | None, processes: Processes) -> RunSecrets:
    """The secrets of those names; from now on they are nowhere else in this process.

    ``file`` is the secrets file that a person has named. Raises ``SecretError`` if some have no value.
    """
    secrets = RunSecrets(_values(names, file, processes))
    for name in names:
        # What is started from here on gets those that it names, and no others.
        os.environ.pop(name, None)
    mask_with(secrets.hide)
    return secrets


def _values(names: Sequence[str], file: str | None, processes: Processes) -> dict[str, str]:
    handed = os.environ.pop(VARIABLE, None)
    if handed is None:
        from runner_child.alone import find_secrets

        return find_secrets(names, file, processes)
    try:
        values = take_over(handed)
        return {name: values[name] for name in names}
    except (OSError, ValueError, KeyError) as error:
        raise SecretError("the parent has not handed over the secrets that the workflow declares") from error
