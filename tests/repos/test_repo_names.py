from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.errors import UsageError
from tako.repos.names import RepoRef, decode_ref, encode_ref, is_name, is_ref, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("org/lib", RepoRef("org/lib", "main")),
        ("org/lib:v1.2", RepoRef("org/lib", "v1.2")),
        ("org/lib:feature/x", RepoRef("org/lib", "feature/x")),
        ("my-org/.github", RepoRef("my-org/.github", "main")),
        ("örg/bücher:ñ", RepoRef("örg/bücher", "ñ")),
    ],
)
def test_a_repository_is_named_with_or_without_a_ref(text: str, expected: RepoRef) -> None:
    assert parse(text) == expected
    assert parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lib",
        "/",
        "org/",
        "/lib",
        "a/b/c",
        "../lib",
        "org/..",
        "./lib",
        "org/.",
        "-org/lib",
        "org/-lib",
        "org/li\nb",
        "org/li\0b",
        "or\\g/lib",
        "org/lib\x7f",
    ],
)
def test_other_names_are_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(UsageError, match="is not a repository's name") as caught:
        parse(text)
    assert "owner/name" in caught.value.cure


@pytest.mark.parametrize(
    "ref",
    [
        "",
        "-x",
        "..",
        "a/../b",
        "/a",
        "a/",
        "a//b",
        "a b",
        "a:b",
        "a\\b",
        "a\nb",
        "a~1",
        "a^",
        "a?",
        "a*",
        "a[",
        ".a",
        "a.",
        "a/.b",
        "a.lock",
        "a.lock/b",
        "a@{1}",
    ],
)
def test_other_refs_are_refused(ref: str) -> None:
    with pytest.raises(UsageError, match="is not a ref's name"):
        parse(f"org/lib:{ref}")


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ("main", "main"),
        ("v1.2.3-rc.1+5", "v1.2.3-rc.1+5"),
        ("feature/x", "feature%2Fx"),
        ("50%", "50%25"),
        ("é", "%C3%A9"),
    ],
)
def test_a_ref_becomes_one_directory(ref: str, name: str) -> None:
    assert encode_ref(ref) == name
    assert decode_ref(name) == ref


@pytest.mark.parametrize("name", ["100%", "%", "%2", "%zz", "a%g0b", "%%41", "%+1"])
def test_a_percent_sign_that_encodes_nothing_stands_for_itself(name: str) -> None:
    assert decode_ref(name).replace("A", "%41") == name


@given(ref=st.text())
def test_every_ref_has_a_directory_of_its_own_that_stays_where_it_is(ref: str) -> None:
    if not is_ref(ref):
        return
    name = encode_ref(ref)

    assert decode_ref(name) == ref
    assert name.isascii()
    assert is_name(name)
    assert os.path.normpath(os.path.join("/repos", name)) == f"/repos/{name}"
    assert not name.startswith(".")


@given(text=st.text())
def test_every_name_stays_where_it_is(text: str) -> None:
    if is_name(text):
        assert os.path.normpath(f"/repos/{text}/x") == f"/repos/{text}/x"
        assert not text.startswith("-")
