"""An event whose payload is an attack, through the whole of Tako: fan-out, mapped inputs, resume, replay."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.conftest import World
from tests.acceptance.recipes import EVENT, WORKFLOW, config, fan_out, step, subscription

EVIL = "x; touch PWNED #"


def hearer(name: str, script: str, **inputs: str) -> str:
    """A repository whose workflow takes inputs out of the event."""
    content = json.loads(config(name, step("use", script), inputs={key: {} for key in inputs}))
    content["subscriptions"] = [subscription("my/root", inputs=inputs)]
    return json.dumps(content)


def test_an_attack_in_an_event_is_data_or_an_error(world: World) -> None:
    root = world.working("root", config("my/root", fan_out(payload={"x": EVIL, "plain": "v1"})))
    scripts = {
        "raw": ("echo {{ payload.x }}", {}),
        "input": ("echo {{ inputs.it }}", {"it": "{{ event.payload.x }}"}),
        "washed": ("echo {{ inputs.it }}", {"it": "go {{ event.payload.x | upper | lower }}"}),
        "quoted": ("printf %s {{ payload.x | shell_quote }} > told; grep -qx 'x; touch PWNED #' told", {}),
        "variable": ('test "$TAKO_INPUT_IT" = "x; touch PWNED #"', {"it": "{{ payload.x }}"}),
        "plain": ("test {{ inputs.it }} = v1", {"it": "{{ payload.plain }}"}),
        "literal": ("{{ inputs.it }}", {"it": "true && true"}),
    }
    for name, (script, inputs) in scripts.items():
        world.cached(f"my/{name}", hearer(f"my/{name}", script, **inputs), git=False)
    ran = world.tako("exec", WORKFLOW, "--json", cwd=root)
    assert ran.code == 1, ran.text
    runs = {child["repository"]: child for child in ran.json()["runs"]}
    assert {repo for repo, child in runs.items() if repo != "my/root" and child["status"] == "failed"} == {
        "my/raw",
        "my/input",
        "my/washed",
    }
    assert {child["status"] for child in runs.values()} == {"failed", "success"}
    assert "`inputs.it` holds `;`, a space, `#`, which a shell may act on" in ran.err
    assert 'read it in the command as "$TAKO_INPUT_IT"' in ran.err
    resumed = world.tako("exec", "--resume", "@latest", cwd=root)
    assert resumed.code == 1, resumed.text
    replayed = world.tako("replay", ran.json()["run_id"], "--child", runs["my/input"]["run_id"])
    assert replayed.code == 1, replayed.text
    assert "which a shell may act on" in replayed.text
    assert [path for path in Path(world.root).rglob("PWNED") if path.exists()] == []
    by_hand = world.tako(
        "exec",
        WORKFLOW,
        "-i",
        "it=a; true",
        cwd=world.working("hand", hearer("my/hand", "echo {{ inputs.it }}", it=EVENT)),
    )
    assert by_hand.code == 0, by_hand.text
