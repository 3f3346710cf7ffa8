"""Whatever a child says, however it is cut, and however its process ends: nothing raises, and there is one result."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tako.children.base import ChildRequest, ChildResult, StepUpdate
from tako.children.hearing import Hearing
from tako.children.judge import Evidence, judge
from tako.children.protocol import (
    MAX_FRAME,
    MAX_NOTE,
    RESULT_STATUSES,
    STEP_STATUSES,
    Frame,
    Hello,
    Note,
    Result,
    encode,
)
from tako.config.model import StepSpec
from tako.errors import ProtocolError
from tako.execution.event import Event
from tako.execution.failure import KINDS, PROTOCOL, STEP_FAILED, Failure
from tako.execution.workspace import Workspace
from tako.files import canonical
from tako.records import replace, to_data
from tako.report.words import failure_lines
from tako.signals import Exit
from tako.testing import FakeClock
from tests.builders import CHILD_ID, CLIENT, EVENTS, TEXT, make_event, make_request, make_workflow

STEPS = (StepSpec(id="build", timeout=5.0), StepSpec(id="tell"))
HELLO = encode(Hello(run_id=CHILD_ID, pid=4711))

STEP_IDS = st.sampled_from([step.id for step in STEPS]) | TEXT
OWN_EVENTS = st.builds(make_event, run_id=st.just(CHILD_ID), source=st.just(CLIENT), step_id=STEP_IDS)
FAILURES = st.builds(Failure, kind=st.sampled_from(sorted(KINDS)), message=TEXT, step=st.none() | STEP_IDS)
SAID = st.one_of(
    st.just(HELLO),
    st.builds(StepUpdate, id=STEP_IDS, status=st.sampled_from(STEP_STATUSES), message=TEXT).map(encode),
    st.builds(replace, OWN_EVENTS | EVENTS, waiting=st.booleans()).map(encode),
    st.builds(Note, text=TEXT.filter(str.isprintable)).map(encode),
    st.builds(
        Result,
        status=st.sampled_from(RESULT_STATUSES),
        failure=st.none() | FAILURES,
        outputs=st.none() | st.just({}),
        cached=st.lists(STEP_IDS, max_size=2).map(tuple),
    ).map(encode),
    st.binary(max_size=30),
    st.sampled_from([b"\n", b"\0", b"{", b"}", b'{"frame":', b"\xff", b"x" * MAX_FRAME]),
)
TALKS = st.lists(SAID, max_size=8).map(b"".join) | st.lists(SAID, max_size=8).map(lambda said: HELLO + b"".join(said))
EXITS = st.builds(Exit, code=st.integers(0, 255)) | st.builds(Exit, signal=st.integers(1, 64))


class Deaf:
    """Keeps nothing of what it is told."""

    def child_started(self, run_id: str, pid: int) -> None: ...

    def child_step(self, run_id: str, step: StepUpdate) -> None: ...

    def child_event(self, run_id: str, event: Event) -> None: ...

    def child_note(self, run_id: str, text: str) -> None: ...

    def catch_up(self) -> None: ...


class Listener:
    """Keeps what it is told, and takes nothing but what it may be told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def child_started(self, run_id: str, pid: int) -> None:
        self.told.append((run_id, pid))

    def child_step(self, run_id: str, step: StepUpdate) -> None:
        assert step.id in {spec.id for spec in STEPS}
        self.told.append((run_id, step))

    def child_event(self, run_id: str, event: Event) -> None:
        assert (event.run_id, event.source) == (CHILD_ID, CLIENT)
        assert not event.waiting
        self.told.append((run_id, event))

    def child_note(self, run_id: str, text: str) -> None:
        self.told.append((run_id, text))

    def catch_up(self) -> None: ...


def hear(directory: Path, chunks: Sequence[bytes]) -> tuple[Hearing, Listener, ProtocolError | None]:
    """What is heard of a child, until it has ended."""
    listener = Listener()
    run = make_request(workflow=make_workflow(steps=STEPS))
    hearing = Hearing(ChildRequest(run, Workspace(str(directory))), listener, FakeClock())
    refused = False
    for chunk in chunks:
        went_on = hearing.take(chunk)
        assert not (went_on and refused), "who has broken a rule has broken it"
        refused = not went_on
    hearing.stdout_closed()
    return hearing, listener, hearing.close()


def verdict(hearing: Hearing, violation: ProtocolError | None, exit_: Exit) -> ChildResult:
    evidence = Evidence(exit_, log=("last words",), current_step=hearing.current_step, violation=violation)
    return judge(hearing.conversation, evidence, seconds=1.0)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("child")


@given(talk=TALKS, cuts=st.lists(st.integers(0, 2000), max_size=12), exit_=EXITS)
@example(talk=HELLO + b"x" * MAX_FRAME, cuts=[], exit_=Exit(code=0))
def test_any_talk_comes_to_one_result_however_it_is_cut(
    directory: Path, talk: bytes, cuts: list[int], exit_: Exit
) -> None:
    places = sorted({min(cut, len(talk)) for cut in cuts})
    chunks = [talk[begin:end] for begin, end in zip([0, *places], [*places, len(talk)], strict=True)]

    hearing, listener, violation = hear(directory, chunks)
    result = verdict(hearing, violation, exit_)

    whole, heard_whole, violation_whole = hear(directory, [talk])
    assert listener.told == heard_whole.told
    assert str(violation) == str(violation_whole)
    assert result == verdict(whole, violation_whole, exit_)
    assert result.status in RESULT_STATUSES
    assert (result.failure is not None) == (result.status == "failed")
    assert bool(result.events) == (result.status == "suspended")
    assert violation is None or (result.failure is not None and result.failure.kind == PROTOCOL)
    # What follows is that it is written down and shown.
    canonical(to_data(result))
    if result.failure is not None:
        assert result.failure.step in {None, *(step.id for step in STEPS)}
        assert all(line.replace("\t", "").isprintable() for line in failure_lines(result.failure))
    assert set(result.cached) <= {step.id for step in STEPS}


@pytest.mark.parametrize(
    "said",
    [
        StepUpdate(id="no-such", status="running"),
        Result("failed", failure=Failure(STEP_FAILED, "exit code 1", step="no-such")),
        Result("success", outputs={}, cached=("build", "no-such")),
    ],
    ids=["step", "failure", "cached"],
)
def test_a_step_that_the_workflow_does_not_have_is_not_heard_of(directory: Path, said: Frame) -> None:
    hearing, listener, violation = hear(directory, [HELLO + encode(said)])

    failure = verdict(hearing, violation, Exit(code=0)).failure
    assert failure is not None
    assert failure.kind == PROTOCOL
    assert failure.message == "the child tells of a step that its workflow does not have: 'no-such'"
    assert listener.told == [(CHILD_ID, 4711)]


@pytest.mark.parametrize(
    "claim",
    [
        make_event(run_id="\x1b[2J" * 10_000),
        make_event(run_id=CHILD_ID, source="\x1b[2J" * 10_000),
        make_event(run_id=CHILD_ID, source=CLIENT, step_id="\x1b[2J" * 10_000),
        make_event(run_id=CHILD_ID, source=CLIENT, step_id="tell", id="\x1b[2J" * 10_000),
    ],
    ids=["run", "source", "step", "id"],
)
def test_a_foreign_claim_is_told_in_few_words(directory: Path, claim: Event) -> None:
    _, listener, violation = hear(directory, [HELLO + encode(replace(claim, waiting=False))])

    assert violation is not None
    assert str(violation).isprintable()
    assert len(str(violation)) < 2500
    assert listener.told == [(CHILD_ID, 4711)]


BUILDING = encode(StepUpdate(id="build", status="running", outputs={"a": "x" * 1000}))


@pytest.mark.parametrize(
    ("piece", "is_allowed"),
    [
        (b"x" * 65536, False),
        (b"\n" * 65536, False),
        (b"\0" * 65536, False),
        (HELLO * 100, False),
        (b'{"frame":"step"', False),
        (BUILDING * 60, True),
        (encode(Note(text="x" * MAX_NOTE)) * 60, True),
    ],
    ids=lambda value: ascii(value)[:24],
)
def test_a_flood_costs_no_more_memory_than_a_frame(directory: Path, piece: bytes, is_allowed: bool) -> None:
    run = make_request(workflow=make_workflow(steps=STEPS))
    hearing = Hearing(ChildRequest(run, Workspace(str(directory))), Deaf(), FakeClock())
    hearing.take(HELLO)
    tracemalloc.start()
    try:
        for _ in range(20 * MAX_FRAME // len(piece)):
            hearing.take(piece)
        assert tracemalloc.get_traced_memory()[1] < 6 * MAX_FRAME
    finally:
        tracemalloc.stop()
    assert (hearing.close() is None) == is_allowed
