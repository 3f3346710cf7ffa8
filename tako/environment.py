"""What of the user's environment steps and children inherit, and which variables are Tako's own."""

from __future__ import annotations

from tako.errors import UsageError
from tako.quantities import parse_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

OWN_VARIABLES = frozenset(
    {
        "TAKO_ATTEMPT",
        "TAKO_CGROUP",
        "TAKO_CHAOS",
        "TAKO_ENDING",
        "TAKO_ERROR_EXIT_CODE",
        "TAKO_ERROR_KIND",
        "TAKO_ERROR_MESSAGE",
        "TAKO_ERROR_SIGNAL",
        "TAKO_ERROR_STEP",
        "TAKO_EVENT_ID",
        "TAKO_FRESH",
        "TAKO_IDEMPOTENCY_KEY",
        "TAKO_INPUTS",
        "TAKO_LIFELINE",
        "TAKO_OUTPUT",
        "TAKO_REPO",
        "TAKO_ROOT_RUN_ID",
        "TAKO_RUN_ID",
        "TAKO_SECRETS_FD",
        "TAKO_SECRETS_FILE",
        "TAKO_STATUS",
        "TAKO_STEP_ATTEMPT",
        "TAKO_STEP_ID",
        "TAKO_WORKSPACE",
    }
)
"""What Tako itself puts into the environment of a step or a child."""

LOG_LIMIT_VARIABLE = "TAKO_LOG_LIMIT"

ALWAYS_PASSED = frozenset({"PATH", "HOME", "LANG", "TMPDIR"})
"""What a strict environment has beside the names that were given, and the user's own ``TAKO_…``."""


def base_environment(environment: Mapping[str, str], *, only: Collection[str] | None = None) -> dict[str, str]:
    """The user's environment without what Tako put there: a run inside a run starts clean.

    With ``only``, a strict environment: these names, those that are always passed, and the user's own ``TAKO_…``.
    """
    return {
        name: value
        for name, value in environment.items()
        if not is_own(name) and (only is None or name in only or name in ALWAYS_PASSED or name.startswith("TAKO_"))
    }


def log_limit_from(environment: Mapping[str, str]) -> int | None:
    """The most bytes that a log may have on the disk, by ``TAKO_LOG_LIMIT``; None if it does not say.

    Raises ``UsageError`` if what it says is no size.
    """
    text = environment.get(LOG_LIMIT_VARIABLE, "")
    if not text:
        return None
    try:
        return parse_size(text)
    except ValueError as error:
        raise UsageError(f"{LOG_LIMIT_VARIABLE}: {error}", cure=f"write it as {LOG_LIMIT_VARIABLE}=16Mi") from error


def is_own(name: str) -> bool:
    """Whether Tako itself sets a variable of that name for a step or a child."""
    return name in OWN_VARIABLES or name.startswith(("TAKO_INPUT_", "TAKO_ARTIFACT_"))
