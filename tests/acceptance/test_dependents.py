"""``dependents`` in a real run: whom the emitter names runs, and whom it cannot find is told."""

from __future__ import annotations

from tests.acceptance.conftest import World

LIB = """\
version: 1
metadata: {name: org/lib}
artifacts: {lib: {path: lib.txt}, docs: {path: docs.txt}}
workflows:
  release:
    steps:
      - {run: echo lib > lib.txt}
      - {id: tell, uses: tako/fan-out@v1, with: {event_type: built, artifact: lib, payload: {v: "1"}}}
dependents:
  - {repo: "org/app:main", artifacts: [lib], workflows: [test, lint]}
  - {repo: org/manual, artifacts: [docs], workflows: [build]}
  - {repo: org/gone, workflows: [test]}
  - {repo: org/app, workflows: [nothing]}
"""
APP = """\
version: 1
workflows:
  test: {steps: [{id: t, run: 'cat "$TAKO_ARTIFACT_LIB_PATH"; echo "{{ event.payload.v }}"'}]}
  lint:
    inputs: {from: {default: dependents}}
    steps: [{id: l, run: 'echo "{{ inputs.from }}"', produces: {outputs: {said: from_stdout}}}]
subscriptions:
  - {artifact: "org/lib:lib", events: [built], workflow: lint, inputs: {from: subscription}}
"""


def test_whom_the_emitter_names_runs_and_what_is_missing_is_told(world: World) -> None:
    directory = world.working("lib", LIB)
    world.cached("org/app", APP)
    world.cached("org/manual", "version: 1\nworkflows: {build: {steps: ['true']}}\n")

    ran = world.tako("exec", "release", "--json", cwd=directory)

    assert ran.code == 0, ran.text
    result = ran.json()
    runs = {f"{run['repository']}:{run['workflow']}": run for run in result["runs"]}
    assert sorted(runs) == ["org/app:lint", "org/app:test"]
    assert runs["org/app:lint"]["outputs"]["l"] == {"said": "subscription"}
    assert world.only_workspace().joinpath("children", runs["org/app:test"]["run_id"], "logs/t.log").read_text() == (
        "lib\n1\n"
    )
    missing = [
        "tako.yml:12: org/gone:test does not run: it is a dependent that is not in the cache",
        "tako.yml:13: org/app:nothing does not run: it is a dependent that has no such workflow",
    ]
    assert result["warnings"] == missing
    assert all(f"warning: {each}\n" in ran.err for each in missing)

    dry = world.tako("exec", "release", "--dry-run", cwd=directory)
    assert "would run org/app:test (tako.yml:10): is a dependent of org/lib, which says so itself" in dry.out
    assert "would run org/app:lint (" in dry.out
    assert "would not run org/gone:test (tako.yml:12): it is a dependent that is not in the cache" in dry.out

    event_id = result["fan_outs"][0]["event_id"]
    world.cached("org/lib", LIB)
    again = world.tako("events", "redeliver", event_id, "--subscriber", "org/app:test", "--json").json()
    assert [(run["repository"], run["workflow"], run["status"]) for run in again["runs"]] == [
        ("org/app", "test", "success")
    ]
