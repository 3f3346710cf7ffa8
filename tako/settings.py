"""Settings: what the environment and two files ask for, where no flag does.

A flag wins over the environment, that over the project's ``.tako/config.yml``, and that over the user's
``config.yml`` in Tako's home. ``KEYS`` is the whole list; ``docs/settings.md`` says the same for a reader.
"""

from __future__ import annotations

import os

from tako.config.values import as_boolean, as_integer, as_text
from tako.environment import LOG_LIMIT_VARIABLE
from tako.errors import ConfigError, UsageError
from tako.execution.retention import Retention
from tako.quantities import parse_duration, parse_size
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from tako.config.source import Document

FILE = "config.yml"
PROJECT_DIRECTORY = ".tako"
SECRETS = "secrets"
"""The setting whose fields are names that the user chooses."""
_COMMAND_EXAMPLE = 'GITHUB_TOKEN: {command: "pass show gh"}'
_ROOT_MARKS = (".git", "tako.yml")


@record
class Chosen:
    """What environment and files ask for; None where they say nothing and who uses it has a default."""

    max_concurrent_repos: int | None = None
    log_limit: int | None = None
    """In bytes."""
    max_crashes: int | None = None
    strict: bool = False
    idempotency_retention: float | None = None
    """In seconds."""
    cache_limit: int | None = None
    """In bytes."""
    secret_commands: Mapping[str, str] = {}
    """What prints the values of secrets, by their names; only the user's own file can say so."""
    retention: Retention = Retention()


@record
class Key:
    """One setting."""

    name: str
    """The field in a file; ``a.b`` is the field ``b`` of the mapping ``a``."""
    variable: str
    """The environment variable that says the same."""
    read: Callable[[Any], Any]
    """Its value out of that of a file, or of a variable's text; raises ``ValueError``, which goes on after its name."""
    example: str

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(self.name.split("."))


def parse_age(value: Any) -> float:
    """Seconds out of ``7d`` or ``12h``; 0 is every age. A number needs its unit: one of seconds is hardly ever meant.

    Raises ``ValueError``.
    """
    text = as_text(value).strip()
    number = text.rstrip("dhms")
    if "0" in number and number.count(".") <= 1 and not number.strip("0."):
        return 0.0
    if number == text:
        raise ValueError("must be an age with its unit, like 7d or 12h")
    return parse_duration(text)


def _count(value: Any) -> int:
    number = as_integer(value)
    if number < 1:
        raise ValueError("must be at least 1")
    return number


def _size(value: Any) -> int:
    return parse_size(as_text(value))


def _duration(value: Any) -> float:
    return parse_duration(as_text(value))


KEYS = (
    Key("max_concurrent_repos", "TAKO_MAX_CONCURRENT_REPOS", _count, "4"),
    Key("log_limit", LOG_LIMIT_VARIABLE, _size, "16Mi"),
    Key("max_crashes", "TAKO_MAX_CRASHES", _count, "5"),
    Key("strict", "TAKO_STRICT", as_boolean, "true"),
    Key("idempotency_retention", "TAKO_IDEMPOTENCY_RETENTION", _duration, "24h"),
    Key("cache_limit", "TAKO_CACHE_LIMIT", _size, "5Gi"),
    Key("retention.older_than", "TAKO_RETENTION_OLDER_THAN", parse_age, "7d"),
    Key("retention.keep_failed", "TAKO_RETENTION_KEEP_FAILED", as_boolean, "true"),
    Key("retention.automatic", "TAKO_RETENTION_AUTOMATIC", as_boolean, "true"),
)
"""Every setting; a new one is a row here and a field of ``Chosen``."""


def choose(environment: Mapping[str, str], files: Sequence[str]) -> Chosen:
    """What the environment and the files ask for; an earlier file wins over a later one, a missing one says nothing.

    The last file is the user's own.
    An empty variable says nothing either. Raises ``UsageError`` for a variable, ``ConfigError`` for a file that says
    what cannot be.
    """
    said = [_from_file(path, is_users=path == files[-1]) for path in files]
    layers = [_from_environment(environment), *(settings for settings, _ in said)]
    values = {name: value for layer in reversed(layers) for name, value in layer.items()}
    plain = {name: value for name, value in values.items() if "." not in name}
    inner = {name.partition(".")[2]: value for name, value in values.items() if "." in name}
    commands = said[-1][1] if said else {}
    return Chosen(**plain, retention=Retention(**inner), secret_commands=commands)


def files_for(home: str, directory: str) -> tuple[str, ...]:
    """The settings files for who works in a directory: its project's, if it is in one, then the user's.

    The project is the nearest directory from there up that is a git repository's, or has a ``tako.yml``.
    """
    user = os.path.join(home, FILE)
    try:
        project = _project(os.path.abspath(directory))
    except FileNotFoundError:
        # Of a current directory that was removed.
        project = None
    if project is None:
        return (user,)
    own = os.path.join(project, PROJECT_DIRECTORY, FILE)
    # Who keeps their home directory in git has one file at both places.
    return (user,) if os.path.realpath(own) == os.path.realpath(user) else (own, user)


def _project(directory: str) -> str | None:
    while True:
        if any(os.path.lexists(os.path.join(directory, mark)) for mark in _ROOT_MARKS):
            return directory
        above = os.path.dirname(directory)
        if above == directory:
            return None
        directory = above


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for key in KEYS:
        text = environment.get(key.variable, "")
        if not text:
            continue
        try:
            values[key.name] = key.read(text)
        except ValueError as error:
            raise UsageError(f"{key.variable}: {error}", cure=f"write it as {key.variable}={key.example}") from error
    return values


def _from_file(path: str, *, is_users: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings of a file, and its commands for secrets."""
    if not os.path.lexists(path):
        return {}, {}
    from tako.config import reading, source

    try:
        text = reading.decode(reading.read(path), path)
        if all(not line.strip() or line.lstrip().startswith("#") for line in text.splitlines()):
            return {}, {}
        document = source.parse(text, path)
    except ConfigError as error:
        # Whoever reads YAML for us speaks of the file that it mostly reads.
        words = (("a tako.yml is", "settings are"), ("like 'version: 1'", "like 'strict: true'"))
        problems = error.problems
        for theirs, ours in words:
            problems = tuple(problem.replace(theirs, ours) for problem in problems)
        raise _refused(path, problems) from error
    values: dict[str, Any] = {}
    commands: dict[str, str] = {}
    found = [*document.problems, *_take(document, values), *_take_commands(document, commands, is_users=is_users)]
    if found:
        raise _refused(path, tuple(f"{path}:{line}:{column}: {what}" for line, column, what in sorted(found)))
    return values, commands


def _take(document: Document, values: dict[str, Any]) -> Iterator[tuple[int, int, str]]:
    """Put what a file says into ``values``, and give what is wrong with it, with its place."""
    from tako.config.problems import nearest, quoted

    groups = {key.path[0] for key in KEYS if len(key.path) > 1}
    known = {key.path: key for key in KEYS}
    for path, value in _fields(document.data, groups):
        key = known.get(path)
        if key is None and path[0] in groups and len(path) == 1:
            if value is not None:
                yield *document.position(path), f"{quoted(path[0])} must be a mapping"
        elif key is None:
            names = [each[-1] for each in known if each[:-1] == path[:-1]]
            names += [*sorted(groups), SECRETS] if len(path) == 1 else []
            what = f"there is no setting {quoted('.'.join(path))}{nearest(path[-1], names)}"
            yield *document.position(path, on_key=True), what
        elif value is not None:
            try:
                # As it was written: 010 is no eight, and 1_000 no thousand.
                values[key.name] = key.read(document.text(path) or value)
            except ValueError as error:
                yield *document.position(path), f"{key.name}: {error}"


def _take_commands(document: Document, commands: dict[str, str], *, is_users: bool) -> Iterator[tuple[int, int, str]]:
    """Put the commands for secrets into ``commands``, and give what is wrong with them, with its place."""
    from tako.config.names import env_fault
    from tako.config.problems import quoted

    given = document.data.get(SECRETS)
    if given is None:
        return
    if not is_users:
        # Else who clones a repository would run its commands.
        what = f"{quoted(SECRETS)} runs commands: it can only be set in your own {FILE}, in Tako's home"
        yield *document.position((SECRETS,), on_key=True), what
        return
    if not isinstance(given, dict):
        yield *document.position((SECRETS,)), f"{quoted(SECRETS)} must be a mapping, like {_COMMAND_EXAMPLE}"
        return
    for name, value in given.items():
        fault = env_fault(name)
        command = value.get("command") if isinstance(value, dict) else None
        if fault:
            yield *document.position((SECRETS, name), on_key=True), f"the name of a secret {fault} (got {quoted(name)})"
        elif not isinstance(value, dict) or set(value) != {"command"} or not isinstance(command, str) or not command:
            yield *document.position((SECRETS, name)), f"{SECRETS}.{name} must be like {_COMMAND_EXAMPLE}"
        else:
            commands[name] = command


def _fields(data: Mapping[str, Any], groups: set[str]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in data.items():
        if name == SECRETS:
            continue
        if name in groups and isinstance(value, dict):
            yield from (((name, inner), one) for inner, one in value.items())
        else:
            yield (name,), value


def _refused(path: str, problems: tuple[str, ...]) -> ConfigError:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return ConfigError(f"the settings cannot be read: {count}", where=path, problems=problems)
