"""What ``tako lint`` has to say of one file: errors and warnings, as text and as data."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import Any

from tako.config.loader import loads_thoroughly
from tako.config.model import RepoConfig
from tako.errors import ConfigError, Fault
from tako.lint.findings import Finding
from tako.lint.linter import lint
from tako.records import record
from tako.repos.hosts import Identity


@record
class Report:
    """Of one file. With errors there are no warnings: what does not load has no style yet."""

    path: str
    errors: tuple[Fault, ...] = ()
    warnings: tuple[Finding, ...] = ()

    def lines(self) -> list[str]:
        """One line for each, as editors read it: ``path:line:column: warning: what [rule]``."""
        return [
            *(f"{self.path}:{one.line}:{one.column}: error: {one.message}" for one in self.errors),
            *(f"{self.path}:{one.line}:{one.column}: warning: {one.what} [{one.rule}]" for one in self.warnings),
        ]

    def data(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "path": self.path,
            "errors": [{"line": one.line, "column": one.column, "message": one.message} for one in self.errors],
            "warnings": [
                {
                    "line": one.line,
                    "column": one.column,
                    "rule": one.rule,
                    "message": one.what,
                    "fixable": one.fixable,
                }
                for one in self.warnings
            ],
        }


def report_on(
    data: bytes, path: str, kinds: Collection[str], *, who: Callable[[RepoConfig], Identity | None] = lambda _: None
) -> Report:
    """Check a file's content as ``tako validate`` does; if all is right, its style.

    ``kinds`` are the kinds of step that there are. ``who`` returns who the repository is, and raises ``ConfigError``.
    """
    try:
        config = loads_thoroughly(data, path, directory=os.path.dirname(path) or ".", kinds=kinds)
        own = who(config)
    except ConfigError as error:
        return failed(path, error)
    return Report(path, warnings=tuple(lint(data, config, own)))


def failed(path: str, error: ConfigError) -> Report:
    """The report on a file that cannot be read."""
    return Report(path, errors=tuple(error.faults) or (Fault(path, 1, 1, error.what),))
