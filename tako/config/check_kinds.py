"""The kinds of step that a file uses, against those that there are."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from tako.config import schema
from tako.config.labels import fault
from tako.config.problems import Path, Problem, listed, nearest, quoted
from tako.config.step_ids import named_steps

_OWN = "tako/"


def own_kind_problems(uses: str, path: Path) -> Iterator[Problem]:
    """Of a name that is ours to give, whether there is such a kind."""
    if uses.startswith(_OWN):
        yield from _unknown(uses, path, schema.WITH)


def kind_problems(root: schema.Root, known: Collection[str]) -> Iterator[Problem]:
    """Of the other names, whether a package that provides them is installed; ``known`` are all that are."""
    for name, workflow in root.workflows.items():
        for _, path, step in named_steps(workflow, ("workflows", name)):
            if isinstance(step.uses, str) and not step.uses.startswith(_OWN):
                yield from _unknown(step.uses, (*path, "uses"), known)


def _unknown(uses: str, path: Path, known: Collection[str]) -> Iterator[Problem]:
    if uses in known:
        return
    kind, _, version = uses.partition("@")
    versions = sorted(each for each in known if each.partition("@")[0] == kind)
    if versions:
        yield from fault(path, f"names version {quoted(version)} of {quoted(kind)}; there is {listed(versions)}")
        return
    hint = nearest(uses, sorted(known)) or f"; known are {listed(sorted(known))}"
    own = "" if uses.startswith(_OWN) else "; else install the package that provides it"
    yield from fault(path, f"names an unknown kind of step, {quoted(uses)}{hint}{own}")
