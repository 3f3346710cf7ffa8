"""Whatever goes wrong is told: all of it, for what it was, with a way to look closer; and nothing is left behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.acceptance import own_code
from tests.acceptance.conftest import World
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step, subscription
from tests.acceptance.trees import until_there

ROOT = "err/root"


def make_root(world: World, *before: dict[str, Any], **params: Any) -> Path:
    """A root that tells all who hear it; the step after that leaves a file."""
    return world.working("root", config(ROOT, *before, fan_out(**params), step("after", f"touch {world.root}/after")))


def hearer(world: World, name: str, *steps: dict[str, Any], hears: str = ROOT) -> None:
    """A cached repository that runs some steps because of another one."""
    world.cached(name, config(name, *steps, hears=hears))


def run_named(report: Any, name: str) -> Any:
    """The one run of a repository."""
    (run,) = [run for run in report["runs"] if run["repository"] == name]
    return run


MANY_LINES = 'i=0; while [ $i -lt 100 ]; do echo "line $i."; i=$((i+1)); done; '


def test_two_failures_are_both_told_in_full(world: World) -> None:
    hearer(world, "err/code", step("good", "true"), step("test", MANY_LINES + "echo oh no >&2; exit 7"))
    hearer(world, "err/signal", step("die", "echo dying; kill -TERM $$"))
    hearer(world, "err/fine", step("good", "true"))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world))

    assert ran.code == 1, ran.text
    report = ran.json()
    assert run_named(report, "err/fine")["status"] == "success"
    told = {
        "err/code": ("step_failed at step 'test': exit code 7", "| line 99.", "| oh no"),
        "err/signal": ("step_killed at step 'die': killed by SIGTERM (signal 15)", "| dying"),
    }
    for name, phrases in told.items():
        run = run_named(report, name)
        paragraph = ran.err.partition(f"\n{name}:{WORKFLOW} failed after ")[2].partition("\n\n")[0]
        assert f"({run['run_id']})" in paragraph.splitlines()[0]
        for phrase in (*phrases, f"logs: {run['workspace']}/logs", f"run it again: {run['replay']}"):
            assert phrase in paragraph, (name, phrase, paragraph)
    assert "line 1." not in ran.err, "only the last lines of a log are shown"
    code, killed = run_named(report, "err/code"), run_named(report, "err/signal")
    assert facts(code) == {"kind": "step_failed", "step": "test", "exit_code": 7, "signal": None}
    assert facts(killed) == {"kind": "step_killed", "step": "die", "exit_code": 143, "signal": 15}
    assert code["duration_seconds"] > 0
    assert "execution failed: step 'announce' failed: 2 of 3 triggered runs failed" in ran.err
    assert not (world.root / "after").exists()
    assert [one["status"] for one in report["steps"]] == ["failed"]


def facts(run: Any) -> dict[str, Any]:
    """What is known of how a run failed, without the words."""
    return {name: run["failure"][name] for name in ("kind", "step", "exit_code", "signal")}


def test_the_replay_command_runs_the_same_thing_again(world: World) -> None:
    # The inputs, the artifact and the earlier step must all be there again for it to come as far as the missing file.
    cure = world.root / "cure"
    root = config(ROOT, step("make", "echo goods > goods.txt", produces={"artifact": "goods"}), fan_out())
    told = json.loads(root)
    told["artifacts"] = {"goods": {"path": "goods.txt"}}
    told["workflows"][WORKFLOW]["steps"][1]["with"] |= {"artifact": "goods", "payload": {"word": "it's"}}
    script = f'[ "$TAKO_INPUT_WORD" = "it\'s" ]; cat "$TAKO_ARTIFACT_GOODS_PATH" fresh.txt; cat {cure}'
    heard = json.loads(config("err/flaky", step("prepare", "echo fresh > fresh.txt"), step("use", script)))
    heard["workflows"][WORKFLOW]["inputs"] = {"word": {"required": True}}
    heard["subscriptions"] = [subscription(ROOT, artifact=f"{ROOT}:goods", inputs={"word": "{{ payload.word }}"})]
    world.cached("err/flaky", json.dumps(heard))
    run = world.tako("exec", WORKFLOW, "--json", cwd=world.working("root", json.dumps(told))).json()["runs"][0]
    assert facts(run) == {"kind": "step_failed", "step": "use", "exit_code": 1, "signal": None}

    # Whatever lies where it is pasted.
    (world.root / "secrets.py").write_text("raise SystemExit('the wrong module')\n")
    again = world.run(["sh", "-c", f"{run['replay']} --json"])
    assert again.code == 1, again.text
    assert facts(again.json()) == facts(run)

    cure.write_text("cured\n")
    cured = world.run(["sh", "-c", f"{run['replay']} --json"])
    assert cured.code == 0, cured.text
    assert Path(cured.json()["workspace"], "logs", "use.log").read_text() == "goods\nfresh\ncured\n"


def test_the_deepest_failure_is_told_at_the_root(world: World) -> None:
    hearer(world, "err/one", fan_out(), step("after", f"touch {world.root}/after"))
    hearer(world, "err/two", fan_out(), step("after", f"touch {world.root}/after"), hears="err/one")
    hearer(world, "err/three", step("deep", "echo the very bottom; exit 9"), hears="err/two")

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world))

    assert ran.code == 1, ran.text
    report = ran.json()
    kinds = {run["repository"]: run["failure"]["kind"] for run in report["runs"]}
    assert kinds == {"err/one": "fan_out_failed", "err/two": "fan_out_failed", "err/three": "step_failed"}
    assert report["failure"]["kind"] == "fan_out_failed"
    assert "err/three:work failed after " in ran.err
    assert "step_failed at step 'deep': exit code 9" in ran.err
    assert "| the very bottom" in ran.err
    assert not (world.root / "after").exists(), "a step ran after a fan-out that failed"


UNREADABLE = "version: 1\nworkflows:\n  work:\n    stepz: []\n"


def test_an_unreadable_repository_is_named_and_the_others_run(world: World) -> None:
    world.cached("err/broken", UNREADABLE)
    hearer(world, "err/fine", step("good", "true"))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world))

    assert ran.code == 0, ran.text
    report = ran.json()
    (warning,) = report["warnings"]
    assert warning.startswith("err/broken: ")
    assert "main/tako.yml:4:5: " in warning
    assert f"warning: {warning.splitlines()[0]}" in ran.err
    assert run_named(report, "err/fine")["status"] == "success"
    assert (world.root / "after").exists()


def test_strict_makes_an_unreadable_repository_an_error(world: World) -> None:
    world.cached("err/broken", UNREADABLE)
    hearer(world, "err/fine", step("good", "true"))

    ran = world.tako("exec", WORKFLOW, "--strict", "--json", cwd=make_root(world))

    assert ran.code == 1, ran.text
    report = ran.json()
    assert report["failure"]["kind"] == "plan_refused"
    assert "err/broken" in report["failure"]["message"]
    assert "main/tako.yml:4:5: " in ran.err
    assert report["runs"] == []
    assert not (world.root / "after").exists()


def test_inputs_that_do_not_fit_fail_only_the_run_they_are_for(world: World) -> None:
    picky = json.loads(config("err/picky", step("never", "true"), hears=ROOT))
    picky["workflows"][WORKFLOW]["inputs"] = {"count": {"type": "number", "validation": {"max": 3}}}
    picky["subscriptions"][0]["inputs"] = {"count": "{{ event.payload.count }}"}
    world.cached("err/picky", json.dumps(picky))
    hearer(world, "err/fine", step("good", "true"))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=make_root(world, payload={"count": "4"}))

    assert ran.code == 1, ran.text
    report = ran.json()
    assert run_named(report, "err/fine")["status"] == "success"
    run = run_named(report, "err/picky")
    assert run["failure"]["kind"] == "inputs_invalid"
    assert "input 'count'" in run["failure"]["message"]
    assert run["started_at"] is None
    assert not Path(run["workspace"]).exists()
    assert "err/picky:work failed" in ran.err
    assert "run it again" not in ran.err, "what was never started cannot be run again"


def test_a_refused_fan_out_that_nobody_waits_for_is_told_and_fails_the_run(world: World) -> None:
    # It hears what it announced itself: a cycle.
    world.cached("err/one", config("err/one", fan_out(wait_for_children=False), hears=[ROOT, "err/one"]))

    ran = world.tako("exec", WORKFLOW, cwd=make_root(world, wait_for_children=False))

    assert ran.code == 1, ran.text
    refused = "err/one emitted made; refused: circular dependency detected: err/one -> err/one "
    assert f"{refused}(workflows err/one:work -> err/one:work)\n\nexecution failed: " in ran.err
    assert (world.root / "after").exists()


def test_a_step_kind_of_somebody_elses_that_raises_fails_its_run_and_nobody_elses(world: World) -> None:
    own_code.install(world.root / "plugins", world.env)
    go = world.root / "go"
    hearer(world, "err/beside", step("wait", until_there(go)))
    raises = own_code.python("raises", f"open({str(go)!r}, 'w').close(); raise ValueError('not like this')")
    telling = fan_out(wait_for_children=False)
    root = world.working("root", config(ROOT, telling, raises, step("after", "true")))

    ran = world.tako("exec", WORKFLOW, "--json", cwd=root)

    assert ran.code == 1, ran.text
    assert "bug in Tako" not in ran.err
    report = ran.json()
    failure = report["failure"]
    assert (failure["kind"], failure["step"]) == ("exception", "raises")
    assert failure["message"] == failure["log"][-1] == "ValueError: not like this"
    assert [run["status"] for run in report["runs"]] == ["success"]
    assert "execution failed: step 'raises' failed: ValueError: not like this" in ran.err
    assert "exec --resume" in ran.err
    again = world.tako("exec", "--resume", report["run_id"])
    assert (again.code, "step 'raises' failed" in again.err) == (1, True), again.text
