"""What of a run's values came with an event: guarantee 8, no value from elsewhere becomes code by default.

Told from the request and the state alone, so that a run that goes on, or is run again, judges as the first time did.
"""

from __future__ import annotations

from tako.expressions import templates
from tako.expressions.names import variable_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tako.config.model import StepSpec
    from tako.execution.request import RunRequest
    from tako.execution.state import ExecutionState
    from tako.expressions.templates import Paths

_FROM_EVENTS = ("event", "events", "payload", "artifacts", "error")
"""An artifact's file name is its maker's choice; an error tells of the values that made it."""


def tainted_paths(request: RunRequest, state: ExecutionState, spec: StepSpec, *, where: str) -> Paths:
    """What came with an event in the scope of a step; nothing in a run that was started by hand.

    Raises ``ExpressionError`` if a template in the step's environment does not compile.
    """
    if request.event is None:
        return frozenset()
    inputs = [name for name in request.inputs if _is_tainted(name, request)]
    paths: set[tuple[str, ...]] = {(root,) for root in _FROM_EVENTS} | {("inputs", name) for name in inputs}
    for step in state.every_step:
        for name in step.tainted:
            paths |= {("steps", step.id, "outputs", name), ("steps", step.id, name)}
    paths |= {("env", variable) for variable in _own_variables(request, inputs)}
    for declared in (request.workflow.env, spec.env):
        known = frozenset(paths)
        paths |= {("env", name) for name, text in declared.items() if templates.can_print(text, known, where=where)}
    return frozenset(paths)


def tainted_outputs(sources: Mapping[str, str], paths: Paths, *, where: str) -> tuple[str, ...]:
    """Which outputs of a step are made of what is tainted: those that are templates of it, or variables that hold it.

    What the step's own program puts out is its own. ``paths`` are the tainted ones of the step's scope. Raises
    ``ExpressionError``.
    """
    tainted: list[str] = []
    for name, source in sources.items() if paths else ():
        known = paths | {("outputs", earlier) for earlier in tainted}
        variable = source.removeprefix("from_env:").strip() if source.startswith("from_env:") else None
        if ("env", variable) in paths or templates.can_print(source, known, where=where):
            tainted.append(name)
    return tuple(tainted)


def _is_tainted(name: str, request: RunRequest) -> bool:
    """Whether an input's value is not one that the workflow's own file has: literally, by default, or in ``enum``."""
    if name in request.literal_inputs:
        return False
    spec = next((spec for spec in request.workflow.inputs if spec.name == name), None)
    own = (spec.default, *(spec.enum or ())) if spec is not None else ()
    return request.inputs[name] not in own


def _own_variables(request: RunRequest, inputs: list[str]) -> Iterator[str]:
    yield from ("TAKO_EVENT_ID", "TAKO_IDEMPOTENCY_KEY", "TAKO_ERROR_MESSAGE")
    for name in inputs:
        yield f"TAKO_INPUT_{variable_name(name)}"
    for artifact in request.visible_artifacts:
        yield f"TAKO_ARTIFACT_{variable_name(artifact.name)}_PATH"
