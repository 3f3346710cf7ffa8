"""What differs between a recorded request and what is there now."""

from __future__ import annotations

import pytest

from tako.config.model import EventSpec, PayloadField, StepSpec, WorkflowSpec
from tako.fanout.drift import Difference, differences
from tako.records import replace
from tests.builders import make_request, make_workflow

BUILD = StepSpec(id="build", run="make", line=3)
TELL = StepSpec(id="tell", uses="tako/fan-out@v1", params={"event_type": "made"}, line=5)
FLOW = make_workflow("release", (BUILD, TELL))
MADE = EventSpec("made", "1.0.0")
REQUEST = make_request(workflow=FLOW, commit="aaaa", events=(MADE,))


def found(
    workflow: WorkflowSpec | None = FLOW, *, commit: str | None = "aaaa", events: tuple[EventSpec, ...] = (MADE,)
) -> list[str]:
    return [
        f"{each.what}: {each.old} -> {each.new}"
        for each in differences(REQUEST, workflow=workflow, commit=commit, events=events)
    ]


def steps(*given: StepSpec) -> WorkflowSpec:
    return make_workflow("release", given)


def test_nothing_differs_from_itself_nor_in_where_it_stands() -> None:
    assert found() == []
    assert found(steps(replace(BUILD, line=30), replace(TELL, line=50))) == []


@pytest.mark.parametrize(
    ("workflow", "said"),
    [
        (steps(replace(BUILD, run="make all"), TELL), 'step \'build\': run: "make" -> "make all"'),
        (steps(replace(BUILD, condition="true"), TELL), "step 'build': if: null -> \"true\""),
        (
            steps(BUILD, replace(TELL, params={"event_type": "other"})),
            'step \'tell\': with: {"event_type":"made"} -> {"event_type":"other"}',
        ),
        (steps(TELL), "step 'build': there -> gone"),
        (steps(BUILD, TELL, StepSpec(id="more", run="x")), "step 'more': not there -> there"),
        (steps(TELL, BUILD), "order of steps: build, tell -> tell, build"),
        (replace(FLOW, timeout=60.0), "timeout: null -> 60.0"),
        (replace(FLOW, env={"A": "1"}), 'env: {} -> {"A":"1"}'),
        (None, "workflow: there -> gone"),
    ],
)
def test_each_change_is_named_with_its_step_and_its_field(workflow: WorkflowSpec | None, said: str) -> None:
    assert found(workflow) == [said]


@pytest.mark.parametrize(("commit", "said"), [("bbbb", "aaaa -> bbbb"), (None, "aaaa -> no commit")])
def test_another_commit_is_named(commit: str | None, said: str) -> None:
    assert found(commit=commit) == [f"commit: {said}"]


def test_several_changes_are_all_named() -> None:
    assert len(found(steps(replace(BUILD, run="x", shell="bash")), commit="bbbb")) == 4


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ((EventSpec("made", "2.0.0"),), ['event \'made\': schema_version: "1.0.0" -> "2.0.0"']),
        ((), ["event 'made': there -> gone"]),
        ((MADE, EventSpec("other", "1.0.0")), []),
    ],
)
def test_an_event_that_the_workflow_may_emit_is_compared_and_no_other(
    events: tuple[EventSpec, ...], said: list[str]
) -> None:
    assert found(events=events) == said


def test_a_payload_is_part_of_an_event() -> None:
    (said,) = found(events=(replace(MADE, payload=(PayloadField("version", "string"),)),))
    assert said.startswith("event 'made': payload: [] -> ")


def test_of_long_values_the_part_that_differs_is_shown() -> None:
    old, new = (steps(replace(BUILD, run=f"{'x' * 500} {word} {'y' * 500}"), TELL) for word in ("old", "new"))
    request = replace(REQUEST, workflow=old)

    (difference,) = differences(request, workflow=new, commit="aaaa", events=(MADE,))

    assert "x old y" in difference.old
    assert "x new y" in difference.new
    assert all(text[0] == text[-1] == "…" and len(text) < 100 for text in (difference.old, difference.new))


def test_a_difference_reads_as_a_line() -> None:
    difference = Difference("a/b:release", "commit", "aaaa", "bbbb")
    assert str(difference) == "a/b:release: commit: was aaaa, is bbbb"
