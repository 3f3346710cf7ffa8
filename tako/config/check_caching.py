"""What the shape of a file cannot say of the caching of a step."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UnsetType

from tako.config import names, schema
from tako.config.labels import fault
from tako.config.problems import Path, Problem


def caching_problems(step: schema.AnyStep, path: Path) -> Iterator[Problem]:
    """Every problem of the ``cache_key_files`` of the step at ``path``."""
    if isinstance(step, schema.Handler) or isinstance(step.cache_key_files, UnsetType):
        return
    patterns, place = step.cache_key_files, (*path, "cache_key_files")
    if isinstance(step.run, UnsetType):
        yield from fault(place, "is for 'run' steps: only what a script makes of files can be cached", on_key=True)
    if step.long_running:
        yield from fault(place, "is not for a step that is left running: it has come to nothing yet", on_key=True)
    if not patterns:
        yield from fault(place, "must name a file or a glob; leave it out to run the step every time")
    for index, pattern in enumerate(patterns):
        wrong = names.NO_TEMPLATE.removeprefix("it ") if names.is_template(pattern) else names.path_fault(pattern)
        yield from fault((*place, index), wrong, pattern)
