"""Kills runs of a tree at random moments, resumes them until they are done, and says what held.

The tree and the invariants are those of ``tako.testing.crash_tree``; the victims are, in turn, a child, the root, and
all processes of the tree in the same instant.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from pathlib import Path
from random import Random

from tako.testing.crash_points import BOTH, ITSELF, ROOT
from tako.testing.crash_tree import Trial, make_tree

VICTIMS = (ITSELF, ROOT, BOTH)
NAMES = {ITSELF: "a child", ROOT: "the root", BOTH: "everything"}
INVARIANTS = (
    "every planned child has exactly one recorded success",
    "no completed step ran again",
    "a step that was interrupted ran at most once more per kill",
    "the end is that of an undisturbed run",
    "no process, lock or temporary file is left",
    "no traceback, no hang",
)


def bench_crash(scratch: Path, kills: int = 300, seed: int = 0) -> bool:
    """Kill until ``kills`` have struck; prints what held, and says whether all did."""
    make_tree(str(scratch / "source"))
    cache = str(scratch / "source" / "cache")
    first = Trial(str(scratch / "undisturbed"), cache)
    began = time.monotonic()
    if first.go_on().code != 0:
        print("the undisturbed run failed")
        return False
    usual = time.monotonic() - began
    undisturbed = first.outcome()
    random = Random(seed)
    struck: Counter[str] = Counter()
    trials, resumptions = 0, 0
    broken: list[str] = []
    while struck.total() < kills:
        trial = Trial(str(scratch / f"trial-{trials}"), cache)
        done = False
        # Two in three runs are killed once more while they are being resumed, and so on.
        while not done and struck.total() < kills and (trial.kills == 0 or random.random() < 2 / 3):
            victim = VICTIMS[struck.total() % len(VICTIMS)]
            process = trial.start()
            time.sleep(random.uniform(0, usual))
            struck[victim] += trial.kill(process, victim, random)
            done = trial.wait(process).code == 0
            resumptions += not done
        ended = trial.finish()
        problems = trial.check(undisturbed) if ended.code == 0 else [f"it never succeeded: {ended.text}"]
        broken += [f"trial {trials}: {problem}" for problem in problems]
        trials += 1
        if not problems:
            shutil.rmtree(scratch / f"trial-{trials - 1}")
    named = ", ".join(f"{struck[victim]} of {NAMES[victim]}" for victim in VICTIMS)
    print(f"{struck.total()} kills survived in {trials} runs, {resumptions} resumptions: {named}")
    for invariant in INVARIANTS:
        print(f"  checked after each run: {invariant}")
    print(f"{len(broken)} violations")
    for problem in broken:
        print(f"  {problem}")
    return not broken
