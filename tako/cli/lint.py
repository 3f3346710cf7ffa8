"""``tako lint``."""

from __future__ import annotations

import json
import os
import stat

import click

from tako.cli.paths import CONFIG_FILE, HomePath
from tako.cli.target import find_config, make_wiring
from tako.config import reading
from tako.errors import ConfigError
from tako.files import atomic_write, machine_errors
from tako.lint.findings import RULES
from tako.lint.report import Report, failed, report_on
from tako.repos.identity import identity
from tako.stdio import say, show
from tako.steps.registry import known

EPILOG = (
    "\b\nRules, each silenced by a comment `# tako-lint: ignore[rule]` on its line:\n"
    + "".join(f"  {rule:<24}{meaning}\n" for rule, meaning in RULES.items())
    + """
\b
Examples:
  tako lint
  tako lint --strict ../go-lib ../py-lib/tako.yml
  tako lint --diff
  tako lint --fix
"""
)


@click.command(epilog=EPILOG)
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=HomePath())
@click.option("--strict", is_flag=True, help="Exit with 1 if there is any warning.")
@click.option("--fix", "mend", is_flag=True, help="Rewrite older spellings; comments and all else stay as they are.")
@click.option("--diff", is_flag=True, help="Show what --fix changes. Without --fix nothing is changed.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def lint(paths: tuple[str, ...], strict: bool, mend: bool, diff: bool, as_json: bool) -> int:
    """Check tako.yml files, and their style: all that `tako validate` says, and what could be better.

    PATH is a file, or a directory with a tako.yml; by default the nearest one from here up. One line for each finding
    goes to stdout, with file, line and column. The exit code is 2 if a file has an error; warnings alone give 0.
    """
    done = [_lint(_file(path), mend=mend, diff=diff) for path in paths or (find_config(None),)]
    reports = [report for report, _ in done]
    if as_json:
        files = [report.data() | ({"diff": difference} if diff else {}) for report, difference in done]
        show(json.dumps({"files": files}, indent=2) + "\n")
    else:
        lines = [line for report in reports for line in report.lines()]
        show("".join(f"{line}\n" for line in lines) + "".join(difference for _, difference in done))
        say(_summary(reports))
    if any(report.errors for report in reports):
        return ConfigError.exit_code
    return int(strict and any(report.warnings for report in reports))


def _file(path: str) -> str:
    return os.path.normpath(os.path.join(path, CONFIG_FILE)) if os.path.isdir(path) else path


def _lint(path: str, *, mend: bool, diff: bool) -> tuple[Report, str]:
    """The report on a file, as it is then, and the difference that mending it makes."""
    try:
        data = reading.read(path)
    except ConfigError as error:
        return failed(path, error), ""
    git = make_wiring().git
    report = report_on(
        data, path, known(), who=lambda config: identity(config, os.path.dirname(path) or ".", None, git)
    )
    if report.errors or not (mend or diff):
        return report, ""
    from tako.lint.fix import fix

    fixed = fix(data, path)
    if not fixed.mended:
        return report, ""
    if mend:
        _write(path, fixed.data)
        report = report_on(fixed.data, path, known())
        say(f"{path}: {fixed.mended} older spelling{'s' if fixed.mended > 1 else ''} mended\n")
    return report, _difference(path, data, fixed.data) if diff else ""


def _write(path: str, data: bytes) -> None:
    """Replace what the path leads to, not a link to it, and leave its permissions as they are."""
    real = os.path.realpath(path)
    with machine_errors("read", path):
        mode = stat.S_IMODE(os.stat(real).st_mode)
    atomic_write(real, data, mode=mode)


def _difference(path: str, old: bytes, new: bytes) -> str:
    from difflib import unified_diff

    lines = unified_diff(
        old.decode("utf-8-sig").splitlines(keepends=True),
        new.decode("utf-8-sig").splitlines(keepends=True),
        path,
        path,
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _summary(reports: list[Report]) -> str:
    errors = sum(len(report.errors) for report in reports)
    warnings = sum(len(report.warnings) for report in reports)
    fixable = sum(one.fixable for report in reports for one in report.warnings)
    count = f"{len(reports)} file{'s' if len(reports) > 1 else ''}"
    if not errors and not warnings:
        return f"{count}: nothing to improve\n"
    hint = f"; `tako lint --fix` mends {fixable}" if fixable else ""
    return f"{count}: {_counted(errors, 'error')}, {_counted(warnings, 'warning')}{hint}\n"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
