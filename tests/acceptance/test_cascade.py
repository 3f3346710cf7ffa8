"""One release goes through real repositories: who runs, because of whom, with what, and how the root ends."""

from __future__ import annotations

from typing import Any

from tests.acceptance.conftest import Ran, World
from tests.acceptance.recipes import config, fan_out, step

LIB = """
version: 1
metadata: {name: shop/lib}
artifacts:
  the-lib: {path: "dist/*.txt"}
events:
  library_built:
    schema_version: "1.2.0"
    payload:
      version: {type: string, required: true}
workflows:
  release:
    inputs:
      version: {type: string, default: 1.0.0}
    steps:
      - id: build
        run: mkdir dist && echo "lib $TAKO_INPUT_VERSION" > dist/lib.txt
        produces:
          artifact: the-lib
          outputs: {version: "{{ inputs.version }}"}
          events:
            - {type: library_built, payload: {version: "{{ outputs.version }}"}}
      - id: announce
        uses: tako/fan-out@v1
        with: {event_type: library_built}
"""

CLIENT = """
version: 1
metadata: {name: shop/%(name)s}
artifacts:
  app: {path: app.txt}
subscriptions:
  - artifact: shop/lib:the-lib
    events: [library_built]
    schema_version: ^1.0.0
    filters: ["semver.major(event.payload.version) > 0"]
    workflow: integrate
    inputs: {version: "{{ event.payload.version }}", from: "{{ .event.source }}"}
workflows:
  integrate:
    inputs:
      version: {required: true}
      from: {required: true}
    steps:
      - id: install
        run: |
          cat "$TAKO_ARTIFACT_THE_LIB_PATH" > app.txt
          echo "%(name)s" >> app.txt
          echo "version=$TAKO_INPUT_VERSION from=$TAKO_INPUT_FROM, 3 passed"
        produces:
          artifact: app
          outputs: {passed: '(\\d+) passed', heard: from_stdout}
      - uses: tako/fan-out@v1
        with: {event_type: app_built, artifact: app}
"""

PORTAL = """
version: 1
metadata: {name: shop/portal}
subscriptions:
  - {artifact: "shop/web:app", events: [app_built], workflow: deploy}
  - {artifact: "shop/cli:app", events: [app_built], workflow: deploy}
workflows:
  deploy:
    steps:
      - id: check
        run: |
          cat {{ artifacts.app.path | shell_quote }}
          cat {{ artifacts['shop/lib:the-lib'].path | shell_quote }}
        produces:
          outputs: {text: from_stdout}
"""


def runs_by_label(report: Any) -> dict[str, list[Any]]:
    """The triggered runs by ``owner/name:workflow``."""
    found: dict[str, list[Any]] = {}
    for run in report["runs"]:
        found.setdefault(f"{run['repository']}:{run['workflow']}", []).append(run)
    return found


def test_the_diamond_runs_once_for_each_way_with_what_each_way_brought(world: World) -> None:
    world.cached("shop/lib", LIB)
    for name in ("web", "cli"):
        world.cached(f"shop/{name}", CLIENT % {"name": name})
    world.cached("shop/portal", PORTAL)

    ran = world.tako("exec", "release", "--repo", "shop/lib", "--inputs.version=2.1.0", "--json")

    assert ran.code == 0, ran.text
    report = ran.json()
    assert report["success"] is True
    runs = runs_by_label(report)
    assert {label: len(of_label) for label, of_label in runs.items()} == {
        "shop/web:integrate": 1,
        "shop/cli:integrate": 1,
        "shop/portal:deploy": 2,
    }
    assert {run["status"] for run in report["runs"]} == {"success"}
    (web,), (cli,) = runs["shop/web:integrate"], runs["shop/cli:integrate"]
    assert web["parent_id"] == cli["parent_id"] == report["run_id"]
    assert web["outputs"]["install"]["heard"] == "version=2.1.0 from=shop/lib, 3 passed"
    told = {run["parent_id"]: run["outputs"]["check"]["text"] for run in runs["shop/portal:deploy"]}
    assert told == {
        web["run_id"]: "lib 2.1.0\nweb\nlib 2.1.0",
        cli["run_id"]: "lib 2.1.0\ncli\nlib 2.1.0",
    }


def test_the_summary_tells_who_ran_how_long_what_passed_and_why(world: World) -> None:
    world.cached("shop/lib", LIB)
    world.cached("shop/web", CLIENT % {"name": "web"})
    world.cached("shop/portal", PORTAL)

    ran = world.tako("exec", "release", "--repo", "shop/lib")

    assert ran.code == 0, ran.text
    assert "Executing workflow 'release'\nRepository: shop/lib:main\nInputs:\n  version: 1.0.0\n" in ran.text
    assert "shop/lib:release emitted library_built; starts shop/web:integrate" in ran.text
    for phrase in ("Execution completed: exec-", "Success: true\n", "Duration: ", "  ✓ build (", "  ✓ announce ("):
        assert phrase in ran.text
    assert "Triggered runs: 2 (2 success)" in ran.text
    root, web, portal = ran.out.partition("Triggered runs: 2 (2 success)\n")[2].splitlines()
    assert root.startswith("  ✓ shop/lib:release ")
    assert web.startswith("  ✓ └─ shop/web:integrate ")
    assert web.endswith("3 passed  after library_built")
    assert portal.startswith("  ✓    └─ shop/portal:deploy ")
    assert portal.endswith("after app_built")


def test_nobody_subscribed_is_a_success_and_is_said(world: World) -> None:
    lib = world.working("lib", config("shop/lib", step("build", "true"), fan_out(), step("after", "true")))
    world.cached("shop/other", config("shop/other", step("never", "false"), hears="shop/else"))

    ran = world.tako("exec", "work", cwd=lib)

    assert ran.code == 0, ran.text
    assert f"no repository subscribed to it (1 looked at in {world.home}/cache/repos)" in ran.err
    assert "Success: true" in ran.out
    assert "  ✓ after (" in ran.out
    assert "Triggered runs" not in ran.out


def test_a_subscription_that_does_not_hear_is_told_with_its_reason(world: World) -> None:
    lib = world.working("lib", LIB)
    world.cached("shop/web", (CLIENT % {"name": "web"}).replace("^1.0.0", "^9.0.0"))

    ran = world.tako("exec", "release", cwd=lib)

    assert ran.code == 0, ran.text
    assert "not shop/web:integrate" in ran.err
    assert "wants schema version ^9.0.0, the event has 1.2.0" in ran.err


def test_the_first_of_two_subscriptions_to_one_workflow_runs_it_once(world: World) -> None:
    lib = world.working("lib", LIB)
    twice = (CLIENT % {"name": "web"}).replace("workflows:", DOUBLE + "workflows:", 1)
    world.cached("shop/web", twice)

    ran = world.tako("exec", "release", "-v", "--json", cwd=lib)

    assert ran.code == 0, ran.text
    (web,) = ran.json()["runs"]
    assert web["outputs"]["install"]["heard"].startswith("version=1.0.0 from=shop/lib")
    assert "an earlier subscription" in ran.err


DOUBLE = """
  - artifact: shop/lib:the-lib
    events: [library_built]
    workflow: integrate
    inputs: {version: "second", from: "second"}
"""


def not_waited_for(world: World, *after: Any) -> Ran:
    """A root that does not wait, and goes on with other steps; its one subscriber fails."""
    world.cached("shop/web", config("shop/web", step("test", "echo broken; exit 7"), hears="shop/lib"))
    lib = world.working("lib", config("shop/lib", fan_out(wait_for_children=False), *after))
    return world.tako("exec", "work", "--json", cwd=lib)


def test_a_workflow_that_does_not_wait_goes_on_while_its_subscribers_run(world: World) -> None:
    # Each waits for a sign of the other, so this ends well only if both are at work at the same time.
    sign = world.root / "sign"
    met = f"until [ -e {sign}.from-%s ]; do sleep 0.02; done"
    world.cached(
        "shop/web", config("shop/web", step("meet", f"touch {sign}.from-web; {met % 'lib'}"), hears="shop/lib")
    )
    lib = world.working(
        "lib",
        config("shop/lib", fan_out(wait_for_children=False), step("meet", f"touch {sign}.from-lib; {met % 'web'}")),
    )

    ran = world.tako("exec", "work", cwd=lib)

    assert ran.code == 0, ran.text
    assert "Triggered runs: 1 (1 success)" in ran.out


def test_the_failure_of_a_run_that_nobody_waited_for_fails_the_whole(world: World) -> None:
    # The root's last step waits until the subscriber has failed, and succeeds all the same.
    failed = f"until grep -q '\"failed\"' {world.home}/workspaces/*/journal.jsonl; do sleep 0.02; done"
    ran = not_waited_for(world, step("after", failed))

    assert ran.code == 1, ran.text
    report = ran.json()
    assert report["success"] is False
    assert [one["status"] for one in report["steps"]] == ["success", "success"]
    assert [run["status"] for run in report["runs"]] == ["failed"]
    assert "shop/web:work failed" in ran.err
    assert "execution failed: " in ran.err


def test_the_root_ends_only_when_those_nobody_waits_for_have_ended(world: World) -> None:
    # The subscriber fails only after the root's own workflow has ended.
    root_ended = f'until grep -q \'"status":"success"\' {world.home}/workspaces/*/state.json; do sleep 0.02; done'
    world.cached("shop/web", config("shop/web", step("late", f"{root_ended}; exit 7"), hears="shop/lib"))
    lib = world.working("lib", config("shop/lib", fan_out(wait_for_children=False)))

    ran = world.tako("exec", "work", "--json", cwd=lib)

    assert ran.code == 1, ran.text
    (web,) = ran.json()["runs"]
    assert (web["status"], web["failure"]["exit_code"]) == ("failed", 7)


def test_a_child_that_does_not_wait_succeeds_while_the_tree_fails(world: World) -> None:
    world.cached("shop/web", config("shop/web", fan_out(wait_for_children=False), hears="shop/lib"))
    world.cached("shop/portal", config("shop/portal", step("check", "exit 4"), hears="shop/web"))
    lib = world.working("lib", config("shop/lib", fan_out(), step("after", "true")))

    ran = world.tako("exec", "work", "--json", cwd=lib)

    assert ran.code == 1, ran.text
    report = ran.json()
    status = {run["repository"]: run["status"] for run in report["runs"]}
    assert status == {"shop/web": "success", "shop/portal": "failed"}
    # The root did wait, for all that its event caused: its fan-out failed and the step after it did not run.
    assert [(one["id"], one["status"]) for one in report["steps"]] == [("announce", "failed")]
    assert report["failure"]["kind"] == "fan_out_failed"
