"""A tree whose workflows have secrets: who gets them, and that they are nowhere afterwards, nor on the way."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path

import pytest

from tako.secrets.forms import forms
from tests.acceptance.conftest import BIN, Ran, World
from tests.acceptance.observe import wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step
from tests.acceptance.trees import Running, environment_of, processes, run_named, until_there

ROOT, TELLING, WRITING, PLAIN = "sec/root", "sec/telling", "sec/writing", "sec/plain"
TOKEN = "s3cr3t/V4lue+with='quotes' \"and\" <more>"
KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END KEY-----"
SECRETS = {"GITHUB_TOKEN": TOKEN, "DEPLOY_KEY": KEY}
NAMED = {"TOKEN": "GITHUB_TOKEN", "KEY": "DEPLOY_KEY"}

PRINT_ALL = r"""
printf '%s\n' "$TOKEN" "$KEY"
for c in 1 2 3; do printf '%s' "${TOKEN%????????}"; sleep 0.02; printf '%s\n' "${TOKEN#"${TOKEN%????????}"}"; done
printf 'x%s' "$TOKEN" | base64 -w0; printf '%s' "$KEY" | base64; printf 'xy%s' "$KEY" | base64 -w0
printf '%s' "$TOKEN" | od -An -tx1 -v | tr -d ' \n'
python3 -c 'import os, json, urllib.parse as u
for name in ("TOKEN", "KEY"):
    v = os.environ[name]
    print(json.dumps({"v": v}), json.dumps(json.dumps(v)), u.quote(v), u.quote_plus(v), repr(v))'
set -x; : "$TOKEN"; set +x
echo "was printed"
"""
NOTHING = "! env | grep -e GITHUB_TOKEN -e DEPLOY_KEY -e s3cr3t"


@pytest.fixture
def secrets_file(world: World) -> Path:
    path = world.root / "secrets.env"
    path.write_text("".join(f"{name}={json.dumps(value)}\n" for name, value in SECRETS.items()))
    path.chmod(0o600)
    return path


def found_in(data: bytes) -> list[str]:
    """The spellings of secrets in some bytes, but for those of lines that everybody knows."""
    every = {form for value in SECRETS.values() for form in forms(value)}
    return sorted(form.decode() for form in every if form in data)


def assert_clean(world: World, *ran: Ran) -> None:
    """No secret is in any file of the home, or in what was said."""
    found = {
        str(path): found_in(path.read_bytes() + os.fsencode(path))
        for path in world.home.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    found |= {f"said {number}": found_in(each.text.encode()) for number, each in enumerate(ran)}
    assert {name: forms for name, forms in found.items() if forms} == {}


def test_a_tree_keeps_its_secrets_from_all_but_the_steps_that_name_them(world: World, secrets_file: Path) -> None:
    go = world.root / "go"
    has_all = until_there(go) + PRINT_ALL
    world.cached(
        TELLING,
        config(
            TELLING,
            step("fan", "true"),
            step("tell", has_all + 'echo "last words $TOKEN" >&2; exit 7', env=NAMED),
            hears=ROOT,
            secrets=[*SECRETS],
        ),
    )
    writing = 'echo "o=$KEY" | head -1 >> "$TAKO_OUTPUT"; echo "p=$TOKEN" >> "$TAKO_OUTPUT"'
    world.cached(WRITING, config(WRITING, step("write", writing, env=NAMED), hears=ROOT, secrets=[*SECRETS]))
    world.cached(PLAIN, config(PLAIN, step("look", NOTHING), hears=ROOT))
    root = world.working(
        "root",
        config(
            ROOT,
            step("print", PRINT_ALL, env=NAMED),
            step("look", NOTHING),
            fan_out(),
            secrets=[*SECRETS],
        ),
    )
    # What is in the file wins; what is in the environment must not come through either.
    world.env |= dict.fromkeys(SECRETS, "s3cr3t of the environment")

    running = Running(world, "exec", WORKFLOW, "--json", "-v", "--secrets-file", str(secrets_file), cwd=root)
    wait_for(lambda: processes(world, "until [ -e"), "the step that waits has begun")
    shells = processes(world, "until [ -e")
    for pid, line in processes(world).items():
        assert not found_in(line.encode()), line
        # The step itself has what it named, and who starts Tako what its user gave it. One may have ended meanwhile.
        if pid not in shells and "sleep 0.02" not in line and pid != running.pid:
            with contextlib.suppress(OSError):
                environment = repr(environment_of(pid))
                assert "s3cr3t" not in environment, line
                assert not found_in(environment.encode()), line
    go.touch()
    ran = running.finish()

    assert ran.code == 1, ran.text
    assert "was printed" in ran.err
    report = json.loads(ran.out)
    telling, writing_, plain = (run_named(report, name) for name in (TELLING, WRITING, PLAIN))
    assert (telling["failure"]["kind"], plain["status"]) == ("step_failed", "success")
    assert telling["failure"]["log"][-1] == "last words ***"
    assert "output 'p' holds the value of the secret 'GITHUB_TOKEN'" in writing_["failure"]["message"]
    assert_clean(world, ran)

    missing = world.tako("exec", "--resume", "@latest", "--json")
    # The root has ended: its secrets are not needed any more, and each child fails by itself.
    assert missing.code == 1
    assert_clean(world, ran, missing)
    resumed = world.tako("exec", "--resume", "@latest", "--json", "--secrets-file", str(secrets_file))
    assert resumed.code == 1
    assert run_named(json.loads(resumed.out), TELLING)["failure"]["kind"] == "step_failed"
    assert "was printed" in resumed.text
    assert_clean(world, resumed)


@pytest.mark.parametrize("who", ["the child", "the root"])
def test_who_is_killed_leaves_no_secret_behind(world: World, secrets_file: Path, who: str) -> None:
    script = f'echo "$TOKEN"; printf "o=%s" "$TOKEN" >> "$TAKO_OUTPUT"; touch {world.root}/begun; sleep 600'
    written = step("write", script, env=NAMED)
    world.cached(TELLING, config(TELLING, written, hears=ROOT, secrets=[*SECRETS]))
    root = world.working("root", config(ROOT, fan_out()))
    running = Running(world, "exec", WORKFLOW, "--secrets-file", str(secrets_file), cwd=root)
    wait_for((world.root / "begun").exists, "the step has begun")
    (child,) = (pid for pid, line in processes(world, "quick.py").items())
    os.kill(child if who == "the child" else running.pid, signal.SIGKILL)
    ran = running.finish()
    wait_for(lambda: not processes(world), "all have ended")

    if who == "the root":
        resumed = Running(world, "exec", "--resume", "@latest", "--secrets-file", str(secrets_file))
        wait_for(lambda: processes(world, "sleep 600"), "the step has begun again")
        resumed.send(signal.SIGINT)
        ran = resumed.finish()
    assert ran.code != 0
    assert_clean(world, ran)


def test_a_secret_that_is_nowhere_ends_a_run_before_it_begins_and_a_child_by_itself(world: World) -> None:
    world.cached(PLAIN, config(PLAIN, step("look", "true"), hears=ROOT))
    # Both go on behind a fan-out: the child in another process, which needs its secret again.
    goes_on = step("again", 'test "$T" = "a value, now"', env={"T": "NOWHERE"})
    telling = [step("tell", "true"), fan_out(), goes_on]
    world.cached(TELLING, config(TELLING, *telling, hears=ROOT, secrets=["NOWHERE"]))
    again = step("again", 'test "$T" = "a value"', env={"T": "MISSING"})
    steps = [step("a", f"touch {world.root}/ran"), fan_out(), again]
    root = world.working("root", config(ROOT, *steps, secrets=["MISSING"]))

    refused = world.tako("exec", WORKFLOW, cwd=root)
    assert (refused.code, refused.out) == (2, "")
    assert "error: the secret 'MISSING' has no value" in refused.err
    assert "fix: export MISSING, or name a file that has it with --secrets-file FILE" in refused.err
    assert not (world.root / "ran").exists()
    assert not (world.home / "workspaces").exists()

    world.env["MISSING"] = "a value"
    ran = world.tako("exec", WORKFLOW, "--json", cwd=root)
    assert ran.code == 1
    assert run_named(ran.json(), PLAIN)["status"] == "success"
    failure = run_named(ran.json(), TELLING)["failure"]
    assert failure["kind"] == "secret_missing"
    assert "the secret 'NOWHERE' has no value" in failure["message"]
    assert "fix: export NOWHERE, or name a file that has it with --secrets-file FILE" in ran.err
    assert f"--child {run_named(ran.json(), TELLING)['run_id']}" in ran.err

    world.env["NOWHERE"] = "a value, now"
    resumed = world.tako("exec", "--resume", "@latest", "--json", cwd=root)
    assert resumed.code == 0, resumed.text
    assert [one["status"] for one in resumed.json()["steps"]] == ["success", "success", "success"]
    assert run_named(resumed.json(), TELLING)["status"] == "success"


def test_a_replay_and_a_child_by_hand_take_them_from_where_a_person_has_them(world: World, secrets_file: Path) -> None:
    tell = step("tell", 'echo "it is $TOKEN"; test "$TOKEN" = "$WANTED"; ' + NOTHING.replace(" -e s3cr3t", ""))
    tell["env"] = {"TOKEN": "GITHUB_TOKEN"}
    world.cached(TELLING, config(TELLING, tell, hears=ROOT, secrets=["GITHUB_TOKEN"]))
    root = world.working("root", config(ROOT, fan_out()))
    world.env |= {"WANTED": TOKEN, "GITHUB_TOKEN": TOKEN}
    ran = world.tako("exec", WORKFLOW, "--json", "--strict-env", "WANTED", cwd=root)
    assert ran.code == 0, ran.text
    run = run_named(ran.json(), TELLING)
    child = Path(run["workspace"])
    replay = ["replay", ran.json()["run_id"], "--child", run["run_id"], "--json"]
    assert "[sec/telling tell] it is ***" in world.tako(*replay).err

    by_hand = world.child(str(child), "--fresh")
    assert by_hand.code == 0, by_hand.text
    del world.env["GITHUB_TOKEN"]
    refused = world.child(str(child), "--fresh")
    assert (refused.code, refused.out) == (2, "")
    assert "error: the secret 'GITHUB_TOKEN' has no value" in refused.err
    assert world.tako(*replay).code == 2
    file = ["--secrets-file", str(secrets_file)]
    assert world.child(str(child), "--fresh", *file).code == 0
    world.env["TAKO_SECRETS_FILE"] = str(secrets_file)
    assert world.child(str(child), "--fresh").code == 0
    assert world.tako(*replay).code == 0
    (world.home / "config.yml").write_text(f"secrets: {{GITHUB_TOKEN: {{command: 'cat {world.root}/t'}}}}\n")
    (world.root / "t").write_text(f"{TOKEN}\n")
    del world.env["TAKO_SECRETS_FILE"]
    assert world.child(str(child), "--fresh").code == 0
    assert (child / "logs/tell.log").read_text() == "it is ***\n"


def test_diagnostics_and_inputs_hold_no_secret(world: World, secrets_file: Path) -> None:
    tell = step("tell", "true", env={"TOKEN": "GITHUB_TOKEN"})
    root = world.working("root", config(ROOT, tell, secrets=["GITHUB_TOKEN"], inputs={"x": {"required": True}}))
    file = ["--secrets-file", str(secrets_file)]
    refused = world.tako("exec", WORKFLOW, "-i", f"x=a{TOKEN}", *file, cwd=root)
    assert (refused.code, refused.out) == (2, "")
    assert "the input 'x' holds the value of the secret 'GITHUB_TOKEN'" in refused.err
    assert not found_in(refused.text.encode())
    world.env["TAKO_LOG"] = "debug"
    assert world.tako("exec", WORKFLOW, "-i", "x=ok", *file, cwd=root).code == 0
    secrets_file.chmod(0o644)
    open_to_all = world.tako("exec", WORKFLOW, "-i", "x=ok", *file, cwd=root)
    assert (open_to_all.code, open_to_all.out) == (2, "")
    assert "its mode is 0644" in open_to_all.err


def test_an_artifacts_command_has_no_secret_of_a_workflow(world: World) -> None:
    made = json.loads(config(ROOT, step("a", "true"), secrets=["GITHUB_TOKEN"]))
    made["artifacts"] = {"lib": {"path": "out", "command": "env > out"}}
    root = world.working("root", json.dumps(made))
    world.env |= {"GITHUB_TOKEN": TOKEN, "MINE": "mine"}
    assert world.tako("artifacts", "build", cwd=root).code == 0
    said = (root / "out").read_text()
    assert "MINE=mine" in said
    assert "GITHUB_TOKEN" not in said
    assert str(BIN) in said


def test_an_event_that_is_delivered_once_more_brings_its_subscribers_their_secrets(
    world: World, secrets_file: Path
) -> None:
    hears = config(TELLING, step("tell", 'test -n "$TOKEN"', env=NAMED), hears=ROOT, secrets=[*SECRETS])
    world.cached(TELLING, hears)
    root = world.working("root", config(ROOT, fan_out()))
    file = ["--secrets-file", str(secrets_file)]
    assert world.tako("exec", WORKFLOW, *file, cwd=root).code == 0
    (event,) = world.tako("events", "list", "--json").json()
    again = ["events", "redeliver", event["event_id"], "--json"]
    (without,) = world.tako(*again).json()["runs"]
    assert without["failure"]["kind"] == "secret_missing"
    assert world.tako(*again, *file).code == 0
    assert_clean(world)


def test_secret_with_backslashes_is_masked_as_echo_prints_it(world: World) -> None:
    secret = r"pa\nss\tword\0101x\\end"
    script = (
        r"""echo "$T"; printf "$T\n"; printf '%b\n' "$T"; python3 -c 'import os; print(os.environ["T"])'; echo done"""
    )
    lib = world.working("lib", config("a/lib", step("s", script, env={"T": "TOKEN"}), secrets=["TOKEN"]))
    world.env["TOKEN"] = secret
    ran = world.tako("exec", WORKFLOW, cwd=lib)
    assert ran.code == 0, ran.text
    log = (world.only_workspace() / "logs" / "s.log").read_text()
    assert log == "***\n" * 4 + "done\n"
