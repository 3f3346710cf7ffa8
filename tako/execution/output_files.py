"""The files that outputs of a step are promised from, so that none counts that only an earlier attempt has written.

A file that lay there before the first attempt, and that no attempt touched, is the step's to promise: it may be checked
in. What lay there then is written down beside the run's state, since the next attempt may be another process's.
"""

from __future__ import annotations

import os

from tako.errors import ExpressionError, StateError, StepError
from tako.expressions import templates
from tako.files import make_dirs, read_document, write_document
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tako.steps.base import StepContext

    Stamp = tuple[int, ...] | None
    """What tells whether a file has changed; None for one that is not there."""

KIND = "output-files"
SCHEMA = 1

FROM_FILE = "from_file:"


@record
class OutputFiles:
    """The files before a step's first attempt, and before this one, by their full paths."""

    first: Mapping[str, Stamp] = {}
    now: Mapping[str, Stamp] = {}

    def is_left_over(self, path: str) -> bool:
        """Whether what lies there after this attempt was written by an earlier one."""
        if path not in self.now or path not in self.first:
            return False
        return _stamp(path) == self.now[path] != self.first[path]


NONE = OutputFiles()


def look(context: StepContext) -> OutputFiles:
    """The files of an attempt that is about to begin. Raises ``MachineError``, ``ExpressionError`` or ``StepError``."""
    produces = context.spec.produces
    if produces is None or not any(source.startswith(FROM_FILE) for source in produces.outputs.values()):
        return NONE
    directory = context.directory
    now = {path: _stamp(path) for path in (os.path.join(directory, name) for name in _names(context))}
    place = context.capabilities.workspace.output_files(context.spec.id)
    first = _recorded(place)
    if first is None:
        first = now
        make_dirs(os.path.dirname(place))
        write_document(place, KIND, SCHEMA, {path: stamp and list(stamp) for path, stamp in now.items()}, durable=False)
    return OutputFiles(first, now)


def _names(context: StepContext) -> Iterator[str]:
    """Those of which the names are known before the step has run."""
    assert context.spec.produces is not None, "it promises an output"
    for source in context.spec.produces.outputs.values():
        if source.startswith(FROM_FILE):
            name = source.removeprefix(FROM_FILE).strip()
            if not templates.is_template(name):
                yield name
                continue
            try:
                yield context.render(name)
            except (ExpressionError, StepError):
                # Of one of its own outputs. What else is wrong with it is told when it is read.
                continue


def _recorded(place: str) -> dict[str, Stamp] | None:
    if not os.path.exists(place):
        return None
    try:
        data = read_document(place, KIND, SCHEMA)
        return {str(path): None if stamp is None else tuple(stamp) for path, stamp in data.items()}
    except (StateError, AttributeError, TypeError):
        return {}


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
