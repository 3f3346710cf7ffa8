"""What bash, zsh and fish offer, asked in the shells themselves."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

import pytest

from tests.acceptance.conftest import Ran, World

LIB = """
version: 1
metadata: {name: org/lib}
artifacts:
  wheel: {path: dist/*, command: "true", install_command: "true", description: "The wheel, built"}
  notes: {path: notes.txt}
workflows:
  release:
    description: "Build it, test it: announce it"
    inputs:
      version-bump: {type: string, default: patch, validation: {enum: [major, minor, patch]}, description: "How far, and why"}
      dry: {type: boolean, required: true}
    steps: [{id: build, name: "Build, all of it", run: "true"}, {id: fail, run: exit 1}]
  quick: {steps: ["true"]}
  test:unit: {steps: ["true"]}
  heard: {on: event, steps: ["true"]}
"""  # noqa: E501


@pytest.fixture
def lib(world: World) -> Path:
    world.cached("org/app", LIB.replace("org/lib", "org/app"), git=False)
    return world.working("lib", LIB)


def bash(world: World, cwd: Path, line: str) -> list[str]:
    """What a real bash has to complete the last word of a line with."""
    script = textwrap.dedent("""\
        source <(tako completion bash)
        COMP_LINE="$1"; COMP_POINT=${#1}; COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'; COMPREPLY=()
        _tako_completion tako
        printf '%s\\n' "${COMPREPLY[@]}"
    """)
    ran = world.run(["bash", "--norc", "-c", script, "bash", line], cwd=cwd)
    assert (ran.code, ran.err) == (0, "")
    return ran.out.split()


def test_bash_completes_commands_workflows_and_runs(world: World, lib: Path) -> None:
    assert bash(world, lib, "tako va") == ["validate"]
    assert "--dry-run" in bash(world, lib, "tako exec --d")
    assert set(bash(world, lib, "tako exec ")) == {"release", "quick", "test:unit"}
    assert bash(world, lib, "tako exec test:u") == ["unit"], "bash replaces what comes after the colon"
    (lib / "src").mkdir()
    assert bash(world, lib / "src", "tako exec q") == ["quick"]
    assert bash(world, lib.parent, "tako exec --root lib --inputs.title x re") == ["release"]
    assert bash(world, lib.parent, "tako exec re") == []
    world.tako("exec", "quick", cwd=lib)
    assert bash(world, lib, "tako status exec-") == [world.only_workspace().name]


def test_bash_completes_repositories_and_their_workflows(world: World, lib: Path) -> None:
    assert set(bash(world, lib, "tako exec --repo ")) == {"org/app", "org/app:main"}
    assert bash(world, lib, "tako exec --repo org/app:") == ["main"]
    assert bash(world, world.root, "tako exec --repo org/app:main q") == ["quick"]
    assert bash(world, lib, "tako validate --repo o")[0] == "org/app"
    assert bash(world, lib, "tako events redeliver evt-1 --subscriber o")[0] == "org/app"


def test_bash_completes_inputs(world: World, lib: Path) -> None:
    assert bash(world, lib, "tako exec release -i ") == ["version-bump=", "dry="]
    assert bash(world, lib, "tako exec release -i v") == ["version-bump="]
    assert bash(world, lib, "tako exec release -i version-bump=m") == ["major", "minor"]
    assert bash(world, lib, "tako exec release -i dry=") == ["true", "false"]
    assert bash(world, lib, "tako exec release --inputs.d") == ["--inputs.dry="]
    assert bash(world, world.root, "tako exec --repo org/app release -i d") == ["dry="]


def test_bash_completes_steps_and_artifacts(world: World, lib: Path) -> None:
    world.tako("exec", "release", "-i", "dry=true", cwd=lib)
    run_id = world.only_workspace().name
    assert bash(world, lib, f"tako exec --resume {run_id} --rerun-from ") == ["build", "fail"]
    assert bash(world, lib, "tako exec --resume @latest --rerun-from f") == ["fail"]
    assert bash(world, lib, f"tako child {world.only_workspace()} --from f") == ["fail"]
    assert bash(world, lib, f"tako child --repo {lib} --workflow h") == ["heard"]
    assert bash(world, world.root, f"tako child --repo {lib} --workflow release -i d") == ["dry="]
    assert bash(world, lib, "tako artifacts build ") == ["wheel"]
    assert bash(world, lib, "tako artifacts install o") == ["org/app"]
    assert bash(world, lib, "tako artifacts install org/app:") == ["wheel"]
    assert bash(world, world.root, "tako artifacts install ./lib:w") == ["wheel"]


def test_bash_completes_children(world: World) -> None:
    world.cached("org/app", "version: 1\nworkflows: {w: {steps: [exit 1]}}\n"
                 "subscriptions: [{artifact: 'org/lib:default', events: [made], workflow: w}]\n")  # fmt: skip
    fan_out = "{uses: tako/fan-out@v1, with: {event_type: made}}"
    text = f"version: 1\nmetadata: {{name: org/lib}}\nworkflows: {{go: {{steps: [{fan_out}]}}}}\n"
    assert world.tako("exec", "go", cwd=world.working("lib", text)).code == 1
    (child,) = (world.only_workspace() / "children").iterdir()
    assert child.name in bash(world, world.root, "tako replay @latest --child ")
    assert child.name in bash(world, world.root, f"tako replay {world.only_workspace().name} --child exec-")


def test_completion_is_silent_without_offers(world: World, lib: Path) -> None:
    for words in (
        "exec --inputs.title ",
        "exec nope -i ",
        "exec --repo no/where -i ",
        "exec --resume nope --rerun-from ",
        "child nowhere --from ",
        "artifacts install no/where:",
    ):
        line = f"tako {words}"
        assert bash(world, lib, line) == [], line
    (lib / "tako.yml").write_text("version: [")
    assert bash(world, lib, "tako exec ") == []
    assert bash(world, lib, "tako artifacts build ") == []


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_keeps_whole_descriptions(world: World, lib: Path) -> None:
    def fish(line: str) -> list[str]:
        ran = world.run(["fish", "--no-config", "-c", f"tako completion fish | source; complete -C '{line}'"], cwd=lib)
        assert ran.code == 0, ran.text
        return ran.out.splitlines()

    assert "artifacts\tBuild the artifacts that a repository declares, and install them in others." in fish("tako a")
    assert fish("tako events s") == ["show\tShow the event EVENT_ID: what it says, and what came of each delivery."]
    assert "release\tBuild it, test it: announce it" in fish("tako exec ")
    assert fish("tako exec release -i v") == ["version-bump=\tHow far, and why, string"]
    assert fish("tako exec release -i version-bump=mi") == ["version-bump=minor"]
    assert fish("tako artifacts build ") == ["wheel\tThe wheel, built"]
    assert fish("tako exec --repo org/app:") == ["org/app:main"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_keeps_whole_descriptions(world: World, lib: Path) -> None:
    def zsh(*words: str) -> list[str]:
        # What the script gives to zsh's own functions, which need an editor.
        script = textwrap.dedent("""\
            compdef() { }
            _describe() { print -rl -- "${(@P)3}"; print -r -- "options: ${@[4,-1]}" }
            compadd() { print -r -- "$@" }
            source =(tako completion zsh)
            words=("$@"); CURRENT=$#
            _tako_completion
        """)
        ran = world.run(["zsh", "-f", "-c", script, "zsh", *words], cwd=lib)
        assert (ran.code, ran.err) == (0, "")
        return ran.out.splitlines()

    assert "release:Build it, test it: announce it" in zsh("tako", "exec", "")
    assert zsh("tako", "exec", "release", "-i", "v") == ["version-bump=:How far, and why, string", "options: -U -S "]
    assert zsh("tako", "exec", "--repo", "org/app:") == ["-U -V unsorted -a completions"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_complete_scripts(world: World, shell: str) -> None:
    ran = world.tako("completion", shell)
    assert (ran.code, ran.err) == (0, "")
    assert f"_TAKO_COMPLETE={shell}_complete" in ran.out
    script = world.root / "script"
    script.write_text(ran.out)
    if shutil.which(shell) is not None:
        assert world.run([shell, "-n", str(script)]) == Ran(0, "", "")
