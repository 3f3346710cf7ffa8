"""The names that expressions read, against what can be there when they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tako.config.labels import label
from tako.config.problems import Path, Problem, listed, nearest, quoted
from tako.records import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.expressions.references import Reference

FIXED = {
    "event": ("type", "payload", "source", "artifact", "schema_version", "id", "timestamp"),
    "run": ("id", "root_id", "workflow"),
}
"""The keys of the roots that always have the same."""

_ELSEWHERE = {
    "outputs": "`outputs` is there in 'produces' and in the 'with' of a fan-out; here it is `steps.<id>.outputs`",
    "error": "`error` is there in 'on_failure' and 'finally' only",
    "status": "`status` is there in 'finally' only; of a step it is `steps.<id>.status`",
}


@record
class Scope:
    """What an expression at one place can read."""

    roots: tuple[str, ...]
    workflow: str = ""
    inputs: tuple[str, ...] = ()
    """Those that the workflow declares."""
    steps: tuple[str, ...] = ()
    """The ids of all steps of the workflow, in their order, what runs when one has failed right behind it."""
    done: int = 0
    """How many of them have ended."""
    kinds: Mapping[str, str] = {}
    """The kinds of the inputs, as ``tako.expressions.kinds`` has them."""
    secret: tuple[str, ...] = ()
    """The variables that are not in ``env`` since they are secrets."""

    def after(self, done: int) -> Scope:
        """The same when that many steps have ended."""
        return replace(self, done=done)

    def without(self, secret: Iterable[str]) -> Scope:
        """The same where these variables are secrets."""
        return replace(self, secret=tuple(secret))

    def with_roots(self, *more: str) -> Scope:
        """The same with more roots."""
        return replace(self, roots=tuple(dict.fromkeys((*self.roots, *more))))


def unknown_names(references: Iterable[Reference], path: Path, scope: Scope, *, cure: str = "") -> Iterator[Problem]:
    """The problem of every reference, in the expression at ``path``, to something that can never be there.

    ``cure`` is what helps, beside another name, where a reference starts from nothing that is known.
    """
    for reference in references:
        what = _fault(reference, scope)
        if what:
            more = f"; {cure}" if cure and reference.root not in (*scope.roots, *_ELSEWHERE) else ""
            yield Problem(path, f"{label(path)}: {what}{more}")


def _fault(reference: Reference, scope: Scope) -> str:
    root, keys = reference.root, reference.keys
    if root not in scope.roots:
        known = nearest(root, scope.roots) or f"; known are {listed(scope.roots)}"
        return _ELSEWHERE.get(root) or f"`{root}` is not known here{known}"
    if not keys:
        return ""
    if root == "env" and keys[0] in scope.secret:
        return f'{quoted(keys[0])} is a secret, which no expression can read; read "${keys[0]}" in the command'
    if root in FIXED:
        return _not_among(f"`{root}`", keys[0], FIXED[root])
    if root == "inputs" and keys[0] in ("parameters", "params") and keys[1:2] and keys[1] in scope.inputs:
        return f"`{'.'.join((root, *keys))}` is another tool's; write `inputs.{keys[1]}`"
    if root == "inputs":
        return _not_among(f"workflow {quoted(scope.workflow)}", keys[0], scope.inputs, noun="input ")
    return _no_such_step(keys[0], scope) if root == "steps" else ""


def _not_among(owner: str, key: str, known: tuple[str, ...], *, noun: str = "") -> str:
    if key in known:
        return ""
    there = f"; it has {listed(known)}" if known else "; it declares none"
    return f"{owner} has no {noun}{quoted(key)}{nearest(key, known) or there}"


def _no_such_step(key: str, scope: Scope) -> str:
    if key in scope.steps[: scope.done]:
        return ""
    if key not in scope.steps:
        return f"workflow {quoted(scope.workflow)} has no step {quoted(key)}{nearest(key, scope.steps)}"
    if scope.steps.index(key) > scope.done:
        return f"step {quoted(key)} comes later, so there is nothing of it here"
    own = "; its own outputs are `outputs`" if "outputs" in scope.roots else ""
    return f"step {quoted(key)} has not ended here{own}"
