from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tako.process import Completed

IMPORTS = "from tako.execution.artifacts import select, store_artifact; import tako.content, tako.tree_copy, tako.files"
CODE = """
chosen = select('lib', ['dist'], directory='.', where='tako.yml:3')
store_artifact('lib', chosen, repo='o/lib', directory='.', store='store', where='tako.yml:3')
"""


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_what_cannot_be_read_is_the_steps_fault(
    public_path: Path, unprivileged: Callable[[Path, str, str], Completed], kind: str
) -> None:
    (public_path / "dist").mkdir()
    if kind == "file":
        (public_path / "dist/odd").touch(mode=0)
    else:
        (public_path / "dist/odd").mkdir(mode=0)

    completed = unprivileged(public_path, IMPORTS, CODE)

    assert "StepError: " in completed.message()
    assert "artifact 'lib' cannot be sent: dist/odd cannot be read: Permission denied" in completed.message()
    assert not (public_path / "store/o/lib/lib").exists()
