from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tako.process import Processes
from tako.repos.gitconfig import Setting, expanded, fetch_address, parse

PLAIN = """\
# written by git
[core]
\trepositoryformatversion = 0
\tBare = false
\tlogallrefupdates
[remote "origin"]
\turl = https://example.invalid/org/lib.git
\tfetch = +refs/heads/*:refs/remotes/origin/*
\tfetch = +refs/tags/*:refs/tags/*
; the branch
[branch "feature/x"]
\tremote = origin
"""


def test_plain_settings_are_read_in_their_order() -> None:
    settings = parse(PLAIN)

    assert settings is not None
    assert settings[0] == Setting("core", "", "repositoryformatversion", "0")
    assert settings[1] == Setting("core", "", "bare", "false")
    assert settings[2] == Setting("core", "", "logallrefupdates", "true")
    assert settings[3] == Setting("remote", "origin", "url", "https://example.invalid/org/lib.git")
    assert settings[-1] == Setting("branch", "feature/x", "remote", "origin")


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ((), None),
        ((("origin", "a"), ("origin", "b")), "a"),
        ((("upstream", "a"), ("origin", "b")), "b"),
        ((("upstream", "a"), ("upstream", "b")), "a"),
        ((("upstream", "a"), ("fork", "b")), None),
    ],
)
def test_address_is_the_one_git_fetches_from(addresses: tuple[tuple[str, str], ...], expected: str | None) -> None:
    settings = [Setting("remote", name, "url", address) for name, address in addresses]
    others = [Setting("remote", "origin", "pushurl", "p"), Setting("url", "origin", "url", "u")]

    assert fetch_address([*others, *settings]) == expected


def test_longest_abbreviation_is_expanded() -> None:
    rules = [
        Setting("url", "git@github.com:", "insteadof", "gh:"),
        Setting("url", "git@github.com:acme/", "insteadof", "gh:a/"),
        Setting("url", "nowhere", "insteadof", ""),
    ]

    assert expanded(rules, "gh:a/lib") == "git@github.com:acme/lib"
    assert expanded(rules, "gh:b/lib") == "git@github.com:b/lib"
    assert expanded(rules, "https://gh:b/lib") == "https://gh:b/lib"


def test_an_empty_file_holds_nothing() -> None:
    assert parse("") == ()
    assert parse("\n# only words\n") == ()


@pytest.mark.parametrize(
    "text",
    [
        "[a]\nkey = 'quoted\"",
        '[a]\nkey = "quoted"',
        "[a]\nkey = one \\\n two",
        "[a]\nkey = value # comment",
        "[a]\nkey = value ; comment",
        "key = before any section",
        "[a] key = on the same line",
        '[a "b\\"c"]\nkey = x',
        '[a "b]\nkey = x',
        "[a.b]\nkey = x",
        "[]\nkey = x",
        "[a",
    ],
)
def test_whatever_needs_git_is_left_to_git(text: str) -> None:
    assert parse(text) is None


names = st.text("abcXYZ019-", min_size=1, max_size=5).filter(lambda name: name[0].isalpha())
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=15)
lines = st.one_of(
    st.builds("[{}]".format, names),
    st.builds("[{}]".format, texts),
    st.builds('[{} "{}"]'.format, names, texts),
    st.builds("  {} = {}".format, names, texts),
    st.builds("\t{}\r".format, names),
    st.builds("{}={}".format, texts, names),
    st.builds("# {}".format, texts),
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for what hypothesis writes again and again."""
    return tmp_path_factory.mktemp("scratch")


@settings(max_examples=40)
@given(content=st.lists(lines, max_size=6).map("\n".join))
def test_what_is_read_is_what_git_reads(scratch: Path, content: str) -> None:
    found = parse(content)
    if found is None:
        return
    path = scratch / "config"
    path.write_bytes(content.encode())

    completed = Processes().run(["git", "config", "--file", str(path), "--null", "--list"], env=os.environ)

    assert completed.ok, completed.message()
    expected = [
        ".".join(part for part in (item.section, item.subsection, item.key) if part)
        + ("" if item.value == "true" else f"\n{item.value}")
        for item in found
    ]
    listed = completed.stdout.decode().split("\0")[:-1]
    assert [item.removesuffix("\ntrue") for item in listed] == expected


def test_the_configuration_of_a_clone_is_plain(
    make_repo: Callable[..., Path], run_git: Callable[..., str], tmp_path: Path
) -> None:
    source = make_repo(tmp_path / "source")
    run_git(tmp_path, "clone", "--quiet", str(source), "clone")

    settings = parse((tmp_path / "clone" / ".git" / "config").read_text())

    assert settings is not None
    assert fetch_address(settings) == str(source)
