from __future__ import annotations

from collections.abc import Sequence

import pytest

from tako.errors import StepError
from tako.execution.artifact_files import (
    DANGLING,
    DIRECTORY,
    LINK,
    SPECIAL,
    Chosen,
    Found,
    choose,
    is_tree,
    name_in_artifact,
    notes,
    without_places,
)


@pytest.mark.parametrize(
    ("pattern", "path", "name"),
    [
        ("notes.txt", "notes.txt", "notes.txt"),
        ("dist/notes.txt", "dist/notes.txt", "notes.txt"),
        ("./dist/", "dist", "dist"),
        (".", ".", ""),
        ("dist/*", "dist/a", "a"),
        ("./dist//*", "dist/a", "a"),
        ("*", "a", "a"),
        ("packages/*/package.json", "packages/a/package.json", "a/package.json"),
        ("build/*/lib.txt", "build/x/lib.txt", "x/lib.txt"),
        ("dist/**", "dist/deep/er/b", "deep/er/b"),
        ("**/*.jar", "a/b/c.jar", "a/b/c.jar"),
        ("a/b-[12]/c", "a/b-1/c", "b-1/c"),
    ],
)
def test_names_begin_at_the_first_wildcard(pattern: str, path: str, name: str) -> None:
    assert name_in_artifact(pattern, path) == name


def test_directories_of_other_matches_do_not_count() -> None:
    assert without_places(["d", "d/a", "d/e", "d/e/f", "d/a"]) == ["d/a", "d/e/f"]


@pytest.mark.parametrize(
    ("pattern", "tree"),
    [("dist", True), ("dist/**", True), ("p/*/x.json", True), ("dist/*", False), ("**/*.jar", False), ("d/*/", False)],
)
def test_a_wildcard_in_the_last_part_makes_no_tree(pattern: str, tree: bool) -> None:
    assert is_tree(pattern) is tree


def chosen(*found: Found, tracked: Sequence[str] = ()) -> Chosen:
    return choose(found, artifact="lib", where="tako.yml:3", tracked=lambda paths: set(paths) & set(tracked))


def at(source: str, pattern: str = "dist/*", *, touched: bool = True, kind: str = "file", match: str = "") -> Found:
    return Found(pattern, match or source, source, name_in_artifact(pattern, source), kind, 1, touched)


def sources(chosen: Chosen) -> list[str]:
    return [each.source for each in chosen.files]


def test_old_files_beside_new_ones_are_left_out() -> None:
    made = chosen(at("dist/new"), at("dist/old", touched=False))

    assert (sources(made), made.left_out, made.single) == (["dist/new"], ("dist/old",), "new")


def test_old_files_are_sent_if_nothing_is_new() -> None:
    made = chosen(at("dist/a", touched=False), at("dist/b", touched=False))

    assert (sources(made), made.left_out, made.stale) == (["dist/a", "dist/b"], (), ("dist/a", "dist/b"))


@pytest.mark.parametrize("pattern", ["dist/**", "dist/*/x"])
def test_a_tree_is_sent_whole(pattern: str) -> None:
    made = chosen(at("dist/a/x", pattern), at("dist/b/x", pattern, touched=False))

    assert (sources(made), made.left_out, made.stale) == (["dist/a/x", "dist/b/x"], (), ("dist/b/x",))


def test_old_files_of_another_directory_are_sent() -> None:
    made = chosen(at("p/a/1.tgz", "p/*/*.tgz"), at("p/b/1.tgz", "p/*/*.tgz", touched=False))

    assert sources(made) == ["p/a/1.tgz", "p/b/1.tgz"]


@pytest.mark.parametrize(
    ("old", "new", "left_out"),
    [
        ("lib-1.0.tar.gz", "lib-1.1.tar.gz", True),
        ("lib-1.0-3-gab12c.zip", "lib-1.1.zip", True),
        ("lib_1.0_amd64.deb", "lib_2.0_amd64.deb", True),
        ("index.html", "app.js", False),
        ("a.txt", "b.txt", False),
        ("lib-1.0.tar.gz", "lib-1.1.zip", False),
        ("other-1.0.zip", "lib-1.1.zip", False),
    ],
)
def test_of_the_sources_only_older_versions_are_left_out(old: str, new: str, left_out: bool) -> None:
    made = chosen(at(f"dist/{new}"), at(f"dist/{old}", touched=False), tracked=[f"dist/{old}"])

    assert made.left_out == ((f"dist/{old}",) if left_out else ())
    assert made.stale == ()
    assert made.unchanged == (() if left_out else (f"dist/{old}",))


def test_a_directory_with_something_new_counts_as_made() -> None:
    inside = [
        at("dist/d", kind=DIRECTORY),
        at("dist/d/a", match="dist/d"),
        at("dist/d/b", match="dist/d", touched=False),
    ]

    made = chosen(*inside, at("dist/old", touched=False))

    assert sources(made) == ["dist/d", "dist/d/a", "dist/d/b"]
    assert (made.left_out, made.single, made.count, made.size) == (("dist/old",), "d", 2, 3)


def test_what_a_new_link_leads_to_is_not_left_out() -> None:
    link = Found("dist/*", "dist/latest", "dist/latest", "latest", LINK, leads_to="dist/old")

    made = chosen(link, at("dist/new"), at("dist/old", touched=False), at("dist/older", touched=False))

    assert (sources(made), made.left_out) == (["dist/latest", "dist/new", "dist/old"], ("dist/older",))


def test_a_path_that_two_patterns_match_is_sent_once() -> None:
    made = chosen(at("dist/a", "dist/*"), at("dist/a", "*/a"))

    assert [(each.source, each.name) for each in made.files] == [("dist/a", "a")]


@pytest.mark.parametrize("other", [at("b/x", "b/*"), at("b/x/y", "b/**")])
def test_two_files_of_one_name_are_refused(other: Found) -> None:
    with pytest.raises(StepError, match=r"two things of one name, x: a/x and b/x") as caught:
        chosen(at("a/x", "a/*"), other)

    assert "a/* and b/*" in caught.value.why


@pytest.mark.parametrize("kind", [DANGLING, SPECIAL])
def test_what_cannot_be_sent_is_named(kind: str) -> None:
    with pytest.raises(StepError, match=r"artifact 'lib' cannot be sent: dist/odd is "):
        chosen(at("dist/a"), at("dist/odd", kind=kind))


def test_a_way_back_behind_a_wildcard_is_refused() -> None:
    with pytest.raises(StepError, match="goes back by"):
        chosen(at("a/../x", "*/../x"))


def test_what_is_left_out_or_old_is_told() -> None:
    assert notes("lib", chosen(at("dist/new"))) == ()
    (line,) = notes("lib", chosen(at("dist/new"), *(at(f"dist/{name}", touched=False) for name in "abcdefg")))
    assert "left out dist/a, dist/b, dist/c, dist/d, dist/e and 2 more" in line
    (line,) = notes("lib", chosen(at("dist/a", touched=False)))
    assert "made or changed dist/a" in line
