"""How large a state may be: it is written anew after every step, so what is large costs every step after it."""

from __future__ import annotations

import os

from tako.errors import MachineError
from tako.files import canonical

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Say = Callable[[str], object]

WARN_BYTES = 10_000_000
REFUSE_BYTES = 100_000_000

SHOWN_PARTS = 3

_CURE = "let steps keep large data in files or artifacts; outputs and payloads are for values"


def check_size(path: str, size: int, data: Mapping[str, Any], say: Say) -> None:
    """Look at the size, in bytes, of what a state's data take in the file that they are about to be written to.

    ``say`` is told, with what is large, when the file comes to ``WARN_BYTES``; it is not told again while the file
    stays above. Raises ``MachineError`` for more than ``REFUSE_BYTES``.
    """
    if size < WARN_BYTES:
        return
    if size > REFUSE_BYTES:
        raise MachineError(
            f"the state would have {_shown(size)}, more than {_shown(REFUSE_BYTES)}",
            where=path,
            why=f"its largest parts are {largest_parts(data)}",
            cure=_CURE,
        )
    if _size_of(path) < WARN_BYTES:
        large = largest_parts(data)
        say(f"warning: {path} has grown to {_shown(size)}; its largest parts are {large}\n  fix: {_CURE}\n")


def largest_parts(data: Mapping[str, Any]) -> str:
    """The largest parts of a state's data: ``steps.build.outputs.log 8.1 MB, steps.…``."""
    sizes = {}
    for name, value in data.items():
        if name == "steps":
            for step in value:
                sizes.update(_sizes(f"steps.{step['id']}", step))
        else:
            sizes[name] = _size(value)
    largest = sorted(sizes.items(), key=lambda part: -part[1])[:SHOWN_PARTS]
    return ", ".join(f"{name} {_shown(size)}" for name, size in largest)


def _sizes(prefix: str, step: Mapping[str, Any]) -> dict[str, int]:
    """The sizes of a step's fields, and of what is in a field that has names in it."""
    sizes = {}
    for name, value in step.items():
        if isinstance(value, dict):
            sizes.update({f"{prefix}.{name}.{inner}": _size(part) for inner, part in value.items()})
        else:
            sizes[f"{prefix}.{name}"] = _size(value)
    return sizes


def _size(value: Any) -> int:
    return len(canonical(value).encode("utf-8", "surrogatepass"))


def _size_of(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _shown(size: int) -> str:
    for least, unit in ((1_000_000, "MB"), (1_000, "kB")):
        if size >= least:
            return f"{size / least:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size} B"
