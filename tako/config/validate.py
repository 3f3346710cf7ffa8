"""Tidied data against the shape: structs when it fits, else every fault.

msgspec decides, in microseconds. Only what it refuses is looked at again, by jsonschema-rs with the schema that
msgspec exports, because that lists all faults and their full paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

import msgspec

from tako.config import schema
from tako.config.problems import MAX_PROBLEMS, Path, Problem
from tako.config.shapes import shape_of

ROOT = shape_of(schema.Root)


def read(data: dict[str, Any]) -> tuple[schema.Root | None, list[Problem]]:
    """The structs and no problem; or the problems, and the structs of what remains without them.

    The faulty parts of the data are then replaced, in place, by neutral ones. None where even that does not fit.
    """
    faults = list(islice(_all_faults(data), MAX_PROBLEMS + 1))
    if not faults:
        return msgspec.convert(data, schema.Root), []
    from tako.config.explain import neutralise

    neutralise(data, ROOT, faults)
    try:
        for _, kind, params in _params(data):
            msgspec.convert(params, kind)
        return msgspec.convert(data, schema.Root), faults
    except msgspec.ValidationError:
        return None, faults


def _all_faults(data: dict[str, Any]) -> Iterator[Problem]:
    yield from _faults(schema.Root, data, ())
    for path, kind, params in _params(data):
        yield from _faults(kind, params, path)


def _faults(kind: type[msgspec.Struct], data: Any, path: Path) -> Iterable[Problem]:
    try:
        msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        from tako.config.explain import explain

        explained = explain(kind, data, path)
        first = next(explained, None)
        return chain([first or Problem(path, str(error))], explained)
    return ()


def _params(data: dict[str, Any]) -> Iterator[tuple[Path, type[msgspec.Struct], dict[str, Any]]]:
    """The ``with`` of every step of a built-in kind, and what it must be."""
    for path, step in _steps(data):
        uses, params = step.get("uses"), step.get("with", {})
        if isinstance(uses, str) and uses in schema.WITH and isinstance(params, dict):
            yield (*path, "with"), schema.WITH[uses], params


def _steps(data: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    workflows = data.get("workflows")
    for name, workflow in workflows.items() if isinstance(workflows, dict) else ():
        finals = workflow.get("finally") if isinstance(workflow, dict) else None
        for index, final in enumerate(finals if isinstance(finals, list) else ()):
            if isinstance(final, dict):
                yield ("workflows", name, "finally", index), final
        steps = workflow.get("steps") if isinstance(workflow, dict) else None
        for index, step in enumerate(steps) if isinstance(steps, list) else ():
            if isinstance(step, dict):
                path: Path = ("workflows", name, "steps", index)
                yield path, step
                handlers = step.get("on_failure")
                for place, handler in enumerate(handlers if isinstance(handlers, list) else ()):
                    if isinstance(handler, dict):
                        yield (*path, "on_failure", place), handler
