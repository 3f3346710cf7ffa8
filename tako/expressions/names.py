"""The names that an expression may start from, and what to say about one that does not exist."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

ROOTS = (
    "inputs",
    "steps",
    "outputs",
    "event",
    "events",
    "payload",
    "artifacts",
    "env",
    "repo",
    "run",
    "error",
    "status",
)
"""What stands at the start of a path. Not all of them exist everywhere: ``error`` only in ``on_failure`` and
``finally``, ``status`` only in ``finally``."""

NO_SECRETS_WHY = "what an expression yields ends up in commands, events and logs"
NO_SECRETS_CURE = (
    "list the secret's name under the workflow's `secrets`, hand it to the step with `env: {TOKEN: NAME}`, "
    "and read $TOKEN in the command"
)


def secret_why(name: object) -> str:
    """Why ``env`` has no such name, if that is a secret."""
    return f"{name} is a secret, and {NO_SECRETS_WHY}"


def secret_cure(name: object) -> str:
    """What to do instead."""
    return f'read "${name}" in the command of a step whose `env` names the secret'


_LISTED = 12
_COMPARED = 1000


def nearest(name: str, known: Iterable[object]) -> str | None:
    """The known name most like ``name``, or None if none is."""
    import difflib

    candidates = [item for item in known if isinstance(item, str)][:_COMPARED]
    folded = {item.casefold(): item for item in reversed(candidates)}
    matches = difflib.get_close_matches(name[:100].casefold(), folded, n=1)
    return folded[matches[0]] if matches else None


def variable_name(name: str) -> str:
    """A name as part of an environment variable: upper case, everything but letters and digits as ``_``."""
    return "".join(char if char.isascii() and char.isalnum() else "_" for char in name).upper()


def listing(known: Iterable[object]) -> str:
    """Names for a reader, the first dozen of them; ``nothing`` if there are none."""
    names = [f"`{name}`" for name in known]
    if not names:
        return "nothing"
    rest = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def flat_steps(scope: Mapping[str, Any], *, outputs_win: bool) -> dict[str, Any]:
    """The scope's ``steps`` with the outputs of each step beside its own fields, so that ``a.x`` finds
    ``a.outputs.x``. ``outputs_win`` decides what an output named like a field (``status``) means; ``outputs``
    itself always stays the step's."""
    flat = {}
    for name, step in scope["steps"].items():
        outputs = step.get("outputs") or {}
        flat[name] = {**step, **outputs} if outputs_win else {**outputs, **step}
        flat[name]["outputs"] = outputs
    return flat
