"""A kind of step that runs Python code inside the child's own process, as third parties' kinds do.

`install` makes it known to every Tako of a world, through the entry points ``tako.steps``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tako.steps.base import StepContext, StepResult

USES = "acceptance/python@v1"


def install(directory: Path, environment: dict[str, str]) -> None:
    """Have all Pythons of an environment find this module's step kind."""
    from tako.testing import install_step_kind

    install_step_kind(str(directory), environment, USES, PythonStep)


def python(id_: str, code: str) -> dict[str, Any]:
    """A step that runs some code in the child's process."""
    return {"id": id_, "uses": USES, "with": {"code": code}}


class PythonStep:
    """Runs what its ``with`` says: ``{code: …}``."""

    def run(self, context: StepContext) -> StepResult:
        exec(compile(context.spec.params["code"], "<step>", "exec"), {"context": context})
        return StepResult()
