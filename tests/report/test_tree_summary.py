"""The end of a run in words: the tree, the counts, every failure in full, the phrases that scripts look for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.execution.failure import (
    CANCELLED,
    CIRCUIT_OPEN,
    FAN_OUT_FAILED,
    FAN_OUT_TIMEOUT,
    INTERRUPTED,
    KILLED,
    PLAN_REFUSED,
    STEP_FAILED,
    Failure,
)
from tako.execution.state import StepRecord
from tako.fanout.result import Attempt, ChildOutcome, FanOutResult, TreeResult
from tako.report.again import tako_command
from tako.report.data import outcome_data, result_data
from tako.report.style import Screen, cells, painted
from tako.report.summary import MAX_DETAILED, failures, summary
from tako.report.tree import count_by_status, counted_by_status, counts, render_tree, tree_lines
from tako.report.words import failure_lines, failure_title, printable
from tests.builders import LIBRARY, ROOT_ID, make_event, make_root

EVENT = make_event()
BROKEN = Failure(STEP_FAILED, "exit code 1\nand more", step="test", exit_code=1, log=("E assert 1 == 2", "1 failed"))


def run(name: str, parent: str | None = "root", **changes: Any) -> ChildOutcome:
    """A run whose id is its name; a child of the root by default."""
    fields: dict[str, Any] = {
        "run_id": name,
        "root_id": "root",
        "parent_id": parent,
        "event_id": EVENT.id if parent else None,
        "repo": f"o/{name}",
        "workflow": "verify",
        "depth": 0 if parent is None else 1,
        "status": "failed" if changes.get("failure") else "success",
        "seconds": 1.5,
        "started_at": 1.0,
        "ended_at": 2.5,
        "workspace": f"/home/my runs/{name}",
    }
    return ChildOutcome(**{**fields, **changes})


ROOT = run("root", None)


def tree(*runs: ChildOutcome, root: ChildOutcome = ROOT, **changes: Any) -> TreeResult:
    event = FanOutResult(EVENT, runs, failed_below=any(not each.ok for each in runs))
    fields: dict[str, Any] = {
        "root": root,
        "runs": runs,
        "fan_outs": (event,),
        "warnings": (),
        "ok": root.ok and all(each.ok for each in runs),
        "seconds": 62.0,
    }
    return TreeResult(**{**fields, **changes})


# The tree.


def drawn(runs: Sequence[ChildOutcome], causes: Mapping[str, str], width: int | None = None) -> list[str]:
    return [line.text for line in render_tree(runs, causes, width=width)]


def test_each_run_stands_below_the_one_that_triggered_it() -> None:
    runs = (ROOT, run("a"), run("b"), run("a1", "a"), run("a2", "a"), run("b1", "b"), run("a11", "a1"))

    drawn = [f"{line.branch}{line.label}" for line in tree_lines(runs)]
    assert drawn == [
        "o/root:verify",
        "├─ o/a:verify",
        "│  ├─ o/a1:verify",
        "│  │  └─ o/a11:verify",
        "│  └─ o/a2:verify",
        "└─ o/b:verify",
        "   └─ o/b1:verify",
    ]


def test_a_run_whose_parent_is_not_there_stands_at_the_top() -> None:
    assert [line.branch for line in tree_lines((run("a", "gone"), run("b", "a")))] == ["", "└─ "]


def test_the_lines_are_aligned_and_say_what_is_known() -> None:
    runs = (
        ROOT,
        run("tested", outputs={"unit": {"passed": "900"}, "more": {"passed": "9", "version": "1"}}),
        run("broken", failure=BROKEN, seconds=0.25),
        run("never", status="pending", seconds=0.0, started_at=None),
    )

    assert drawn(runs, {EVENT.id: "library_built"}) == [
        "✓ o/root:verify          1.5s",
        "✗ ├─ o/broken:verify    250ms  after library_built  step_failed",
        "✓ ├─ o/tested:verify     1.5s  909 passed  after library_built",
        "· └─ o/never:verify       0ms  after library_built  not started",
    ]


def test_tries_are_told_while_a_run_is_at_work_and_when_it_has_ended() -> None:
    once, twice = (Attempt(1, BROKEN, 1.0),), (Attempt(1, BROKEN, 1.0), Attempt(2, BROKEN, 1.0))
    runs = (
        ROOT,
        run("a", attempts=once),
        run("b", attempts=twice, failure=BROKEN),
        run("c", attempts=once, status="running", ended_at=None),
        run("d", attempts=twice, status="retrying", ended_at=None),
        run("e", status="cancelled", failure=Failure(CANCELLED, "by tako cancel")),
        run("f", status="cancelled"),
    )

    assert drawn(runs, {}) == [
        "✓ o/root:verify     1.5s",
        "✗ ├─ o/b:verify     1.5s  step_failed  3 tries",
        "⊘ ├─ o/e:verify     1.5s  cancelled",
        "⊘ ├─ o/f:verify     1.5s  cancelled",
        "✓ ├─ o/a:verify     1.5s  2 tries",
        "… ├─ o/c:verify     1.5s  running  try 2",
        "… └─ o/d:verify     1.5s  retrying  try 3",
    ]


def test_runs_that_have_not_started_share_a_line() -> None:
    waiting = [run(f"w{number}", status="pending", seconds=0.0, started_at=None) for number in range(52)]
    stopped = run("s", failure=Failure(INTERRUPTED, "stopped"))
    runs = (ROOT, *waiting, stopped, run("b", failure=BROKEN))
    assert drawn(runs, {}) == [
        "✓ o/root:verify     1.5s",
        "✗ ├─ o/b:verify     1.5s  step_failed",
        "✗ ├─ o/s:verify     1.5s  interrupted",
        "· └─ 52 not started: o/w0:verify, o/w1:verify, o/w2:verify and 49 more",
    ]
    assert counted_by_status(runs[1:]) == "1 failed, 1 interrupted, 52 not started"


def test_tree_fits_the_width() -> None:
    runs = (ROOT, run("long-" * 30), run("漢字" * 30, failure=BROKEN))
    for width in (40, 60, 80, 200):
        screen = Screen(width=width)
        lines = painted(render_tree(runs, {EVENT.id: "library_built"}, width=width), screen).splitlines()
        assert max(cells(line) for line in lines) <= width
        assert all("1.5s" in line for line in lines)


def test_no_runs_are_no_lines() -> None:
    assert render_tree((), {}) == []


@given(parents=st.lists(st.integers(0, 100), max_size=60))
def test_every_run_of_any_tree_is_drawn_once_and_below_its_parent(parents: list[int]) -> None:
    runs = [ROOT]
    for number, parent in enumerate(parents):
        above = runs[parent % len(runs)]
        runs.append(run(f"r{number}", above.run_id, depth=above.depth + 1))

    lines = tree_lines(runs)
    assert sorted(line.outcome.run_id for line in lines) == sorted(each.run_id for each in runs)
    drawn: dict[str, int] = {}
    for position, line in enumerate(lines):
        drawn[line.outcome.run_id] = position
        assert len(line.branch) == 3 * line.outcome.depth
        if line.outcome.parent_id:
            assert drawn[line.outcome.parent_id] < position


def test_a_very_deep_tree_is_drawn() -> None:
    runs = [ROOT]
    for number in range(3_000):
        runs.append(run(str(number), runs[-1].run_id))

    assert len(tree_lines(runs)) == 3_001


@pytest.mark.parametrize(
    ("outputs", "shown"),
    [
        ({}, ""),
        ({"a": {"passed": "3"}, "b": {"passed": "4"}}, "7"),
        ({"a": {"passed": "some"}}, ""),
        ({"a": {"passed": "-3"}, "b": {"passed": "²"}}, ""),
        ({"a": {"failed": "3"}}, ""),
    ],
)
def test_only_numbers_are_counted(outputs: dict[str, dict[str, str]], shown: str) -> None:
    assert counts(run("a", outputs=outputs)) == shown


def test_runs_are_counted_by_how_they_ended() -> None:
    runs = (run("a"), run("b", failure=BROKEN), run("c"), run("d", status="pending"))

    assert count_by_status(runs) == {"success": 2, "failed": 1, "pending": 1}


# The summary.

GO_ON = f"  go on with it: {tako_command()} exec --resume root"

STEPS = (
    StepRecord("build", "success", 1.0, 1.25),
    StepRecord("maybe", "skipped", 2.0, 0.0),
    StepRecord("tell", "failed", 2.0, 60.0),
)


def test_the_summary_says_what_scripts_look_for() -> None:
    text = summary(tree(run("a")), STEPS)

    assert text.splitlines() == [
        "Execution completed: root",
        "Success: true",
        "Duration: 1m02s",
        "  ✓ build (1.2s)",
        "  – maybe (skipped)",
        "  ✗ tell (1m00s)",
        "",
        "Triggered runs: 1 (1 success)",
        "  ✓ o/root:verify     1.5s",
        "  ✓ └─ o/a:verify     1.5s  after library_built",
    ]
    assert text.endswith("\n")


def test_a_run_that_triggered_nothing_has_no_tree() -> None:
    text = summary(tree(ok=False), ())

    assert text == "Execution completed: root\nSuccess: false\nDuration: 1m02s\n"


def test_success_has_no_failures_to_tell() -> None:
    assert failures(tree(run("a"))) == ""


def test_a_failed_run_is_told_with_kind_step_log_and_how_to_replay_it() -> None:
    root = run("root", None, failure=Failure(FAN_OUT_FAILED, "1 of 1 triggered runs failed", step="tell"))

    assert failures(tree(run("a", failure=BROKEN), root=root)).splitlines() == [
        "o/a:verify failed after 1.5s (a)",
        "  step_failed at step 'test': exit code 1",
        "  and more",
        "  last lines of its log:",
        "    | E assert 1 == 2",
        "    | 1 failed",
        "  logs: /home/my runs/a/logs",
        f"  run it again: {tako_command()} replay root --child a",
        "",
        "execution failed: step 'tell' failed: 1 of 1 triggered runs failed",
        GO_ON,
    ]


def test_a_run_that_was_never_started_has_no_logs_and_no_replay() -> None:
    text = failures(tree(run("a", failure=Failure("inputs_invalid", "no input"), started_at=None)))

    assert "inputs_invalid: no input" in text
    assert "logs:" not in text
    assert "run it again" not in text


def test_runs_that_failed_since_others_did_are_not_told_again() -> None:
    between = run("a", failure=Failure(FAN_OUT_FAILED, "1 of 1 triggered runs failed", step="tell"))
    text = failures(tree(between, run("b", "a", failure=BROKEN)))

    assert "o/a:verify failed" not in text
    assert text.count("o/b:verify failed") == 1
    assert text.endswith(f"execution failed: 1 triggered runs failed; nobody waited for it\n{GO_ON}\n")


def test_hundreds_of_failures_are_told_up_to_a_limit() -> None:
    text = failures(tree(*(run(f"r{number}", failure=BROKEN) for number in range(MAX_DETAILED + 7))))

    assert text.count("failed after") == MAX_DETAILED
    assert f"and 7 more failed runs; `{tako_command()} status root` lists them" in text


@pytest.mark.parametrize("waiting", [True, False])
def test_a_refused_fan_out_that_nobody_waited_for_is_told(waiting: bool) -> None:
    event = make_event(waiting=waiting)
    refused = FanOutResult(event, (), failed_below=True, refused=Failure(PLAN_REFUSED, "a cycle: a → a"))
    text = failures(tree(fan_outs=(refused,), ok=False))

    assert (f"{LIBRARY} emitted library_built; refused: a cycle: a → a" in text) is not waiting
    assert "execution failed: a fan-out was refused" in text


@pytest.mark.parametrize("waiting", [False, True])
def test_a_fan_out_that_nobody_waited_for_and_that_took_too_long_is_told(waiting: bool) -> None:
    event = make_event(waiting=waiting)
    expired = Failure(FAN_OUT_TIMEOUT, "its fan-out took longer than its timeout of 2.0s")
    late = FanOutResult(event, (), failed_below=False, expired=expired)
    text = failures(tree(fan_outs=(late,), ok=False))

    assert (f"{LIBRARY} emitted library_built; {expired.message}" in text) is not waiting
    assert "execution failed: a fan-out took too long; nobody waited for it" in text


def test_an_interruption_is_told() -> None:
    text = failures(tree(run("a", status="pending"), ok=False, interrupted_by=15))

    assert text == f"execution interrupted by SIGTERM\n{GO_ON}\n"


def test_a_cancelled_run_is_told_as_cancelled_and_not_as_failed() -> None:
    cancelled = run("a", status="cancelled", failure=Failure(CANCELLED, "cancelled by `tako cancel`", step="test"))
    result = tree(cancelled, root=run("root", None, failure=Failure(FAN_OUT_FAILED, "1 of 1 failed", step="tell")))

    assert failures(result).splitlines()[:2] == [
        "o/a:verify cancelled after 1.5s (a)",
        "  cancelled at step 'test': cancelled by `tako cancel`",
    ]
    assert "Triggered runs: 1 (1 cancelled)" in summary(result, ())
    assert "⊘ └─ o/a:verify" in summary(result, ())


def test_a_run_that_was_never_started_is_told_without_a_duration() -> None:
    text = failures(tree(run("a", failure=Failure(CIRCUIT_OPEN, "crashed 5 times"), started_at=None, seconds=0.0)))

    assert text.splitlines()[:2] == ["o/a:verify failed before it was started (a)", "  circuit_open: crashed 5 times"]


def test_a_run_that_was_tried_again_is_told_with_each_try_and_where_its_logs_are() -> None:
    crash = Failure(KILLED, "the child process was killed by SIGKILL (signal 9)", step="test", signal=9)
    tried = run("a", failure=BROKEN, attempts=(Attempt(1, crash, 1.0), Attempt(2, crash, 0.25)))

    assert failures(tree(tried)).splitlines()[:8] == [
        "o/a:verify failed after 1.5s (a)",
        "  step_failed at step 'test': exit code 1",
        "  and more",
        "  last lines of its log:",
        "    | E assert 1 == 2",
        "    | 1 failed",
        "  try 1 (1.0s, logs in attempt-1): killed at step 'test': the child process was killed by SIGKILL (signal 9)",
        "  try 2 (250ms, logs in attempt-2): killed at step 'test': the child process was killed by SIGKILL (signal 9)",
    ]


def test_an_interruption_of_the_root_s_own_step_is_told_with_the_step() -> None:
    stopped = run("root", None, failure=Failure(INTERRUPTED, "stopped before the step had ended", step="build"))
    text = failures(tree(root=stopped, ok=False, interrupted_by=2))

    assert text.startswith("execution failed: step 'build' failed: stopped before the step had ended\n\n")
    assert text.endswith(
        f"\nexecution interrupted by SIGINT\n  go on with it: {tako_command()} exec --resume {ROOT.run_id}\n"
    )


@pytest.mark.parametrize(
    ("failure", "title"),
    [
        (BROKEN, "step_failed at step 'test': exit code 1"),
        (Failure(KILLED, "killed by SIGKILL (signal 9)", signal=9), "killed: killed by SIGKILL (signal 9)"),
        (Failure(KILLED, ""), "killed: "),
    ],
)
def test_the_title_of_a_failure_is_one_line(failure: Failure, title: str) -> None:
    assert failure_title(failure) == title
    assert failure_lines(failure)[0] == title


@given(message=st.text(max_size=30), step=st.none() | st.text(min_size=1, max_size=5))
def test_no_message_breaks_a_report(message: str, step: str | None) -> None:
    failure = Failure(STEP_FAILED, message, step=step)
    root = run("root", None, failure=failure)

    assert "\n" not in failure_title(Failure(STEP_FAILED, message))
    assert "execution failed" in failures(tree(run("a", failure=failure), root=root))


# The same for programs.


def test_the_data_say_all_that_the_summary_says_and_are_json() -> None:
    root = run("root", None, failure=Failure(FAN_OUT_FAILED, "1 of 1 failed", step="tell"))
    result = tree(run("a", failure=BROKEN), root=root, warnings=("o/x: unreadable",))
    data = json.loads(json.dumps(result_data(result, make_root(inputs={"bump": "minor"}), STEPS)))

    assert (data["run_id"], data["success"], data["duration_seconds"]) == ("root", False, 62.0)
    assert (data["repository"], data["workflow"], data["inputs"]) == (LIBRARY, "release", {"bump": "minor"})
    assert [step["status"] for step in data["steps"]] == ["success", "skipped", "failed"]
    (child,) = data["runs"]
    assert (child["run_id"], child["parent_id"], child["event_id"]) == ("a", "root", EVENT.id)
    assert child["failure"]["exit_code"] == 1
    assert child["replay"] == f"{tako_command()} replay root --child a"
    assert child["started_at"] == "1970-01-01T00:00:01.000Z"
    (fan_out,) = data["fan_outs"]
    assert fan_out == {
        "event_id": EVENT.id,
        "type": "library_built",
        "source": LIBRARY,
        "emitted_by": ROOT_ID,
        "success": False,
        "children": ["a"],
        "refused": None,
        "expired": None,
        "looked_at": 0,
        "looked_in": "",
    }
    assert data["warnings"] == ["o/x: unreadable"]
    assert child["attempts"] == []


def test_the_data_tell_why_a_fan_out_failed_of_itself() -> None:
    late = Failure(FAN_OUT_TIMEOUT, "its fan-out took longer than its timeout of 1s")
    refused = Failure(PLAN_REFUSED, "a cycle: a → a")
    fan_outs = (FanOutResult(EVENT, (), False, expired=late), FanOutResult(EVENT, (), False, refused=refused))

    told = result_data(tree(fan_outs=fan_outs, ok=False), make_root(), STEPS)["fan_outs"]

    assert [each["expired"] and each["expired"]["kind"] for each in told] == [FAN_OUT_TIMEOUT, None]
    assert [each["refused"] and each["refused"]["kind"] for each in told] == [None, PLAN_REFUSED]
    assert [each["success"] for each in told] == [False, False]


def test_the_data_tell_every_try() -> None:
    tried = run("a", attempts=(Attempt(1, Failure(KILLED, "killed", signal=9), 1.23456),))
    (attempt,) = outcome_data(tried)["attempts"]

    assert (attempt["number"], attempt["duration_seconds"]) == (1, 1.235)
    assert (attempt["failure"]["kind"], attempt["failure"]["signal"]) == ("killed", 9)


def test_a_log_line_cannot_move_the_readers_cursor() -> None:
    assert printable("\x1b[31mred\x1b[0m\tplain\x1b]0;title\x07\x00") == "red\tplain�]0;title��"
    assert printable("a\rb\x85c\u2028d\u202ee\ud800") == "a�b�c�d�e�"


def test_what_people_write_is_shown_as_it_is() -> None:
    text = "12\u202f000\u00a0€, 你好\u3000世界, 👩\u200d💻 ✓ é"

    assert printable(text) == text


EVIL = "\x1b[2J\x1b]0;title\x07\r\x9b31m\x08"


def moves_the_cursor(text: str) -> bool:
    return any(ord(char) < 32 or 127 <= ord(char) < 160 for char in text.replace("\n", ""))


def test_no_words_of_a_child_reach_a_terminal_as_commands() -> None:
    failure = Failure(STEP_FAILED, f"{EVIL}\n{EVIL}", step=EVIL, log=(EVIL,))
    child = run("a", failure=failure, cached=(EVIL,), attempts=(Attempt(1, failure, 1.0),))
    result = tree(child, root=run("root", None, failure=failure))

    for text in (summary(result, STEPS), failures(result), *failure_lines(failure), failure_title(failure)):
        assert not moves_the_cursor(text), ascii(text)
    assert "\ufffd]0;title\ufffd" in failure_title(failure)
