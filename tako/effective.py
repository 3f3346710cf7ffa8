"""The effective settings of a command: what its options, the environment, two files and the defaults come to."""

from __future__ import annotations

import os

from tako.environment import LOG_LIMIT_VARIABLE, base_environment
from tako.execution.cache_limit import DEFAULT_LIMIT
from tako.execution.retention import Retention
from tako.paths import expanded
from tako.records import record
from tako.secrets.store import FILE_VARIABLE, Sources
from tako.settings import choose, files_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


@record
class Settings:
    """What the command line and the environment ask for."""

    home: str
    cache_dir: str
    cap: int
    """How many children are at work at once, at most."""
    strict: bool = False
    """Whether a repository that cannot be read refuses a fan-out."""
    environment: Mapping[str, str] = {}
    """What steps and children have in their environment, beside Tako's own variables."""
    log_limit: int | None = None
    """The most bytes that a log has on the disk; None for the default."""
    chaos: str = ""
    """The faults to inject, as ``tako.execution.chaos`` writes them."""
    max_crashes: int | None = None
    """How often in a row a repository's workflow may crash before it is not started any more; None for the default."""
    retention: Retention = Retention()
    """Which runs' directories are kept."""
    secrets: Sources = Sources()
    """Where the values of secrets come from."""
    idempotency_retention: float | None = None
    """How many seconds an outcome answers for its idempotency key; None for the default."""
    cache_limit: int = DEFAULT_LIMIT
    """Bytes of the step cache that `tako cache prune` leaves."""


def home_from(environment: Mapping[str, str]) -> str:
    """Return Tako's home. Raises ``UsageError`` if it names a user that there is not."""
    return os.path.abspath(expanded(environment.get("TAKO_HOME") or "~/.tako", "TAKO_HOME"))


def settings_from(
    environment: Mapping[str, str],
    *,
    cache_dir: str | None = None,
    cap: int | None = None,
    strict: bool | None = None,
    strict_env: Collection[str] | None = None,
    chaos: str = "",
    max_crashes: int | None = None,
    secrets_file: str | None = None,
    working_in: str | None = None,
) -> Settings:
    """The settings: flags win, then the environment, then the project's file, then the user's, then defaults.

    ``strict_env`` are the only names that steps and children inherit, beside a few that they cannot do without.
    ``working_in`` is a directory of the project; None reads no files, for what must work whatever they say. Raises
    ``UsageError`` if the environment says something that cannot be, ``ConfigError`` if a file does.
    """
    home = home_from(environment)
    chosen = choose(environment, files_for(home, working_in) if working_in is not None else ())
    inherited = base_environment(environment, only=strict_env)
    if chosen.log_limit is not None:
        # Children know no files, only their environment.
        inherited[LOG_LIMIT_VARIABLE] = str(chosen.log_limit)
    return Settings(
        home=home,
        cache_dir=os.path.abspath(cache_dir) if cache_dir else os.path.join(home, "cache"),
        cap=cap or chosen.max_concurrent_repos or available_cores(),
        strict=chosen.strict if strict is None else strict,
        environment=inherited,
        log_limit=chosen.log_limit,
        chaos=chaos,
        max_crashes=chosen.max_crashes if max_crashes is None else max_crashes,
        retention=chosen.retention,
        idempotency_retention=chosen.idempotency_retention,
        cache_limit=DEFAULT_LIMIT if chosen.cache_limit is None else chosen.cache_limit,
        secrets=Sources(
            file=secrets_file or expanded(environment.get(FILE_VARIABLE, ""), FILE_VARIABLE) or None,
            environment=environment,
            commands=chosen.secret_commands,
        ),
    )


def available_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
