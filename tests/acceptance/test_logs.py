"""What steps print: in their logs, with -v, and at a terminal."""

from __future__ import annotations

from tests.acceptance.conftest import World
from tests.acceptance.recipes import WORKFLOW, config, fan_out, step
from tests.acceptance.terminal import Terminal

ALTERNATES = "for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; done"
IN_ORDER = "".join(f"out {number}\nerr {number}\n" for number in range(1, 6))
SLOWLY = "for i in 1 2 3 4 5; do echo out $i; sleep 0.1; echo err $i >&2; sleep 0.1; done"


def log(world: World, step_id: str) -> str:
    return (world.only_workspace() / "logs" / f"{step_id}.log").read_text()


def test_both_streams_are_logged_in_the_order_written(world: World) -> None:
    root = world.working("own", config("own/root", step("it", ALTERNATES)))

    assert world.tako("exec", WORKFLOW, cwd=root).code == 0
    assert log(world, "it") == IN_ORDER


def test_child_logs_both_streams_in_the_order_written(world: World) -> None:
    root = world.working("own", config("own/root", fan_out()))
    world.cached("own/child", config("own/child", step("it", ALTERNATES), hears="own/root"))

    assert world.tako("exec", WORKFLOW, cwd=root).code == 0
    (child,) = (world.only_workspace() / "children").iterdir()
    assert (child / "logs" / "it.log").read_text() == IN_ORDER


def test_service_logs_both_streams_in_the_order_written(world: World) -> None:
    steps = [
        step("serve", ALTERNATES, long_running=True),
        {"id": "wait", "uses": "tako/poll@v1", "with": {"target": "step", "step_id": "serve"}},
    ]
    root = world.working("own", config("own/root", *steps))

    assert world.tako("exec", WORKFLOW, cwd=root).code == 0
    assert log(world, "serve") == IN_ORDER


def test_streams_that_are_needed_apart_are_logged_as_they_arrive(world: World) -> None:
    it = step("it", SLOWLY, produces={"outputs": {"said": "from_stdout"}})
    root = world.working("own", config("own/root", it, step("use", "echo '{{ steps.it.outputs.said }}'")))

    assert world.tako("exec", WORKFLOW, cwd=root).code == 0
    assert log(world, "it") == IN_ORDER
    assert log(world, "use") == "".join(f"out {number}\n" for number in range(1, 6))


def test_verbose_shows_whole_lines_with_where_they_come_from(world: World) -> None:
    # Two characters in halves, each half in a write of its own, and a line in three.
    script = "printf 'gr\\303'; sleep 0.05; printf '\\274n \\342\\202'; sleep 0.05; printf '\\254\\n'; printf 'no end'"
    root = world.working("own", config("own/root", step("it", script)))
    ran = world.tako("exec", WORKFLOW, "-v", cwd=root)

    assert ran.code == 0
    shown = [line for line in ran.err.splitlines() if line.startswith("[")]
    assert shown == ["[own/root it] grün €", "[own/root it] no end"]


def test_verbose_shows_a_prompt_before_its_line_ends(world: World) -> None:
    go = world.root / "go"
    root = world.working("own", config("own/root", step("it", f"printf 'gehe\\303'; until test -e {go}; do :; done")))
    tako = world.start("exec", WORKFLOW, "-v", cwd=root)
    assert tako.stderr is not None
    shown = ""
    while "gehe" not in shown:
        shown = tako.stderr.readline()
        assert shown, "tako has ended"
    go.touch()

    assert shown == "[own/root it] gehe\n"
    assert world.finish(tako).code == 0


def test_end_of_a_failed_steps_log_has_no_blank_lines(world: World) -> None:
    script = "echo the reason; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo '  '; done; exit 3"
    root = world.working("own", config("own/root", step("it", script)))
    ran = world.tako("exec", WORKFLOW, cwd=root)

    assert ran.code == 1
    assert "the reason" in ran.text


def test_terminal_shows_what_the_roots_steps_print(world: World, terminal: Terminal) -> None:
    go = world.root / "go"
    script = f"printf '\\033[31mred line\\033[0m\\nhal'; printf 'f\\n'; until test -e {go}; do sleep 0.02; done"
    world.working("own", config("own/root", step("it", script)))
    before = terminal.type(f"cd own; tako exec {WORKFLOW}\n")
    terminal.wait_for("red line", before)
    terminal.wait_for("half", before)
    go.touch()
    terminal.wait_for_prompt(before)

    assert "│ red line" in terminal.shown
    assert "│ half" in terminal.shown


def test_secret_in_halves_on_one_stream_is_masked(world: World) -> None:
    world.env["TOKEN"] = "hunter2-secret"
    script = 'printf "%s" "${TOKEN%2-secret}"; sleep 0.05; echo other >&2; sleep 0.05; echo "${TOKEN#hunter}"'
    it = step("it", script, env={"TOKEN": "TOKEN"})
    root = world.working("own", config("own/root", it, secrets=["TOKEN"]))
    ran = world.tako("exec", WORKFLOW, "-v", cwd=root)

    assert ran.code == 0
    assert "***" in log(world, "it")
    assert "hunter" not in log(world, "it") + ran.text


def test_secret_in_halves_on_two_streams_is_masked(world: World) -> None:
    world.env["TOKEN"] = "hunter2-secret"
    script = 'printf "%s" "${TOKEN%2-secret}"; printf "%s\\n" "${TOKEN#hunter}" >&2'
    it = step("it", script, env={"TOKEN": "TOKEN"})
    root = world.working("own", config("own/root", it, secrets=["TOKEN"]))
    ran = world.tako("exec", WORKFLOW, "-v", cwd=root)

    assert ran.code == 0
    assert "hunter2-secret" not in log(world, "it").replace("\n", "") + ran.text
