"""A file in another tool's syntax is refused before anything runs, with the spelling that works."""

from __future__ import annotations

from tests.acceptance.conftest import World

ACTIONS = """\
version: 1
workflows:
  release:
    inputs: {version: {default: 1.2.0}}
    env: {V: "${{ inputs.version }}"}
    steps:
      - run: touch ran; echo "$V"
"""
FIXED = ACTIONS.replace("$", "", 1)


def test_foreign_template_is_refused_by_validate_and_exec(world: World) -> None:
    lib = world.working("lib", ACTIONS)
    for command in (["validate"], ["lint"], ["exec", "release"]):
        ran = world.tako(*command, cwd=lib)
        assert ran.code == (1 if command[0] == "exec" else 2), ran.text
        assert "tako.yml:5:14: " in ran.text
        assert "write `{{ inputs.version }}`" in ran.text
    assert not (lib / "ran").exists()


def test_suggested_spelling_gives_the_value(world: World) -> None:
    lib = world.working("lib", FIXED)
    assert world.tako("validate", cwd=lib).code == 0
    ran = world.tako("exec", "release", cwd=lib)
    assert ran.code == 0, ran.text
    log = world.only_workspace() / "logs" / "step-1.log"
    assert log.read_text() == "1.2.0\n"


def test_template_in_artifact_path_is_refused_before_the_run(world: World) -> None:
    artifacts = 'artifacts: {lib: {path: "dist/{{ inputs.version }}.txt"}}\n'
    lib = world.working("lib", FIXED.replace("workflows", f"{artifacts}workflows"))
    for command in (["validate"], ["exec", "release"]):
        ran = world.tako(*command, cwd=lib)
        assert ran.code > 0, ran.text
        assert "tako.yml:2:25: 'path' of artifact 'lib': no template is read here" in ran.text


def test_literal_braces_between_raw_marks_stay(world: World) -> None:
    lib = world.working(
        "lib", "version: 1\nworkflows: {w: {steps: [\"echo '{% raw %}${{ github.sha }}{% endraw %}' $(( 1 + 2 ))\"]}}\n"
    )
    assert world.tako("validate", cwd=lib).code == 0
    assert world.tako("exec", "w", cwd=lib).code == 0
    assert (world.only_workspace() / "logs" / "step-1.log").read_text() == "${{ github.sha }} 3\n"
