"""``tako exec --debug`` at a real terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tako.execution.state import read_state
from tests.acceptance.conftest import World
from tests.acceptance.observe import marked, wait_for
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step
from tests.acceptance.terminal import PROMPT, Terminal

QUESTION = "[r]un, [s]kip, s[h]ell, [c]ontinue, [q]uit? "


class Session:
    """A run with ``--debug`` of some steps."""

    def __init__(
        self, world: World, terminal: Terminal, *steps: dict[str, Any], arguments: str = "", **more: Any
    ) -> None:
        self.world, self.terminal = world, terminal
        self.root = world.working("root", config("de/root", *steps, **more))
        self.since = terminal.type(f"cd {self.root}; tako exec {WORKFLOW} --debug {arguments}\n")

    def asked(self) -> str:
        """What it showed up to the next question."""
        return self.until(QUESTION)

    def until(self, text: str) -> str:
        """What it showed up to something, from where the last such call ended."""
        self.terminal.until(lambda: text in self.terminal.shown[self.since :], f"it showed {text!r}")
        start, self.since = self.since, self.terminal.shown.index(text, self.since) + len(text)
        return self.terminal.shown[start : self.since].replace("\r\n", "\n")

    def answer(self, text: str) -> None:
        self.terminal.type(f"{text}\n")

    def ended(self) -> tuple[int, str]:
        """The exit code of tako, and what it showed at the end."""
        shown = self.until(PROMPT)
        self.answer("echo code=$?.")
        return int(self.until("\ncode=") and self.until(".").rstrip(".")), shown

    def statuses(self) -> dict[str, str]:
        state = read_state(str(self.world.only_workspace() / "state.json"))
        return {each.id: each.status for each in state.steps}


def test_each_step_is_shown_and_asked_for(world: World, terminal: Terminal) -> None:
    session = Session(
        world,
        terminal,
        step("one", "echo {{ inputs.word | shell_quote }}-{{ env.V }}", env={"V": "v-{{ inputs.word }}", "W": "w"}),
        step("two", "touch two", **{"if": "inputs.word == 'hello'"}),
        step("three", "touch three", **{"if": "inputs.word == 'other'"}),
        fan_out(payload={"word": "{{ inputs.word }}"}),
        step("four", "touch four"),
        step("five", "touch five"),
        inputs={"word": {"default": "hello"}},
    )
    shown = session.asked()
    assert "note: what a fan-out triggers runs in processes of its own" in shown
    assert "Step one (1 of 6)\n" in shown
    assert "  env:\n    V: v-{{ inputs.word }}  → v-hello\n    W: w\n" in shown
    assert "    echo {{ inputs.word | shell_quote }}-{{ env.V }}\n  which becomes:\n    echo hello-v-hello\n" in shown
    session.answer("r")
    shown = session.asked()
    assert "[de/root one] hello-v-hello" in shown
    assert "✓ step 'one' success" in shown, "it is told before the next question"
    assert "  if: inputs.word == 'hello'  → true\n" in shown
    session.answer("what")
    assert "s, skip      do not run it" in session.asked()
    session.answer("")
    session.asked()
    session.answer("skip")
    shown = session.asked()
    assert "– step 'two' skipped" in shown
    assert "  if: inputs.word == 'other'  → false, so it is skipped\n" in shown
    assert '"word": "{{ inputs.word }}"' in shown
    assert '  which becomes:\n    {\n      "event_type": "made",\n      "payload": {\n        "word": "hello"' in shown
    session.answer("run")
    assert "Step four (5 of 6)" in session.asked()
    session.answer("c")
    code, shown = session.ended()
    assert code == 0, shown
    assert QUESTION not in shown
    skipped, success = "skipped", "success"
    assert session.statuses() == {
        "one": success, "two": skipped, "three": skipped, "announce": success, "four": success, "five": success,
    }  # fmt: skip
    assert not (session.root / "two").exists()


@pytest.mark.parametrize("how", ["q\n", "quit\n", "\x04", "\x03"])
def test_to_quit_is_to_interrupt_and_the_run_can_go_on(world: World, terminal: Terminal, how: str) -> None:
    session = Session(world, terminal, step("one", "touch one"), step("two", "touch two"))
    session.asked()
    session.answer("r")
    session.asked()
    terminal.type(how)
    code, shown = session.ended()
    assert code == 130, shown
    assert (session.root / "one").exists()
    assert not (session.root / "two").exists()
    session.answer("tako exec --resume @latest --debug")
    assert "Step two (2 of 2)" in session.asked()
    session.answer("r")
    code, shown = session.ended()
    assert code == 0, shown
    assert session.statuses() == {"one": "success", "two": "success"}


def test_a_shell_has_the_steps_environment_and_directory_and_the_terminal(world: World, terminal: Terminal) -> None:
    world.env["SHELL"] = "/bin/bash"
    session = Session(
        world, terminal,
        step("one", "true", working_directory="sub", env={"V": "{{ inputs.word }}"}),
        inputs={"word": {"default": "hello"}},
    )  # fmt: skip
    (session.root / "sub").mkdir()
    session.asked()
    session.answer("h")
    session.until("to come back\n".replace("\n", "\r\n"))
    session.answer("PS1='in> '; echo \"v=$V s=$TAKO_STEP_ID r=$TAKO_ROOT_RUN_ID\"; pwd")
    run_id = world.only_workspace().name
    session.until(f"v=hello s=one r={run_id}\r\n{session.root}/sub\r\n")
    session.answer("sleep 1000")
    wait_for(lambda: any("sleep 1000" in line for line in marked(world.mark)), "a program ran in the shell")
    terminal.type("\x03")
    session.answer("echo after=$?.")
    session.until("after=130.")
    session.answer("sleep 1001 & suspend; echo we''nt on.")
    session.until("went on.")
    session.answer("exit 7")
    shown = session.asked()
    assert "the shell has ended: exit code 7\n" in shown
    wait_for(lambda: not any("sleep 1001" in line for line in marked(world.mark)), "what the shell left had ended")
    session.answer("r")
    code, shown = session.ended()
    assert code == 0, shown
    assert terminal.run("echo typed") == "typed\n"


def test_ctrl_z_at_the_question_stops_tako_and_fg_goes_on(world: World, terminal: Terminal) -> None:
    session = Session(world, terminal, step("one", "touch one"))
    session.asked()
    terminal.type("\x1a")
    session.until(PROMPT)
    session.answer("fg")
    session.until("tako exec")
    session.answer("r")
    code, shown = session.ended()
    assert code == 0, shown
    assert (session.root / "one").exists()


def test_a_closed_terminal_ends_a_shell_and_the_run(world: World, terminal: Terminal) -> None:
    session = Session(world, terminal, step("one", "touch one"))
    session.asked()
    session.answer("h")
    session.until("to come back")
    terminal.close()
    wait_for(
        lambda: not [line for line in marked(world.mark) if "bash --norc" not in line], "all had ended", seconds=15
    )
    assert not (session.root / "one").exists()


def test_what_an_event_brought_is_shown_without_effect_on_the_terminal(world: World, terminal: Terminal) -> None:
    session = Session(
        world, terminal, step("one", "true", env={"V": "{{ inputs.word }}"}), arguments="-i word=$'a\\x1b[2Jb'",
        inputs={"word": {}},
    )  # fmt: skip
    shown = session.asked()
    assert "V: {{ inputs.word }}  → a\\x1b[2Jb\n" in shown
    session.answer("c")
    assert session.ended()[0] == 0


def test_no_secret_is_shown(world: World, terminal: Terminal) -> None:
    world.env["TOKEN"] = "sesame-open-now"
    terminal.type("export TOKEN=sesame-open-now\n")
    terminal.run("clear")
    session = Session(
        world, terminal, step("one", 'test "$T" = sesame-open-now; echo "$T"', env={"T": "TOKEN"}), secrets=["TOKEN"]
    )
    shown = session.asked()
    assert "    T: the secret TOKEN\n" in shown
    assert 'test "$T" = ***' in shown
    session.answer("r")
    code, shown = session.ended()
    assert code == 0, shown
    assert "sesame" not in shown


def test_with_dry_run_it_is_refused(world: World) -> None:
    root: Path = world.working("root", config("de/root", step("one", "touch one")))
    ran = world.tako("exec", WORKFLOW, "--debug", "--dry-run", cwd=root)
    assert ran.code == 2, ran.text
    assert "--debug does not go with --dry-run" in ran.err


def test_with_json_at_a_terminal_it_is_refused(world: World, terminal: Terminal) -> None:
    root: Path = world.working("root", config("de/root", step("one", "touch one")))
    shown = terminal.run(f"cd {root}; tako exec {WORKFLOW} --debug --json")
    assert "--debug does not go with --json at a terminal" in shown
    assert not (root / "one").exists()


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_without_a_terminal_each_step_is_shown_and_runs(world: World, arguments: list[str]) -> None:
    steps = [
        step("one", "echo {{ inputs.word | shell_quote }} > {{ inputs.word }}", env={"V": "v-{{ inputs.word }}"}),
        step("two", "false", **{"if": "inputs.word != 'hello'"}),
        step("three", "echo {{ steps.one.status }}"),
    ]
    final = [step("clean", "echo {{ status }}")]
    more: dict[str, Any] = {"inputs": {"word": {"default": "hello"}}, "finally": final}
    root = world.working("root", config("de/root", *steps, **more))
    ran = world.tako("exec", WORKFLOW, "--debug", *arguments, cwd=root)

    assert ran.code == 0, ran.text
    assert (root / "hello").read_text() == "hello\n"
    assert QUESTION not in ran.text
    assert "without being asked for" not in ran.text
    shown = ran.err
    assert "Step one (1 of 3)\n" in shown
    assert "    V: v-{{ inputs.word }}  → v-hello\n" in shown
    before = "    echo {{ inputs.word | shell_quote }} > {{ inputs.word }}\n"
    assert f"{before}  which becomes:\n    echo hello > hello\n" in shown
    assert "  if: inputs.word != 'hello'  → false, so it is skipped\n" in shown
    assert "    echo {{ steps.one.status }}\n  which becomes:\n    echo success\n" in shown
    assert "Step clean, at the end of the run: success\n" in shown
    assert shown.index("Step one") < shown.index("✓ step 'one'") < shown.index("Step three")
    if arguments:
        assert ran.json()["success"]
