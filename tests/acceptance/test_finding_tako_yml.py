"""Which tako.yml a command is about: from a subdirectory, by a path, with ``~``; and which workflows there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.conftest import World

TAKO_YML = """
version: 1
metadata: {name: me/lib}
artifacts: {a: {path: a.txt, command: echo a > a.txt}}
workflows:
  release:
    description: Build it and announce it
    inputs: {version: {type: string, required: true}}
    steps: [pwd]
  quick: {steps: [pwd]}
  heard: {on: event, steps: ["true"]}
"""


@pytest.fixture
def lib(world: World) -> Path:
    lib = world.working("lib", TAKO_YML)
    (lib / "src" / "deep").mkdir(parents=True)
    return lib


def test_tako_yml_is_found_upwards(world: World, lib: Path) -> None:
    deep = lib / "src" / "deep"
    ran = world.tako("exec", "quick", "-v", cwd=deep)
    assert (ran.code, ran.err.splitlines()[0]) == (0, f"using {lib}/tako.yml"), ran.text
    assert f"[me/lib step-1] {lib}\n" in ran.err
    for command in (
        ["validate"],
        ["validate", "--json"],
        ["lint"],
        ["artifacts", "build"],
        ["exec", "quick", "--dry-run"],
    ):
        ran = world.tako(*command, cwd=deep)
        assert (ran.code, f"using {lib}/tako.yml\n" in ran.err) == (0, True), ran.text
    assert (lib / "a.txt").exists()
    assert "using" not in world.tako("validate", cwd=lib).err


def test_search_stays_in_the_repository(world: World, lib: Path) -> None:
    (lib / "src" / "deep" / ".git").mkdir()
    for command, code in ((["validate"], 2), (["exec", "quick"], 1), (["lint"], 2)):
        ran = world.tako(*command, cwd=lib / "src" / "deep")
        assert (ran.code, "there is no tako.yml in " in ran.err) == (code, True), ran.text


def test_root_is_taken_as_it_is_given(world: World, lib: Path) -> None:
    ran = world.tako("validate", "--root", "src", cwd=lib)
    assert (ran.code, f"there is no tako.yml in {lib}/src\n" in ran.err) == (2, True), ran.text


@pytest.mark.parametrize("command", ["validate", "lint"])
def test_validate_and_lint_take_paths(world: World, lib: Path, command: str) -> None:
    (lib / "other.yml").write_text(TAKO_YML + "  odd: {stepz: []}\n")
    for path, code in (("lib", 0), ("lib/tako.yml", 0), ("lib/other.yml", 2), (str(lib), 0)):
        ran = world.tako(command, path, cwd=world.root)
        assert ran.code == code, ran.text
        assert not code or "other.yml:12:" in ran.text
    assert world.tako(command, "nowhere", cwd=world.root).code == 2


def test_exec_without_workflow_lists_them(world: World, lib: Path) -> None:
    ran = world.tako("exec", cwd=lib)
    assert (ran.code, ran.out) == (2, "")
    assert "    quick\n    release: Build it and announce it (requires version)\n" in ran.err
    assert "heard" not in ran.err


def test_tilde_is_the_home_directory(world: World, lib: Path) -> None:
    world.env |= {"HOME": str(world.root), "TAKO_HOME": "~/home", "TAKO_SECRETS_FILE": "~/secrets"}
    (world.root / "secrets").write_text("TOKEN=some-value\n")
    (world.root / "secrets").chmod(0o600)
    sealed = TAKO_YML.replace("quick: {", "quick: {secrets: [TOKEN], ").replace(
        "[pwd]", "[{env: {T: TOKEN}, run: test $T}]"
    )
    (lib / "tako.yml").write_text(sealed)
    for given in (["--root=~/lib"], ["--root=~/lib", "--secrets-file=~/secrets", "--cache-dir=~/home/cache"]):
        assert world.tako("exec", "quick", *given, cwd=lib.parent).code == 0
    assert len(list((world.home / "workspaces").iterdir())) == 2
    assert not (lib.parent / "~").exists()


def test_unknown_users_home_is_refused(world: World) -> None:
    world.env["TAKO_HOME"] = "~no-such-user/tako"
    ran = world.tako("status")
    assert (ran.code, "TAKO_HOME: ~no-such-user" in ran.err) == (2, True), ran.text


@pytest.mark.parametrize("words", ["yes no", "on off", "True FALSE"])
def test_booleans_are_alike_in_both_files(world: World, words: str) -> None:
    yes, no = words.split()
    lib = world.working("lib", f"version: 1\nmetadata: {{name: me/lib}}\nworkflows:\n  w:\n    inputs:\n"
                        f"      b: {{type: boolean, default: {yes}}}\n    steps:\n"
                        f"      - {{run: exit 1, continue_on_error: {yes}}}\n"
                        f"      - {{run: 'test {{{{ inputs.b }}}} = true'}}\n")  # fmt: skip
    (world.home / "config.yml").write_text(f"strict: {yes}\nretention: {{automatic: {no}}}\n")
    ran = world.tako("exec", "w", "-i", f"b={yes}", cwd=lib)
    assert ran.code == 0, ran.text
