"""Which files an artifact has when it arrives, and under which names."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Ran, World

LIB = """\
version: 1
metadata: {{name: my-org/lib}}
artifacts:
  pkg: {{path: {path}}}
workflows:
  release:
    steps:
      - id: build
        run: |
{script}
        produces:
          artifact: pkg
          events: [{{type: built, payload: {{v: "1"}}}}]
      - uses: tako/fan-out@v1
        with: {{event_type: built}}
"""

CLIENT = """\
version: 1
metadata: {name: my-org/client}
workflows:
  verify:
    on: event
    steps:
      - id: look
        run: |
          P="$TAKO_ARTIFACT_PKG_PATH"
          if [ -d "$P" ]; then cd "$P"; find . ! -type d | LC_ALL=C sort; else echo "file ${P##*/}"; fi |
            LC_ALL=C tr -cd "[:print:][:space:]"
        produces:
          outputs: {seen: from_stdout}
subscriptions:
  - {artifact: "my-org/lib:pkg", events: [built], workflow: verify}
"""


def lib(world: World, path: str, script: str, files: dict[str, str] | None = None) -> Path:
    """A repository whose release makes an artifact of a path, and one that looks at what arrives of it."""
    world.cached("my-org/client", CLIENT)
    lines = "\n".join(f"          {line}" for line in script.splitlines())
    return world.working("lib", LIB.format(path=repr(path), script=lines), files)


def release(world: World, lib: Path) -> tuple[Ran, Any]:
    ran = world.tako("exec", "release", "--root", str(lib), "--json")
    return ran, ran.json()


def arrived(data: Any) -> str:
    """What the client has seen."""
    assert data["success"], [data["failure"], *(run["failure"] for run in data["runs"])]
    (run,) = data["runs"]
    return str(run["outputs"]["look"]["seen"])


def test_files_of_a_glob_keep_their_directories(world: World) -> None:
    packages = {"packages/a/package.json": "{}", "packages/b/package.json": "{}"}
    repo = lib(world, "packages/*/package.json", "true", packages)

    assert arrived(release(world, repo)[1]) == "./a/package.json\n./b/package.json"


def test_directories_do_not_count_beside_their_files(world: World) -> None:
    repo = lib(world, "dist/**", "mkdir -p dist/deep/er; echo a > dist/a; echo b > dist/deep/er/b")

    data = release(world, repo)[1]

    assert arrived(data) == "./a\n./deep/er/b"
    (sent,) = data["steps"][0]["artifacts"]
    assert (sent["files"], sent["size"]) == (2, 4)


def test_one_file_stays_a_file(world: World) -> None:
    assert arrived(release(world, lib(world, "dist/**", "mkdir -p dist/x; echo a > dist/x/a"))[1]) == "file a"


def test_two_files_of_one_name_are_an_error(world: World) -> None:
    yml = LIB.replace("artifact: pkg\n", "artifact: pkg\n          artifacts: [{{path: a/*}}, {{path: 'b/*'}}]\n")
    world.cached("my-org/client", CLIENT)
    repo = world.working("lib", yml.format(path="x", script="          true"), {"a/notes": "1", "b/notes": "2"})

    ran, data = release(world, repo)

    assert ran.code == 1
    message = data["failure"]["message"]
    assert "notes" in message
    assert "a/notes and b/notes" in message


@pytest.mark.parametrize("committed", [False, True])
def test_an_old_version_beside_the_new_one_is_left_out(world: World, committed: bool) -> None:
    old = {"dist/lib-1.0.tar.gz": "old"}
    repo = lib(world, "dist/lib-*.tar.gz", "mkdir -p dist; echo new > dist/lib-1.1.tar.gz", old if committed else {})
    if not committed:
        (repo / "dist").mkdir()
        (repo / "dist/lib-1.0.tar.gz").write_text("old")

    for _ in range(2):
        ran, data = release(world, repo)

        assert arrived(data) == "file lib-1.1.tar.gz"
        assert "left out dist/lib-1.0.tar.gz" in ran.err
        assert data["steps"][0]["notes"]


def test_what_an_earlier_step_of_the_run_made_counts(world: World) -> None:
    yml = LIB.replace("    steps:\n", "    steps:\n      - mkdir -p dist && echo 1 > dist/one.whl\n")
    world.cached("my-org/client", CLIENT)
    repo = world.working("lib", yml.format(path="dist/*.whl", script="          echo 2 > dist/two.whl"))
    (repo / "dist").mkdir()
    (repo / "dist/stale.whl").write_text("old")

    ran, data = release(world, repo)

    assert arrived(data) == "./one.whl\n./two.whl"
    assert "left out dist/stale.whl" in ran.err


def test_a_checked_in_file_is_sent_though_no_step_touches_it(world: World) -> None:
    ran, data = release(world, lib(world, "static/*", "echo js > static/app.js", {"static/index.html": "<html>"}))

    assert arrived(data) == "./app.js\n./index.html"
    assert "left out" not in ran.err


def test_an_artifact_that_only_lay_there_is_sent_and_told(world: World) -> None:
    repo = lib(world, "dist/*.whl", "true")
    (repo / "dist").mkdir()
    (repo / "dist/old.whl").write_text("old")

    ran, data = release(world, repo)

    assert arrived(data) == "file old.whl"
    assert "no step of this run made or changed dist/old.whl" in ran.err


def test_what_was_sent_is_told_with_size_and_checksum(world: World) -> None:
    repo = lib(world, "notes.txt", "printf abc > notes.txt")

    ran = world.tako("exec", "release", "--root", str(repo), "-v")

    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert f"artifact pkg: notes.txt, 3 bytes, sha256:{sha256}" in ran.err


@pytest.mark.parametrize("path", ["out", "out/*", "out/**"])
def test_a_fifo_in_an_artifact_fails_the_step(world: World, path: str) -> None:
    ran, data = release(world, lib(world, path, "mkdir -p out/deep; mkfifo out/deep/pipe; echo a > out/deep/a"))

    assert ran.code == 1
    assert data["failure"]["step"] == "build"
    assert "out/deep/pipe is no file: a FIFO, a socket or a device" in data["failure"]["message"]
    assert "[(" not in ran.text


def test_a_socket_in_an_artifact_fails_the_step(world: World) -> None:
    repo = lib(world, "out", "true")
    (repo / "out").mkdir()
    directory = os.open(repo / "out", os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{directory}/s")
        ran, data = release(world, repo)
    os.close(directory)

    assert ran.code == 1
    assert "out/s is no file" in data["failure"]["message"]


def test_links_empty_directories_and_odd_names_arrive(world: World) -> None:
    script = """\
mkdir -p out/empty out/bin
echo x > out/bin/tool-1
ln -s tool-1 out/bin/tool
ln out/bin/tool-1 out/bin/same
printf y > "out/$(printf 'a\\377b')"
"""
    repo = lib(world, "out", script)

    ran, data = release(world, repo)

    assert ran.code == 0, ran.text
    (sent,) = data["steps"][0]["artifacts"]
    copy = Path(sent["path"])
    assert (copy / "empty").is_dir()
    assert os.readlink(copy / "bin/tool") == "tool-1"
    assert (copy / "bin/same").samefile(copy / "bin/tool-1")
    assert (copy / os.fsdecode(b"a\xffb")).read_text() == "y"


@pytest.mark.parametrize("leads_to", ["gone", "link"])
def test_a_link_that_leads_nowhere_fails_the_step(world: World, leads_to: str) -> None:
    ran, data = release(world, lib(world, "out/*", f"mkdir out; ln -s {leads_to} out/link; echo a > out/a"))

    assert ran.code == 1
    assert "out/link is a link that leads nowhere" in data["failure"]["message"]


def test_a_name_that_is_not_utf8_is_sent(world: World) -> None:
    ran, data = release(world, lib(world, "out/*", "mkdir -p out; echo x > out/$(printf 'a\\377b')"))

    assert ran.code == 0, ran.text
    assert len(data["runs"]) == 1


def test_holes_stay_holes(world: World) -> None:
    repo = lib(world, "big.img", "truncate -s 300M big.img; printf end >> big.img")

    ran, data = release(world, repo)

    assert ran.code == 0, ran.text
    (sent,) = data["steps"][0]["artifacts"]
    status = os.stat(sent["path"])
    assert status.st_size == sent["size"] == 300 * 2**20 + 3
    assert status.st_blocks * 512 < 2**20
    with open(sent["path"], "rb") as file:
        file.seek(-4, os.SEEK_END)
        assert file.read() == b"\0end"
    expected = subprocess.run(["sha256sum", sent["path"]], capture_output=True, text=True, check=True).stdout.split()[0]
    assert sent["sha256"] == expected


@pytest.mark.parametrize(
    ("path", "left"), [("dist/**", "dist/.hid, dist/a/.env"), ("dist/*", "dist/.hid"), ("dist", "")]
)
def test_hidden_files_of_directory_are_sent_or_named(world: World, path: str, left: str) -> None:
    place = lib(world, path, "mkdir -p dist/a; touch dist/.hid dist/x dist/a/.env dist/a/y")

    ran = world.tako("exec", "release", "--root", str(place), "-v")

    assert ran.code == 0, ran.text
    said = f"left out {left}: no wildcard matches a name that begins with a dot"
    assert (said in ran.text) is bool(left), ran.text


def test_report_says_what_was_sent(world: World) -> None:
    place = lib(world, "notes.txt", "echo hi > notes.txt")

    ran = world.tako("exec", "release", "--root", str(place))
    told = world.tako("status", "@latest")

    line = "artifact pkg: notes.txt, 3 bytes, sha256:98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4"
    assert line in ran.out, ran.text
    assert told.code == 0, told.text


@pytest.mark.parametrize(("path", "hint"), [("dist/*.{whl,gz}", "knows no {a,b}"), ("dist/a[1].txt", "written [[]")])
def test_pattern_that_matches_nothing_says_what_it_may_have_meant(world: World, path: str, hint: str) -> None:
    ran = world.tako("exec", "release", "--root", str(lib(world, path, "mkdir dist; touch 'dist/a[1].txt'")))

    assert ran.code == 1, ran.text
    assert hint in ran.err, ran.text
