"""The lines between the floors hold: imports go downward, processes start in one place, the child imports little."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FLOORS = {
    "tako": 0,
    "tako.errors": 0,
    "tako.clock": 0,
    "tako.ids": 0,
    "tako.records": 0,
    "tako.packages": 0,
    "tako.loopback": 0,
    "tako.patterns": 0,
    "tako.paths": 0,
    "tako.quantities": 0,
    "tako.stdio": 0,
    "tako.asking": 1,
    "tako.cgroup": 1,
    "tako.directories": 1,
    "tako.content": 1,
    "tako.environment": 1,
    "tako.files": 1,
    "tako.git_context": 1,
    "tako.log_file": 1,
    "tako.identity": 1,
    "tako.interrupts": 1,
    "tako.family": 1,
    "tako.foreground": 1,
    "tako.household": 1,
    "tako.keeper": 1,
    "tako.limits": 1,
    "tako.listeners": 1,
    "tako.patience": 1,
    "tako.process": 1,
    "tako.service_keeper": 1,
    "tako.shortage": 1,
    "tako.signals": 1,
    "tako.sinks": 1,
    "tako.watch": 1,
    "tako.locks": 1,
    "tako.tree_copy": 1,
    "tako.logs": 1,
    "tako.secrets": 1,
    "tako.config": 2,
    "tako.expressions": 2,
    "tako.repos": 3,
    "tako.execution": 4,
    "tako.steps.base": 4,
    "tako.settings": 4,
    "tako.workspaces": 4,
    "tako.children": 5,
    "tako.lint": 5,
    "tako.fanout": 6,
    "tako.steps": 7,
    "tako.effective": 8,
    "tako.report": 8,
    "tako.wiring": 8,
    "tako.testing": 9,
    "tako.cli": 9,
    "tako.__main__": 9,
}

# The child is a composition root of its own beside the floors; only these of its modules may reach for the command
# line's, and they are imported for a person only. What a launcher starts is a fact that floor 5 may know.
FOR_PEOPLE = {"runner_child.options", "runner_child.alone", "runner_child.reader"}
CHILD_FLOOR = 8
LAUNCHED = "runner_child"

PROCESS_STARTERS = {"subprocess", "multiprocessing", "_posixsubprocess", "pty"}
PROCESS_CALLS = {"fork", "forkpty", "system", "popen", "posix_spawn", "posix_spawnp", "execv", "execve", "spawnv"}
RESTARTS_ITSELF = "tako.stdio"
"""Replaces its own process by the same program in UTF-8 mode; starts none."""

NOT_IN_A_CHILD = [
    "argparse",
    "asyncio",
    "cel_expr_python",
    "click",
    "dataclasses",
    "filelock",
    "hashlib",
    "inspect",
    "jinja2",
    "msgspec",
    "pathlib",
    "psutil",
    "re2",
    "rich",
    "shutil",
    "structlog",
    "subprocess",
    "tempfile",
    "threading",
    "typing",
    "yaml",
    "tako.cli",
    "tako.wiring",
    "tako.config.loader",
    "tako.execution.artifacts",
    "tako.execution.lay_there",
    "tako.execution.output_files",
    "tako.fanout",
]


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("tako", "runner_child"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


MODULES = dict(modules())


def floor(module: str) -> int:
    if module == "runner_child" or module.startswith("runner_child."):
        return 9 if module in FOR_PEOPLE else CHILD_FLOOR
    parts = module.split(".")
    for length in range(len(parts), 1, -1):
        known = FLOORS.get(".".join(parts[:length]))
        if known is not None:
            return known
    assert len(parts) == 1, f"{module} has no floor: say in FLOORS where it belongs"
    return FLOORS[module]


def imports(path: Path, *, top_level_only: bool = False) -> Iterator[tuple[int, str]]:
    """What a file imports, with line numbers: modules of ours by their full names, others by their first."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield node.lineno, full if full in MODULES else node.module


def is_ours(module: str) -> bool:
    return module.split(".")[0] in ("tako", "runner_child")


def test_every_file_imports_only_from_its_own_floor_and_those_below() -> None:
    upward = [
        f"{path.relative_to(ROOT)}:{line}: floor {floor(module)} imports {imported}, floor {floor(imported)}"
        for module, path in MODULES.items()
        for line, imported in imports(path)
        if is_ours(imported) and floor(imported) > floor(module) and not is_allowed(module, imported)
    ]
    assert upward == []


def is_allowed(module: str, imported: str) -> bool:
    """The child's door to what is for people only, and the launcher's word for what it starts."""
    return (module.startswith("runner_child") and imported in FOR_PEOPLE) or imported == LAUNCHED


def test_no_module_imports_itself_through_others() -> None:
    graph = {
        module: {imported for _, imported in imports(path, top_level_only=True) if imported in MODULES}
        for module, path in MODULES.items()
    }
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, f"import cycle: {' -> '.join([*way[way.index(module) :], module])}"
        if module not in done:
            for imported in sorted(graph[module]):
                visit(imported, (*way, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_processes_start_in_one_module() -> None:
    others = []
    for module, path in MODULES.items():
        if module == "tako.process":
            continue
        starters = [name for _, name in imports(path) if name.split(".")[0] in PROCESS_STARTERS]
        calls = [
            node.attr
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Attribute) and node.attr in PROCESS_CALLS and module != RESTARTS_ITSELF
        ]
        others += [f"{module}: {name}" for name in (*starters, *calls)]
    assert others == []


def test_click_is_the_command_lines_alone() -> None:
    elsewhere = [
        module
        for module, path in MODULES.items()
        if not module.startswith("tako.cli") and any(name.split(".")[0] == "click" for _, name in imports(path))
    ]
    assert elsewhere == []


@pytest.mark.parametrize("entry", ["runner_child.child", "runner_child.__main__"])
def test_a_child_imports_nothing_that_it_may_not_need(entry: str) -> None:
    code = f"import sys; before = set(sys.modules); import {entry}; print(*(set(sys.modules) - before))"
    printed = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(printed.stdout.split())
    assert loaded & {"tako.records", "tako.stdio"}
    assert loaded.isdisjoint(NOT_IN_A_CHILD)


@pytest.mark.parametrize("arguments", [["version"], ["--help"]])
def test_the_cheap_commands_import_nothing_of_others(arguments: list[str]) -> None:
    code = (
        f"import sys; sys.argv = ['tako', *{arguments!r}]; from tako.__main__ import main\n"
        "try: main()\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "tako" in ran.stdout
    assert set(ran.stderr.split()).isdisjoint({"click", "yaml", "jinja2", "msgspec", "typing", "re", "json"})
