"""What a step's processes find in their environment: Tako's own variables, and no more than a process can be given.

execve(2) takes strings of at most 32 pages, and in all a quarter of the stack's limit, at most 6 MiB. What is beyond
that would keep every process of the step from starting, whether or not it reads it. So an input that is too long is
left out; all inputs are in the JSON file that ``TAKO_INPUTS`` names.
"""

from __future__ import annotations

import json
import os

from tako.errors import StepError
from tako.execution.event import joint_cause
from tako.expressions.names import variable_name
from tako.files import atomic_write
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tako.execution.failure import Failure
    from tako.steps.base import StepContext

_PAGES = 32
_MOST_OF_ALL = 6 << 20
_SPARED = 64 << 10
"""Bytes that are left for arguments, and for what the step's processes add to the environment of their own."""

_POINTER = 8


@record
class Limits:
    """How many bytes a process can be given."""

    one: int
    """One variable, with its name and what the system adds."""
    all: int
    """All variables."""


def limits_of_machine() -> Limits:
    """What execve(2) takes here."""
    total = min(os.sysconf("SC_ARG_MAX"), _MOST_OF_ALL)
    one = min(_PAGES * os.sysconf("SC_PAGE_SIZE"), total // 2)
    return Limits(one, max(total - 2 * one - _SPARED, total // 2))


def is_long(script: str) -> bool:
    """Whether a script cannot be given to a shell as an argument, and must be a file."""
    # With what Tako puts before and behind it.
    return len(script.encode("utf-8", "surrogatepass")) > limits_of_machine().one - (16 << 10)


def own_variables(context: StepContext) -> dict[str, str]:
    """What Tako itself sets for a step."""
    request = context.request
    heard = request.heard or ((request.event,) if request.event is not None else ())
    cause = joint_cause(heard) if heard else request.run_id
    own = {
        "TAKO_RUN_ID": request.run_id,
        "TAKO_ROOT_RUN_ID": request.root_id,
        "TAKO_STEP_ID": context.spec.id,
        "TAKO_WORKSPACE": context.capabilities.workspace.path,
        "TAKO_REPO": request.repo,
        "TAKO_OUTPUT": context.output_path,
        "TAKO_INPUTS": context.capabilities.workspace.inputs,
        "TAKO_EVENT_ID": request.event.id if request.event is not None else "",
        "TAKO_IDEMPOTENCY_KEY": f"{cause}:{request.label}:{context.spec.id}",
        "TAKO_ATTEMPT": str(context.capabilities.attempt),
        "TAKO_STEP_ATTEMPT": str(context.step_attempt),
    }
    if context.ending is not None:
        own["TAKO_STATUS"] = context.ending.status
    error = context.ending.failure if context.ending is not None else context.error
    if error is not None:
        own |= {f"TAKO_ERROR_{name.upper()}": _plain(value) for name, value in error_scope(error).items()}
    own |= {_input_variable(name): _plain(value) for name, value in request.inputs.items()}
    for artifact in reversed(request.visible_artifacts):
        own[f"TAKO_ARTIFACT_{variable_name(artifact.name)}_PATH"] = artifact.path
    return own


def error_scope(failure: Failure) -> dict[str, Any]:
    """A failure as the steps of an ``on_failure`` see it. The message may hold a NUL, which no variable can."""
    return {
        "step": failure.step,
        "kind": failure.kind,
        "message": failure.message.replace("\0", "\N{REPLACEMENT CHARACTER}"),
        "exit_code": failure.exit_code,
        "signal": failure.signal,
    }


def write_inputs(context: StepContext) -> None:
    """Write the file that ``TAKO_INPUTS`` names. Raises ``MachineError``."""
    text = json.dumps(dict(context.request.inputs), ensure_ascii=False, indent=2)
    atomic_write(context.capabilities.workspace.inputs, f"{text}\n".encode("utf-8", "replace"), durable=False)


def for_processes(
    context: StepContext, variables: Mapping[str, str], limits: Limits | None = None
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables that the step's processes get, and the names of the inputs that are left out.

    Raises ``StepError`` if another variable is more than a process can be given, or if the step reads what is left out.
    """
    limits = limits or limits_of_machine()
    inputs = {_input_variable(name): name for name in context.request.inputs}
    sizes = {name: _size(name, value, context.where) for name, value in variables.items()}
    for name, size in sizes.items():
        if size > limits.one and name not in inputs:
            raise _too_long(name, size, limits.one, context.where)
    out = [name for name in inputs if sizes.get(name, 0) > limits.one]
    total = sum(sizes.values()) + _POINTER * len(sizes)
    total -= sum(sizes[name] for name in out)
    rest = sorted((name for name in inputs if name in sizes and name not in out), key=lambda name: sizes[name])
    while total > limits.all and rest:
        out.append(rest.pop())
        total -= sizes[out[-1]]
    if total > limits.all:
        largest = max((name for name in sizes if name not in inputs), key=lambda name: sizes[name])
        raise StepError(
            f"the step's variables have {total} bytes, more than a process can be given ({limits.all})",
            where=context.where,
            why=f"the largest is {largest}, with {sizes[largest]} bytes",
            cure="write the values to files and give their paths",
        )
    for name in out:
        import re

        if re.search(rf"\b{name}\b", context.spec.run or ""):
            raise _reads(name, inputs[name], variables[name], limits, context.where)
    return {name: value for name, value in variables.items() if name not in out}, tuple(inputs[name] for name in out)


def note_left_out(names: tuple[str, ...]) -> str:
    """What a reader must know of inputs that are not in a step's environment."""
    what = f"input '{names[0]}' is" if len(names) == 1 else f"inputs {', '.join(map(repr, names))} are"
    return f"{what} too long for the environment of the run's steps; they find it in the file $TAKO_INPUTS"


def _input_variable(name: str) -> str:
    return f"TAKO_INPUT_{variable_name(name)}"


def _size(name: str, value: str, where: str) -> int:
    if "\0" in value:
        raise StepError(
            f"the variable {name} holds a NUL, at character {value.index(chr(0))}; no process can be given that",
            where=where,
            cure="give it text, or the path of a file",
        )
    try:
        return len(os.fsencode(name)) + len(os.fsencode(value)) + 2
    except UnicodeEncodeError:
        raise StepError(f"the variable {name} holds characters that are not valid Unicode", where=where) from None


def _too_long(name: str, size: int, limit: int, where: str) -> StepError:
    return StepError(
        f"the variable {name} has {size} bytes, more than a process can be given ({limit})",
        where=where,
        cure="write the value to a file and give its path; inputs are in the JSON file $TAKO_INPUTS",
    )


def _reads(variable: str, name: str, value: str, limits: Limits, where: str) -> StepError:
    size = len(os.fsencode(value))
    most = (
        f"{limits.one} for one variable"
        if _size(variable, value, where) > limits.one
        else f"{limits.all} for all together"
    )
    return StepError(
        f"the step reads ${variable}, which is not in its environment: input '{name}' has {size} bytes, more than a "
        f"process can be given ({most})",
        where=where,
        cure=f"""read it from the JSON file $TAKO_INPUTS: jq -r '.["{name}"]' "$TAKO_INPUTS\"""",
    )


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
