"""A kind of step that runs Python code inside the child's own process, as third parties' kinds do.

`install` makes it known to every Tako of a world, through the entry points ``tako.steps``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tako.steps.base import StepContext, StepResult

USES = "acceptance/python@v1"


def install(directory: Path, environment: dict[str, str]) -> None:
    """Make a package of this module, and have all Pythons of an environment find it."""
    info = directory / "own_code-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-code\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[tako.steps]\n{USES} = own_code:PythonStep\n")
    (directory / "own_code.py").write_bytes(Path(__file__).read_bytes())
    before = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = f"{directory}{os.pathsep}{before}" if before else str(directory)


def python(id_: str, code: str) -> dict[str, Any]:
    """A step that runs some code in the child's process."""
    return {"id": id_, "uses": USES, "with": {"code": code}}


class PythonStep:
    """Runs what its ``with`` says: ``{code: …}``."""

    def run(self, context: StepContext) -> StepResult:
        exec(compile(context.spec.params["code"], "<step>", "exec"), {"context": context})
        return StepResult()
