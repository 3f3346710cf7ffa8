"""What it takes to read a ``tako.yml``: a long one, and many short ones."""

from __future__ import annotations

import json
import statistics
import subprocess
from pathlib import Path
from typing import Any

from scripts.benchmarks.timing import median_time
from scripts.benchmarks.world import PYTHON, ROOT

LINES = 1000
FILES = 1000

_MEASURE = """
import json, resource, sys, time
began = time.perf_counter()
from tako.config import loader
imported = time.perf_counter()
paths = sys.argv[2:]
load = getattr(loader, sys.argv[1])
times = []
for path in paths:
    start = time.perf_counter()
    load(path)
    times.append(time.perf_counter() - start)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"import": imported - began, "times": times, "peak": peak}))
"""

_STEP = """\
      - id: step{number}
        run: echo {{{{ inputs.version | shell_quote }}}}
        env: {{MODE: release}}
        timeout: 10m
"""
_WORKFLOW = """\
  workflow{number}:
    inputs:
      version: {{type: string, default: "1.0.0"}}
    steps:
"""
_SMALL = """\
version: 1
metadata: {{name: bench/repo{number}}}
workflows:
  test:
    inputs: {{version: {{type: string, required: true}}}}
    steps:
      - run: ./test.sh
subscriptions:
  - artifact: bench/library:lib
    events: [built]
    workflow: test
    inputs: {{version: "{{{{ event.payload.version }}}}"}}
"""


def bench_load(scratch: Path, rounds: int) -> None:
    """Print the medians of so many rounds."""
    large = scratch / "large.yml"
    large.write_text(_large(LINES))
    small = [scratch / f"small{number}.yml" for number in range(FILES)]
    for number, path in enumerate(small):
        path.write_text(_SMALL.format(number=number))
    floor = median_time([PYTHON, "-c", "pass"])
    code = f"import sys; sys.path.insert(0, {ROOT!r}); from tako.config import loader"
    print(f"python -c pass{floor * 1000:42.1f} ms")
    print(f"  and the loader's imports{(median_time([PYTHON, '-c', code]) - floor) * 1000:31.1f} ms more")
    whole = median_time([PYTHON, "-c", f"{code}; loader.load({str(large)!r})"]) - floor
    print(f"  and {LINES:,} lines in one file, imports included{whole * 1000:10.1f} ms more")
    for name, function, paths in (
        (f"{LINES:,} lines in one file, the first", "load", [large]),
        (f"{LINES:,} lines in one file, once more", "load", [large] * 21),
        (f"{LINES:,} lines, expressions compiled, once more", "load_thoroughly", [large] * 21),
        (f"{FILES:,} small files, each", "load", small),
    ):
        runs = [_measured(function, paths) for _ in range(rounds)]
        each = statistics.median(statistics.median(run["times"]) for run in runs)
        peak = max(run["peak"] for run in runs)
        print(f"{name:46s}{each * 1000:10.2f} ms, {peak:.0f} MB at most")


def _measured(function: str, paths: list[Path]) -> dict[str, Any]:
    argv = [PYTHON, "-c", _MEASURE, function, *map(str, paths)]
    ran = subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def _large(lines: int) -> str:
    """A file of that many lines: workflows of six steps each."""
    text = "version: 1\nworkflows:\n"
    number = 0
    while text.count("\n") < lines:
        text += _WORKFLOW.format(number=number)
        text += "".join(_STEP.format(number=step) for step in range(6))
        number += 1
    return "".join(text.splitlines(keepends=True)[:lines])
