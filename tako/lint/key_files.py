"""The files that a cached step hangs on, against those that there are."""

from __future__ import annotations

import os
from collections.abc import Iterator

from tako.config.problems import quoted
from tako.execution.step_key import key_files
from tako.lint.findings import Finding
from tako.lint.syntax import Sheet
from tako.lint.walk import items, named_workflows, resolved, steps_in


def unmatched_key_files(sheet: Sheet, directory: str) -> Iterator[Finding]:
    """The globs of ``cache_key_files`` that match no file of the repository in ``directory``."""
    for _, workflow in named_workflows(sheet):
        for step in steps_in(sheet, workflow):
            found = sheet.field(step, "cache_key_files")
            if found is None:
                continue
            for item in items(found[1]) or (found[1],):
                pattern = resolved(item)
                if pattern is not None and not key_files(pattern.value, directory or os.curdir):
                    what = f"{quoted(pattern.value)} matches no file, so nothing changes the step's key by it"
                    yield Finding(*sheet.position(item.start), "unmatched-key-files", what)
