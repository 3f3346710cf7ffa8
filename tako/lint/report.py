"""What ``tako lint`` has to say of one file: errors and warnings, as text and as data."""

from __future__ import annotations

import re
from typing import Any

from tako.config.loader import check_expressions, loads
from tako.errors import ConfigError
from tako.lint.findings import Finding
from tako.records import record

_PLACE = re.compile(r":(\d+)(?::(\d+))?: (.*)", re.DOTALL)


@record
class Report:
    """Of one file. With errors there are no warnings: what does not load has no style yet."""

    path: str
    errors: tuple[str, ...] = ()
    """As the loader tells them, ``path:line:column: what``."""
    warnings: tuple[Finding, ...] = ()

    def lines(self) -> list[str]:
        """One line for each, as editors read it: ``path:line:column: warning: what [rule]``."""
        errors = [_with_severity(self.path, error) for error in self.errors]
        return errors + [
            f"{self.path}:{one.line}:{one.column}: warning: {one.what} [{one.rule}]" for one in self.warnings
        ]

    def data(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "path": self.path,
            "errors": [_as_data(self.path, error) for error in self.errors],
            "warnings": [
                {
                    "line": one.line,
                    "column": one.column,
                    "rule": one.rule,
                    "what": one.what,
                    "fixable": one.fixable,
                }
                for one in self.warnings
            ],
        }


def report_on(data: bytes, path: str) -> Report:
    """Check a file's content as ``tako validate`` does; if all is right, its style."""
    try:
        config = loads(data, path)
    except ConfigError as error:
        return failed(path, error)
    problems = check_expressions(config)
    if problems:
        return Report(path, errors=tuple(problems))
    from tako.lint.linter import lint

    return Report(path, warnings=tuple(lint(data, config)))


def failed(path: str, error: ConfigError) -> Report:
    """The report on a file that cannot be read."""
    return Report(path, errors=tuple(error.problems) or (f"{path}:1:1: {error.what}",))


def _with_severity(path: str, error: str) -> str:
    match = _PLACE.fullmatch(error.removeprefix(path))
    if match is None:
        return f"{path}:1:1: error: {error}"
    return f"{path}:{match[1]}:{match[2] or 1}: error: {match[3]}"


def _as_data(path: str, error: str) -> dict[str, Any]:
    match = _PLACE.fullmatch(error.removeprefix(path))
    if match is None:
        return {"line": 1, "column": 1, "what": error}
    return {"line": int(match[1]), "column": int(match[2] or 1), "what": match[3]}
