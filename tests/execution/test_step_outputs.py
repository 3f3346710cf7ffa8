"""What steps put out, at its edges, and where they may run. With real shells."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tako.config.model import Produces, StepSpec
from tako.execution.failure import STEP_ERROR
from tako.execution.outputs import MAX_OUTPUT, MAX_OUTPUT_FILE
from tests.execution.bench import Bench


def output(tmp_path: Path, run: str, source: str, **changes: Any) -> str:
    """The output ``v`` of a step that must succeed."""
    spec = StepSpec(id="a", run=run, produces=Produces(outputs={"v": source}), **changes)
    state = Bench(tmp_path, spec).run()
    assert state.failure is None, state.failure
    return state.steps[0].outputs["v"]


def refusal(tmp_path: Path, run: str, source: str = "", **changes: Any) -> str:
    """Why a step that could not be carried out failed."""
    produces = Produces(outputs={"v": source}) if source else None
    failure = Bench(tmp_path, StepSpec(id="a", run=run, produces=produces, **changes)).run().failure
    assert failure is not None
    assert failure.kind == STEP_ERROR
    return failure.message


# From the environment at its end.


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(
    "script",
    [
        "export V=x",
        "export V=x; exit 0",
        "export V=x; trap 'echo bye' EXIT",
        "export V=x; PATH=/nowhere",
        "export V=x # a comment",
        "export V=x\nif false; then :; fi",
        "export V=x; set -u",
        "f() { export V=x; }\nf\ncat <<END\nV=y\nEND",
    ],
)
def test_what_a_step_exported_is_known_at_its_end(tmp_path: Path, shell: str, script: str) -> None:
    assert output(tmp_path, script, "from_env:V", shell=shell) == "x"


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("script", ["exit 3", "false", "export V=x\nfalse", "test -e gone && true"])
def test_asking_for_its_environment_changes_no_exit_code(tmp_path: Path, shell: str, script: str) -> None:
    with_env = Produces(outputs={"v": "from_env:V"})
    codes = []
    for number, produces in enumerate((with_env, None)):
        (tmp_path / str(number)).mkdir()
        bench = Bench(tmp_path / str(number), StepSpec(id="a", run=script, shell=shell, produces=produces))
        failure = bench.run().failure
        codes.append(failure and failure.exit_code)
    assert codes[0] == codes[1] != 0


def test_the_step_prints_nothing_more_because_its_environment_is_asked_for(tmp_path: Path) -> None:
    spec = StepSpec(id="a", run="echo out; V=1; export V", produces=Produces(outputs={"v": "from_env:V"}))
    bench = Bench(tmp_path, spec)
    bench.run()

    assert bench.log("a") == "out\n"


def test_a_value_written_to_the_output_file_wins_over_an_exported_one(tmp_path: Path) -> None:
    assert output(tmp_path, 'export V=x; echo V=y >> "$TAKO_OUTPUT"', "from_env:V") == "y"


@pytest.mark.parametrize("script", ["export V=x; exec true", "trap 'true' EXIT; export V=x; exit 0"])
def test_an_environment_that_cannot_be_known_is_said_to_be_unknown(tmp_path: Path, script: str) -> None:
    said = refusal(tmp_path, script, "from_env:V")

    assert "'v'" in said
    assert "is not known, since it ended by `exec` or in a trap of its own" in said
    assert "TAKO_OUTPUT" in said


def test_a_variable_that_is_not_exported_was_not_set(tmp_path: Path) -> None:
    assert "the variable V, which the step did not set" in refusal(tmp_path, "V=x", "from_env:V")


# From a file.


def test_a_file_is_found_from_where_the_step_runs(tmp_path: Path) -> None:
    script = "mkdir -p sub; echo in > sub/f; echo out > f"
    assert output(tmp_path, script, "from_file:./f") == "out"


def test_a_files_name_may_be_a_template(tmp_path: Path) -> None:
    assert output(tmp_path, "echo x > f-a", "from_file:f-{{ env.TAKO_STEP_ID }}") == "x"


@pytest.mark.parametrize(
    ("script", "path"),
    [
        ("ln -s ../outside f", "f"),
        ("ln -s .. d", "d/outside"),
        ("mkdir d; ln -s ../.. d/e; ", "d/e/outside"),
        ("true", "../outside"),
        ("true", "../repo/../outside"),
        ("touch f", "../repo/f"),
        ("true", "/etc/hostname"),
    ],
)
def test_a_file_outside_the_repository_is_not_read(tmp_path: Path, script: str, path: str) -> None:
    (tmp_path / "outside").write_text("not yours")

    assert "leads out of the repository" in refusal(tmp_path, script, f"from_file:{path}")


@pytest.mark.parametrize("script", ["mkfifo f", "mkdir f", "ln -s f f", "true", "touch f; chmod 0 f"])
def test_what_is_no_file_that_can_be_read_fails_the_step_at_once(tmp_path: Path, script: str) -> None:
    if "chmod" in script and os.geteuid() == 0:
        pytest.skip("root reads everything")
    said = refusal(tmp_path, script, "from_file:f")

    assert "output 'v' was promised from the file 'f', which cannot be read" in said


@pytest.mark.parametrize("size", [MAX_OUTPUT + 1, 40 * MAX_OUTPUT])
def test_a_file_that_is_too_long_is_refused_and_not_cut(tmp_path: Path, size: int) -> None:
    assert "more than 65536" in refusal(tmp_path, f"head -c {size} /dev/zero | tr '\\0' x > f", "from_file:f")


@pytest.mark.parametrize("produces", [None, Produces(outputs={"n": "from_stdout"})])
def test_what_is_written_is_a_value_whether_or_not_something_is_declared(
    tmp_path: Path, produces: Produces | None
) -> None:
    write = f"(printf v=; head -c {MAX_OUTPUT + 1} /dev/zero | tr '\\0' x) > $TAKO_OUTPUT"
    state = Bench(tmp_path, StepSpec(id="a", run=write, produces=produces)).run()

    assert state.failure is not None
    assert "output 'v' has more than 65536 bytes" in state.failure.message


# From what it printed.


def test_stdout_and_stderr_are_kept_apart(tmp_path: Path) -> None:
    produces = Produces(outputs={"o": "from_stdout", "e": "from_stderr", "v": r"version (\S+)"})
    spec = StepSpec(id="a", run="echo 'version 1.2'; echo err >&2", produces=produces)

    assert Bench(tmp_path, spec).run().steps[0].outputs == {"o": "version 1.2", "e": "err", "v": "1.2"}


def test_a_pattern_finds_the_first_line_that_it_fits(tmp_path: Path) -> None:
    assert output(tmp_path, "echo no; echo v=1; echo v=2", r"^v=(\d)$") == "1"


def test_a_pattern_that_fits_nothing_fails_the_step(tmp_path: Path) -> None:
    said = refusal(tmp_path, "echo no", r"version (\S+)")

    assert "'v' was promised by the pattern" in said
    assert "only the first" not in said


def test_of_very_much_output_the_beginning_is_looked_at_and_that_is_said(tmp_path: Path) -> None:
    said = refusal(tmp_path, "head -c 2000000 /dev/zero | tr '\\0' x; echo v=1", r"v=(\d)")

    assert "only the first 1 MiB was looked at" in said


def test_a_pattern_that_would_take_others_for_ever_takes_no_time(tmp_path: Path) -> None:
    assert "matches nothing" in refusal(tmp_path, "head -c 100000 /dev/zero | tr '\\0' a; echo b", "((?:a+)+)$")


# The file of outputs.


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('rm -f "$TAKO_OUTPUT"; mkfifo "$TAKO_OUTPUT"', "$TAKO_OUTPUT cannot be read"),
        ('rm -f "$TAKO_OUTPUT"; mkdir "$TAKO_OUTPUT"', "$TAKO_OUTPUT cannot be read"),
        (f'head -c {MAX_OUTPUT_FILE + 1} /dev/zero > "$TAKO_OUTPUT"', "has more than 8 MiB"),
        ('echo nothing >> "$TAKO_OUTPUT"', "line 1 of $TAKO_OUTPUT"),
    ],
)
def test_a_file_of_outputs_that_is_none_fails_the_step(tmp_path: Path, script: str, said: str) -> None:
    assert said in refusal(tmp_path, script)


# Where steps run.


def test_a_step_runs_where_it_says_also_behind_a_link_within_the_repository(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        StepSpec(id="make", run="mkdir -p a/b; ln -s a/b link"),
        StepSpec(id="a", run="pwd -P", working_directory="link"),
        StepSpec(id="b", run="pwd -P", working_directory="{{ inputs.d }}"),
        inputs={"d": "a"},
    )
    assert bench.run().failure is None
    assert bench.log("a") == f"{os.path.realpath(bench.repo)}/a/b\n"
    assert bench.log("b") == f"{os.path.realpath(bench.repo)}/a\n"


@pytest.mark.parametrize("directory", ["link", "link/home", "{{ inputs.d }}", "a/../../x"])
def test_a_step_does_not_run_outside_its_repository(tmp_path: Path, directory: str) -> None:
    bench = Bench(
        tmp_path,
        StepSpec(id="make", run="ln -s .. link"),
        StepSpec(id="a", run="touch ../ran ran", working_directory=directory),
        inputs={"d": "/tmp"},
    )
    failure = bench.run().failure

    assert failure is not None
    assert (failure.kind, failure.step) == (STEP_ERROR, "a")
    assert "leads out of the repository" in failure.message
    assert not (tmp_path / "ran").exists()


# Steps that were skipped.


@pytest.mark.parametrize(
    "reader",
    [
        {"run": "echo {{ steps.a.outputs.v }}"},
        {"run": "echo {{ .steps.a.v }}"},
        {"run": "echo {{ steps['a'].outputs['v'] }}"},
        {"run": "true", "condition": "steps.a.outputs.v == 'x'"},
        {"run": "true", "condition": ".steps.a.v == 'x'"},
        {"run": "true", "condition": "steps['a']['outputs'].v == 'x'"},
    ],
)
@pytest.mark.parametrize("failed", [False, True])
def test_a_reference_to_outputs_of_a_step_that_has_none_says_why(
    tmp_path: Path, reader: dict[str, str], failed: bool
) -> None:
    first = {"run": "exit 1", "continue_on_error": True} if failed else {"run": "true", "condition": "false"}
    outputs = Produces(outputs={"v": "from_stdout"})
    failure = Bench(tmp_path, StepSpec(id="a", produces=outputs, **first), StepSpec(id="b", **reader)).run().failure  # type: ignore[arg-type]

    assert failure is not None
    assert "step `a` has no output `v`" in failure.message
    assert ("the step has failed" if failed else "the step was skipped") in failure.message
    assert "fix: ask first: " in failure.message


def test_who_asks_first_may_refer_to_a_step_that_was_skipped(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        StepSpec(id="a", run="true", condition="false"),
        StepSpec(id="b", run="echo {{ steps.a.outputs.v | default('none') }}"),
        StepSpec(id="c", run="true", condition="steps.a.status == 'success' && steps.a.outputs.v == 'x'"),
        StepSpec(id="d", run="true", condition="has(steps.a.outputs.v)"),
    )
    state = bench.run()

    assert state.failure is None
    assert bench.log("b") == "none\n"
    assert [step.status for step in state.steps] == ["skipped", "success", "skipped", "skipped"]


def test_a_step_that_is_not_there_at_all_is_another_matter(tmp_path: Path) -> None:
    failure = Bench(tmp_path, StepSpec(id="b", run="true", condition="steps.z.outputs.v == 'x'")).run().failure

    assert failure is not None
    assert "skipped" not in failure.message
