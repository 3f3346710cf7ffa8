"""Objects are read as git reads them, loose or packed, with deltas of both kinds; what is unknown is left to git."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tako.repos.objects import UnknownFormError, read_object, tree_entries

RunGit = Callable[..., str]


def history(path: Path, run_git: RunGit, *flags: str) -> Path:
    """A repository whose files grow and change from commit to commit, so that packing makes deltas."""
    run_git(path, "init", "--quiet", *flags)
    lines = [f"line {number} of a file that is long enough\n" for number in range(2000)]
    for number in range(12):
        lines[number * 7] = f"changed in {number}\n"
        (path / "long").write_text("".join(lines) + "x" * 70_000)
        (path / f"file-{number}").write_text(f"{number}\n")
        run_git(path, "add", "--all")
        run_git(path, "commit", "--quiet", "--message", f"commit {number}")
    return path


def all_objects(path: Path, run_git: RunGit) -> list[tuple[str, str]]:
    listed = run_git(path, "cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)")
    return [(line.split()[0], line.split()[1]) for line in listed.splitlines()]


@pytest.mark.parametrize("packing", ["loose", "packed", "ref-delta", "two packs", "sha256"])
def test_all_objects_are_read_as_git_reads_them(tmp_path: Path, run_git: RunGit, packing: str) -> None:
    repo = history(tmp_path, run_git, *(["--object-format=sha256"] if packing == "sha256" else []))
    if packing == "ref-delta":
        run_git(repo, "config", "repack.useDeltaBaseOffset", "false")
    if packing != "loose":
        run_git(repo, "repack", "-a", "-d", "-f", "-q", "--depth=50")
        deltas = run_git(repo, "verify-pack", "-v", *map(str, (repo / ".git/objects/pack").glob("*.idx")))
        assert "chain length" in deltas
    if packing == "two packs":
        (repo / "later").write_text("later\n")
        run_git(repo, "add", "--all")
        run_git(repo, "commit", "--quiet", "--message", "later")
        run_git(repo, "repack", "-d", "-q")
        assert len(list((repo / ".git/objects/pack").glob("*.idx"))) == 2

    objects = all_objects(repo, run_git)

    assert len(objects) > 30
    for name, kind in objects:
        assert read_object(str(repo / ".git" / "objects"), name) == (
            kind,
            # The fixture decodes; names of files are ASCII here, but ids in trees are not.
            (read_raw(repo, kind, name)),
        )


def read_raw(repo: Path, kind: str, name: str) -> bytes:
    import subprocess

    return subprocess.run(["git", "-C", str(repo), "cat-file", kind, name], check=True, capture_output=True).stdout


def test_entries_of_a_tree(tmp_path: Path, run_git: RunGit) -> None:
    repo = history(tmp_path, run_git)
    tree = run_git(repo, "rev-parse", "HEAD^{tree}").strip()

    entries = tree_entries(read_object(str(repo / ".git" / "objects"), tree)[1], 20)

    listed = [line.split() for line in run_git(repo, "ls-tree", "HEAD").splitlines()]
    assert {name.decode(): (each.mode, each.id) for name, each in entries.items()} == {
        name: (mode, id_) for mode, _, id_, name in listed
    }


def test_unknown_objects_are_left_to_git(tmp_path: Path, run_git: RunGit) -> None:
    repo = history(tmp_path, run_git)
    objects = repo / ".git" / "objects"
    head = run_git(repo, "rev-parse", "HEAD").strip()
    loose = objects / head[:2] / head[2:]

    with pytest.raises(UnknownFormError):
        read_object(str(objects), "0" * 40)
    loose.chmod(0o644)
    for damage in (b"", b"garbage", loose.read_bytes()[:20]):
        loose.write_bytes(damage)
        with pytest.raises(UnknownFormError):
            read_object(str(objects), head)


@pytest.mark.parametrize("keep", [8, 500, 1100, 1500])
def test_damaged_pack_indexes_are_left_to_git(tmp_path: Path, run_git: RunGit, keep: int) -> None:
    repo = history(tmp_path, run_git)
    run_git(repo, "repack", "-a", "-d", "-q")
    head = run_git(repo, "rev-parse", "HEAD").strip()
    (index,) = (repo / ".git/objects/pack").glob("*.idx")
    index.chmod(0o644)
    index.write_bytes(index.read_bytes()[:keep])

    with pytest.raises(UnknownFormError):
        read_object(str(repo / ".git" / "objects"), head)
