"""Cached steps in real runs: what makes a step the same step, what is restored, and that the cache fails nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tako.clock import SystemClock
from tako.config.model import ArtifactSpec, EventTemplate, Produces, RetrySpec, StepSpec
from tako.execution.event import ArtifactRef
from tako.execution.request import RunRequest
from tako.execution.retry import StepAttempt
from tako.execution.runner import Runner
from tako.execution.service import ServiceEnd
from tako.execution.state import ExecutionState, StepRecord, read_state
from tako.execution.step_cache import StepCache
from tako.execution.workspace import Workspace
from tako.ids import child_run_id
from tako.process import Processes
from tako.records import replace
from tako.secrets.run import NO_SECRETS, RunSecrets
from tako.steps.base import Capabilities
from tako.steps.registry import step_kind
from tests.builders import ROOT_ID, make_event, make_request, make_workflow

FILES = {"src/a": "one\n", "src/deep/b": "two\n", "src/.hidden": "", "other": "x\n"}
COUNTED = 'echo ran >> "$RUNS"; '


class Stage:
    """A Tako home in which a child runs one step again and again, each time in a new checkout of its files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.home = directory / "home"
        self.cache = StepCache(str(self.home))
        self.files: dict[str, str] = dict(FILES)
        self.secrets: RunSecrets = NO_SECRETS
        self.env = {"PATH": os.environ["PATH"], "RUNS": str(directory / "runs")}
        self.prepare: Callable[[Path], object] = lambda _: None
        """Called with each checkout."""
        self._number = 0
        self.repo = Path()
        self.workspace = Workspace("")

    @property
    def runs(self) -> int:
        """How often the step was really run."""
        path = self.directory / "runs"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def run(self, step: StepSpec, *, start: int | None = None, generation: int = 1, **request: Any) -> StepRecord:
        """Run the step as the only one of a workflow; what is recorded of it."""
        state = self.run_all(step, start=start, generation=generation, **request)
        return state.steps[0]

    def run_all(
        self, *steps: StepSpec, start: int | None = None, generation: int = 1, **request: Any
    ) -> ExecutionState:
        self._number += 1
        run_id = child_run_id(ROOT_ID, str(self._number), "o/r", "w")
        self.workspace = Workspace(str(self.home / "workspaces" / ROOT_ID / "children" / run_id))
        self.workspace.make()
        self.repo = self.directory / f"checkout-{self._number}"
        for name, content in self.files.items():
            (self.repo / name).parent.mkdir(parents=True, exist_ok=True)
            (self.repo / name).write_text(content)
        self.prepare(self.repo)
        workflow = make_workflow(steps=steps, **request.pop("workflow", {}))
        runner = self._runner(make_request(**{"workflow": workflow, "run_id": run_id, **request}))
        state = replace(runner.begin(), generation=generation)
        ended = runner.run(state, start=start)
        assert read_state(self.workspace.state).steps == ended.steps
        return ended

    def _runner(self, request: RunRequest) -> Runner:
        capabilities = Capabilities(
            request=request,
            workspace=self.workspace,
            repo_dir=str(self.repo),
            processes=Processes(),
            clock=SystemClock(),
            base_env=self.env,
            secrets=self.secrets,
        )
        return Runner(capabilities, step_kind=step_kind, observer=self)

    def step_started(self, spec: StepSpec) -> None: ...

    def step_retrying(self, spec: StepSpec, attempt: StepAttempt, delay: float) -> None: ...

    def service_ended(self, end: ServiceEnd) -> None: ...

    def step_ended(self, step: StepRecord) -> None: ...

    def event(self, event: object) -> None: ...

    @property
    def log(self) -> str:
        return Path(self.workspace.log("build")).read_text()

    def entries(self) -> list[str]:
        return list(self.cache.keys())


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def build(script: str = "true", **changes: Any) -> StepSpec:
    return StepSpec(**{"id": "build", "run": COUNTED + script, "cache_key_files": ("src/**",), **changes})


def is_a_hit(stage: Stage, first: StepSpec, second: StepSpec, **request: Any) -> bool:
    assert not stage.run(first).cached
    return stage.run(second, **request).cached


# What makes a step the same.


def test_the_same_step_with_the_same_files_is_not_run_again(stage: Stage) -> None:
    first, second = stage.run(build()), stage.run(build())

    assert (first.status, first.cached) == ("success", False)
    assert (second.status, second.cached) == ("success", True)
    assert stage.runs == 1
    assert stage.log.startswith("tako: cached, not run: this is what it came to in exec-")


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def make_link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


CHANGED_FILES: Mapping[str, Callable[[Path], object]] = {
    "content": lambda repo: (repo / "src/deep/b").write_text("three\n"),
    "another file": lambda repo: (repo / "src/c").write_text(""),
    "a file less": lambda repo: (repo / "src/a").unlink(),
    "name": lambda repo: (repo / "src/a").rename(repo / "src/z"),
    "executability": lambda repo: (repo / "src/a").chmod(0o755),
    "a link for a file": lambda repo: make_link(repo / "src/a", "deep/b"),
    "a link to a directory": lambda repo: (repo / "src/d").symlink_to("deep"),
}
SAME_FILES: Mapping[str, Callable[[Path], object]] = {
    "a file that does not count": lambda repo: (repo / "other").write_text("y\n"),
    "a hidden file": lambda repo: (repo / "src/.hidden").write_text("y\n"),
    "times": lambda repo: os.utime(repo / "src/a", (1, 1)),
    "mode for others": lambda repo: (repo / "src/a").chmod(0o600),
    "an empty directory": lambda repo: (repo / "src/empty").mkdir(),
}


@pytest.mark.parametrize("what", CHANGED_FILES)
def test_a_changed_key_file_is_another_key(stage: Stage, what: str) -> None:
    stage.run(build())
    stage.prepare = CHANGED_FILES[what]
    assert not stage.run(build()).cached


@pytest.mark.parametrize("what", SAME_FILES)
def test_what_is_no_key_file_does_not_count(stage: Stage, what: str) -> None:
    stage.run(build())
    stage.prepare = SAME_FILES[what]
    assert stage.run(build()).cached


def test_what_a_link_leads_to_counts(stage: Stage) -> None:
    step = build(cache_key_files=("link",))
    stage.prepare = lambda repo: (repo / "link").symlink_to("other")
    assert not stage.run(step).cached
    assert stage.run(step).cached
    stage.files["other"] = "y\n"
    assert not stage.run(step).cached


def test_a_directory_without_a_wildcard_is_everything_in_it(stage: Stage) -> None:
    step = build(cache_key_files=("src",))
    stage.run(step)
    stage.files["src/.hidden"] = "y\n"
    assert not stage.run(step).cached


@pytest.mark.parametrize(
    "changes",
    [
        {"run": COUNTED + ":"},
        {"shell": "bash"},
        {"working_directory": "src"},
        {"env": {"A": "2"}},
        {"env": {"A": "1", "B": ""}},
        {"produces": Produces(outputs={"x": "from_stdout"})},
        {"id": "other"},
        {"cache_key_files": ("src/*",)},
    ],
    ids=str,
)
def test_another_definition_is_another_key(stage: Stage, changes: dict[str, Any]) -> None:
    assert not is_a_hit(stage, build(env={"A": "1"}), build(**{"env": {"A": "1"}, **changes}))


def test_another_repository_is_another_key(stage: Stage) -> None:
    assert not is_a_hit(stage, build(), build(), repo="o/other")


def test_the_declared_environment_counts_and_no_other(stage: Stage) -> None:
    stage.run(build(), workflow={"env": {"MODE": "{{ inputs.mode }}"}}, inputs={"mode": "a"})
    stage.env["ELSE"] = "x"
    assert stage.run(build(), workflow={"env": {"MODE": "{{ inputs.mode }}"}}, inputs={"mode": "a"}).cached
    assert not stage.run(build(), workflow={"env": {"MODE": "{{ inputs.mode }}"}}, inputs={"mode": "b"}).cached


@pytest.mark.parametrize(
    ("step", "counts"),
    [
        (build("echo {{ inputs.v }}"), True),
        (build('echo "$TAKO_INPUT_V"'), True),
        (build("sh src/script"), True),
        (build(env={"X": "{{ inputs.v }}"}), True),
        (build("echo"), False),
    ],
    ids=["template", "variable", "variable in a key file", "environment", "not named"],
)
def test_inputs_count_where_they_are_named(stage: Stage, step: StepSpec, counts: bool) -> None:
    stage.files["src/script"] = "echo $TAKO_INPUT_V\n" if "script" in (step.run or "") else ""
    assert not stage.run(step, inputs={"v": "1"}).cached
    assert stage.run(step, inputs={"v": "1"}).cached
    assert stage.run(step, inputs={"v": "2"}).cached is not counts


def sent(directory: Path, content: str) -> dict[str, Any]:
    """The request of a run that was sent an artifact, each time at another place."""
    path = directory / os.urandom(4).hex()
    path.write_text(content)
    from tako.files import file_checksum

    artifact = ArtifactRef("o/lib", "lib", str(path), file_checksum(str(path)))
    return {"event": make_event(artifacts=(artifact,))}


@pytest.mark.parametrize("script", ["cat {{ artifacts.lib.path }}", 'cat "$TAKO_ARTIFACT_LIB_PATH"', "sh src/script"])
def test_an_artifact_that_was_sent_counts_by_its_content_not_its_place(stage: Stage, script: str) -> None:
    stage.files["src/script"] = 'cat "$TAKO_ARTIFACT_LIB_PATH"\n'
    assert not stage.run(build(script), **sent(stage.directory, "one")).cached
    assert stage.run(build(script), **sent(stage.directory, "one")).cached
    assert not stage.run(build(script), **sent(stage.directory, "two")).cached


def test_an_artifact_that_is_not_named_does_not_count(stage: Stage) -> None:
    stage.run(build(), **sent(stage.directory, "one"))
    assert stage.run(build(), **sent(stage.directory, "two")).cached


def test_a_step_that_is_expanded_with_its_run_is_run_every_time(stage: Stage) -> None:
    step = build("echo {{ run.id }}")
    stage.run(step)
    assert not stage.run(step).cached


def test_a_secret_counts_by_its_name_and_is_nowhere_in_the_cache(stage: Stage) -> None:
    step = build('test -n "$TOKEN"', env={"TOKEN": "GITHUB_TOKEN"})
    workflow: dict[str, Any] = {"workflow": {"secrets": ("GITHUB_TOKEN", "OTHER_TOKEN")}}
    stage.secrets = RunSecrets({"GITHUB_TOKEN": "the first value", "OTHER_TOKEN": "another value"})
    assert stage.run(step, **workflow).status == "success"
    stage.secrets = RunSecrets({"GITHUB_TOKEN": "the second value", "OTHER_TOKEN": "another value"})
    assert stage.run(step, **workflow).cached
    assert not stage.run(replace(step, env={"TOKEN": "OTHER_TOKEN"}), **workflow).cached
    kept = [path.read_text() for path in Path(stage.cache.root).rglob("*") if path.is_file()]
    assert len(kept) == 2
    assert not any("value" in text for text in kept)


def test_an_output_that_holds_a_secret_is_not_kept_and_not_restored(stage: Stage) -> None:
    step = build("echo the value", produces=Produces(outputs={"x": "from_stdout"}))
    assert stage.run(step).status == "success"
    stage.secrets = RunSecrets({"TOKEN": "the value"})
    again = stage.run(step, workflow={"secrets": ("TOKEN",)})
    assert (again.status, again.cached, again.outputs) == ("failed", False, {})


def test_what_came_with_an_event_stays_that(stage: Stage) -> None:
    step = build("true", produces=Produces(outputs={"x": "{{ event.payload.version }}", "y": "from_stdout"}))
    event: dict[str, Any] = {"event": make_event(payload={"version": "1; rm"})}
    assert stage.run(step, **event).tainted == ("x",)
    restored = stage.run(step, **event)
    assert restored.cached
    assert restored.tainted == ("x",)
    dangerous = build("echo {{ inputs.v }}")
    assert stage.run(dangerous, inputs={"v": "1; true"}).status == "success"
    refused = stage.run(dangerous, inputs={"v": "1; true"}, **event)
    assert (refused.status, refused.cached) == ("failed", False)


@pytest.mark.parametrize("pattern", ["src/out", "src/**", "outside/*"])
def test_a_key_file_outside_the_repository_fails_the_step(stage: Stage, pattern: str) -> None:
    (stage.directory / "secret").write_text("x")

    def lead_out(repo: Path) -> None:
        (repo / "src/out").symlink_to(stage.directory / "secret")
        (repo / "outside").symlink_to(stage.directory)

    stage.prepare = lead_out
    ended = stage.run(build(cache_key_files=(pattern,)))

    assert ended.failure is not None
    assert "a key file leads out of the repository" in ended.failure.message
    assert stage.runs == 0


def test_a_glob_that_matches_nothing_is_told_in_the_log(stage: Stage) -> None:
    step = build("echo said", cache_key_files=("none/**", "src/**"))
    told = "tako: no file matches 'none/**' of cache_key_files\n"

    assert not stage.run(step).cached
    assert stage.log == f"said\n{told}"
    assert stage.run(step).cached
    assert told in stage.log


# What is restored.

LIB = ArtifactSpec("lib", "dist/*.txt")
MAKES_LIB = build(
    "mkdir -p dist; cat src/a > dist/lib.txt; echo version=$(wc -c < src/a); echo extra=e >> $TAKO_OUTPUT",
    produces=Produces(
        artifact="lib",
        outputs={"version": "version=(.*)", "label": "{{ inputs.v }}/{{ outputs.version }}/{{ outputs.extra }}"},
        events=(EventTemplate("built", payload={"label": "{{ outputs.label }}"}),),
    ),
)


def test_outputs_artifact_and_events_are_as_if_the_step_had_run(stage: Stage) -> None:
    made = stage.run(MAKES_LIB, artifacts=(LIB,), inputs={"v": "1"})
    restored = stage.run(MAKES_LIB, artifacts=(LIB,), inputs={"v": "2"})

    assert restored.cached
    assert made.outputs == {"extra": "e", "version": "4", "label": "1/4/e"}
    assert restored.outputs == {"extra": "e", "version": "4", "label": "2/4/e"}
    assert restored.announced[0].payload == {"label": "2/4/e"}
    assert restored.announced[0].artifact == "lib"
    (key,) = stage.entries()
    assert stage.cache.check(key).outputs == {"extra": "e", "version": "4"}
    (first,), (second,) = made.artifacts, restored.artifacts
    assert (first.name, first.sha256) == (second.name, second.sha256)
    assert Path(second.path).read_text() == (stage.repo / "dist/lib.txt").read_text() == "one\n"
    assert second.path.startswith(stage.workspace.artifacts)


def test_directories_links_and_modes_are_restored_and_other_files_stay(stage: Stage) -> None:
    artifact = ArtifactSpec("tree", "out")
    script = "mkdir -p out/bin out/empty; echo x > out/bin/tool; chmod 755 out/bin/tool; ln -s bin/tool out/link"
    step = build(script, produces=Produces(artifact="tree"))
    made = stage.run(step, artifacts=(artifact,))
    stage.prepare = lambda repo: write(repo / "out/bin/mine", "m")
    restored = stage.run(step, artifacts=(artifact,))

    assert restored.cached
    out = stage.repo / "out"
    assert os.access(out / "bin/tool", os.X_OK)
    assert os.readlink(out / "link") == "bin/tool"
    assert (out / "empty").is_dir()
    assert (out / "bin/mine").read_text() == "m"
    assert restored.artifacts[0].sha256 == made.artifacts[0].sha256 is not None


def test_restoring_again_changes_nothing(stage: Stage) -> None:
    stage.run(MAKES_LIB, artifacts=(LIB,), inputs={"v": "1"})
    stage.prepare = lambda repo: write(repo / "dist/lib.txt", "half")
    once = stage.run(MAKES_LIB, artifacts=(LIB,), inputs={"v": "1"})
    before = stage.repo / "dist"
    stage.prepare = lambda repo: shutil.copytree(before, repo / "dist")
    twice = stage.run(MAKES_LIB, artifacts=(LIB,), inputs={"v": "1"})

    assert once.cached
    assert twice.cached
    assert once.outputs == twice.outputs
    assert os.listdir(stage.repo / "dist") == ["lib.txt"]
    assert (stage.repo / "dist/lib.txt").read_text() == "one\n"


def test_a_step_that_succeeds_at_its_second_try_is_kept(stage: Stage) -> None:
    step = build("test -e tried || { touch tried; exit 1; }", retry=RetrySpec(attempts=2, delay=0.0))
    assert stage.run(step).status == "success"
    assert stage.runs == 2
    assert stage.run(step).cached
    assert stage.runs == 2


def test_later_steps_go_on_from_what_is_restored(stage: Stage) -> None:
    later = StepSpec(id="later", run="cat dist/lib.txt; echo {{ steps.build.outputs.version }}")
    fields: dict[str, Any] = {"artifacts": (LIB,), "inputs": {"v": "1"}}
    stage.run_all(MAKES_LIB, later, **fields)
    ended = stage.run_all(MAKES_LIB, later, **fields)

    assert [step.cached for step in ended.steps] == [True, False]
    assert ended.cached == ("build",)
    assert Path(stage.workspace.log("later")).read_text() == "one\n4\n"


# What is not.


@pytest.mark.parametrize(
    "step",
    [
        build("exit 3"),
        build("true", produces=Produces(outputs={"x": "from_file:none"})),
        build("true", produces=Produces(artifact="lib")),
    ],
    ids=["exit code", "missing output", "missing artifact"],
)
def test_a_step_that_failed_is_not_kept(stage: Stage, step: StepSpec) -> None:
    for _ in range(2):
        assert stage.run(step, artifacts=(LIB,)).status == "failed"
    assert stage.runs == 2
    assert stage.entries() == []


def test_with_no_cache_nothing_is_looked_up_and_nothing_kept(stage: Stage) -> None:
    stage.run(build())
    assert not stage.run(build(), no_cache=True).cached
    stage.run(build("echo new"), no_cache=True)
    assert len(stage.entries()) == 1
    assert stage.runs == 3


@pytest.mark.parametrize("again", [{"generation": 2}, {"start": 0}], ids=str)
def test_steps_that_somebody_wants_to_see_again_are_run_and_kept_anew(stage: Stage, again: dict[str, int]) -> None:
    step = build('cat "$RUNS" | wc -l', produces=Produces(outputs={"n": "from_stdout"}))
    assert stage.run(step).outputs == {"n": "1"}
    assert stage.run(step, **again).outputs == {"n": "2"}
    assert stage.run(step).outputs == {"n": "2"}
    assert stage.runs == 2


def tracked(repo: Path, *names: str) -> None:
    for arguments in (["init", "-q"], ["add", *names], ["commit", "-q", "-m", "x"]):
        done = Processes().run(["git", "-C", str(repo), *arguments], env=os.environ)
        assert done.ok, done.message()


def test_what_git_tracks_in_the_users_own_directory_is_not_overwritten(stage: Stage) -> None:
    fields: dict[str, Any] = {"artifacts": (LIB,), "inputs": {"v": "1"}, "private": False}
    stage.run(MAKES_LIB, **fields)
    stage.files["dist/lib.txt"] = "my own work\n"
    assert stage.run(MAKES_LIB, **fields).cached
    stage.prepare = lambda repo: tracked(repo, "dist")
    again = stage.run(MAKES_LIB, **fields)

    assert not again.cached
    assert "not used, since it would overwrite dist/lib.txt, which git tracks" in stage.log
    assert stage.run(MAKES_LIB, **{**fields, "private": True}).cached


def test_an_artifact_is_not_put_through_a_link_that_leads_out(stage: Stage) -> None:
    fields: dict[str, Any] = {"artifacts": (LIB,), "inputs": {"v": "1"}}
    stage.run(MAKES_LIB, **fields)
    outside = stage.directory / "outside"
    outside.mkdir()
    stage.prepare = lambda repo: (repo / "dist").symlink_to(outside)

    again = stage.run(MAKES_LIB, **fields)

    assert not again.cached
    assert "leads out of the repository" in str(again.failure)


# Whatever happens to the cache.


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9] + b"something")


def put_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("")


DAMAGE: Mapping[str, Callable[[Path], object]] = {
    "another entry": lambda entry: spoil(entry / "entry.json"),
    "half an entry": lambda entry: (entry / "entry.json").write_text("{"),
    "no entry": lambda entry: (entry / "entry.json").unlink(),
    "another file": lambda entry: (entry / "files/dist/lib.txt").write_text("two\n"),
    "another mode": lambda entry: (entry / "files/dist/lib.txt").chmod(0o755),
    "a file more": lambda entry: (entry / "files/dist/more.txt").write_text(""),
    "no files": lambda entry: shutil.rmtree(entry / "files"),
    "files that are none": lambda entry: put_file(entry / "files"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_entry_is_told_removed_and_made_anew(
    stage: Stage, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fields: dict[str, Any] = {"artifacts": (LIB,), "inputs": {"v": "1"}}
    stage.run(MAKES_LIB, **fields)
    (key,) = stage.entries()
    DAMAGE[what](Path(stage.cache.path(key)))

    again = stage.run(MAKES_LIB, **fields)

    assert (again.status, again.cached) == ("success", False)
    told = capsys.readouterr().err
    assert told.count("warning: a damaged entry of the step cache is removed, and the step is run") == 1
    assert stage.cache.path(key) in told
    assert stage.run(MAKES_LIB, **fields).cached
    assert stage.runs == 2
    assert capsys.readouterr().err == ""


def test_a_cache_that_cannot_be_written_fails_nothing(stage: Stage) -> None:
    stage.home.mkdir()
    (stage.home / "cache").write_text("in the way")

    assert stage.run(build("echo said")).status == "success"
    assert "said\ntako: what the step came to is not cached: cannot create" in stage.log


def test_a_workspace_outside_a_home_has_no_cache(stage: Stage) -> None:
    assert stage.run(build(), root_id="exec-20261123-181803-ffffffff").status == "success"
    assert stage.entries() == []


# The result.


def test_cached_step_has_its_result_and_runs_again_if_it_is_missing(stage: Stage) -> None:
    step, reader = build("echo said"), StepSpec(id="reader", run="test '{{ steps.build.result }}' = said")
    stage.run_all(step)
    first, second = stage.run_all(step, reader), stage.run_all(step, reader)

    assert (first.failure, second.failure) == (None, None)
    assert [state.steps[0].cached for state in (first, second)] == [False, True]
    assert stage.runs == 2
