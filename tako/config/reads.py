"""Which fields of a ``tako.yml`` read templates, conditions or scripts. All others are taken as they are written.

One table, for ``validate`` and for the reference. ``texts`` goes through a file and says of every text in it what
Tako reads in it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, get_args

import msgspec

from tako.config import schema
from tako.config.problems import Path
from tako.records import record

TEMPLATE, SCRIPT, CONDITION, COMMAND, PATTERN, LITERAL = (
    "template",
    "script",
    "condition",
    "command",
    "pattern",
    "literal",
)
"""A script is a template whose text a shell then reads. A command is a shell's without being a template."""

_STEP = {
    "if": CONDITION,
    "run": SCRIPT,
    "working_directory": TEMPLATE,
    "env": TEMPLATE,
    "with": TEMPLATE,
}

READS: dict[type[Any], dict[str, str]] = {
    schema.Artifact: {"command": COMMAND, "install_command": COMMAND, "verify_command": COMMAND},
    schema.PayloadField: {"pattern": PATTERN},
    schema.Validation: {"pattern": PATTERN},
    schema.Workflow: {"env": TEMPLATE},
    schema.Step: _STEP,
    schema.Handler: _STEP,
    schema.Produces: {"outputs": TEMPLATE},
    schema.EventTemplate: {"type": TEMPLATE, "schema_version": TEMPLATE, "payload": TEMPLATE},
    schema.FanOut: {
        "event_type": TEMPLATE,
        "artifact": TEMPLATE,
        "payload": TEMPLATE,
        "schema_version": TEMPLATE,
        "idempotency_key": TEMPLATE,
    },
    schema.Poll: {"path": TEMPLATE, "url": TEMPLATE},
    schema.Subscription: {"filters": CONDITION, "inputs": TEMPLATE},
}
"""By struct and field, as it is called in a file, what Tako reads in its texts; nothing where it is not named."""


@record
class Text:
    """One text of a file, and what is read in it: one of the words above."""

    path: Path
    value: str
    reads: str
    on_key: bool = False
    """Whether it is the name of a field or of an entry, rather than a value."""


def reads(kind: type[Any], field: str) -> str:
    """What is read in the texts of a field of a struct."""
    return READS.get(kind, {}).get(field, LITERAL)


def texts(value: Any, path: Path = (), *, like: re.Pattern[str] | None = None) -> list[Text]:
    """Every text within a struct, in the order of the schema; only those in which ``like`` is found, if it is given."""
    found: list[Text] = []
    _collect_fields(value, path, like, found)
    return found


def _collect_fields(value: Any, path: Path, like: re.Pattern[str] | None, found: list[Text]) -> None:
    kind: Any = type(value)
    for attribute, name in _fields(kind):
        inner = getattr(value, attribute)
        if not inner or inner is msgspec.UNSET:
            continue
        params = schema.WITH.get(str(value.uses)) if name == "with" else None
        if params is None:
            _collect(inner, (*path, name), reads(kind, name), like, found)
            continue
        for key in (key for _, key in _fields(params) if key in inner):
            how = reads(params, key)
            # A literal mapping in it is all numbers and durations.
            if how != LITERAL or not isinstance(inner[key], dict):
                _collect(inner[key], (*path, name, key), how, like, found)


def _collect(value: Any, path: Path, how: str, like: re.Pattern[str] | None, found: list[Text]) -> None:
    if isinstance(value, str):
        if like is None or like.search(value):
            found.append(Text(path, value, how))
    elif isinstance(value, dict):
        for key, item in value.items():
            place = (*path, key)
            if like is None or like.search(key):
                found.append(Text(place, key, LITERAL, on_key=True))
            _collect(item, place, how, like, found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _collect(item, (*path, index), how, like, found)
    elif isinstance(value, msgspec.Struct):
        _collect_fields(value, path, like, found)


@cache
def _fields(kind: Any) -> tuple[tuple[str, str], ...]:
    """The fields of a struct that may hold texts: its attributes, and what they are called in a file."""
    infos = msgspec.structs.fields(kind)
    return tuple(
        (one.name, one.encode_name) for one in infos if not _OTHER.intersection((one.type, *get_args(one.type)))
    )


_OTHER = frozenset([bool, float, schema.Duration, schema.Size])
"""Types that hold no free text: what is no duration or size is refused as such."""
