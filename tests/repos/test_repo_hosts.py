"""An address tells a host and a full path, and two addresses of one repository tell the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.repos.hosts import Identity, folded, is_named, is_same, parse_address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://github.com/org/lib.git", "github.com/org/lib"),
        ("https://github.com/org/lib", "github.com/org/lib"),
        ("https://GitHub.com/Org/lib/", "github.com/Org/lib"),
        ("https://github.com//org/lib.git//", "github.com/org/lib"),
        ("[git@git.example:2222]:org/lib.git", "git.example/org/lib"),
        ("https://dev.azure.com/org/_git/lib", "dev.azure.com/org/lib/lib"),
        ("https://org.visualstudio.com/_git/lib", "dev.azure.com/org/lib/lib"),
        ("https://stash.example/scm/org/lib.git", "stash.example/org/lib"),
        ("https://github.com/org/lib.git/", "github.com/org/lib"),
        ("https://www.github.com/org/lib", "github.com/org/lib"),
        ("https://user:token@host:8443/org/lib.git", "host/org/lib"),
        ("https://gitlab.example/group/sub/lib.git", "gitlab.example/group/sub/lib"),
        ("git@gitlab.example:group/sub/deep/lib.git", "gitlab.example/group/sub/deep/lib"),
        ("https://dev.azure.com/org/project/_git/lib", "dev.azure.com/org/project/lib"),
        ("https://org@dev.azure.com/org/project/_git/lib", "dev.azure.com/org/project/lib"),
        ("git@ssh.dev.azure.com:v3/org/project/lib", "dev.azure.com/org/project/lib"),
        ("https://org.visualstudio.com/DefaultCollection/project/_git/lib", "dev.azure.com/org/project/lib"),
        ("org@vs-ssh.visualstudio.com:v3/org/project/lib", "dev.azure.com/org/project/lib"),
        ("https://bitbucket.example.com/scm/proj/lib.git", "bitbucket.example.com/proj/lib"),
        ("ssh://git@bitbucket.example.com:7999/proj/lib.git", "bitbucket.example.com/proj/lib"),
        ("ssh://git@github.com/org/lib.git", "github.com/org/lib"),
        ("ssh://git@ssh.github.com:443/org/lib.git", "github.com/org/lib"),
        ("ssh://git@altssh.gitlab.com:443/org/lib.git", "gitlab.com/org/lib"),
        ("ssh://git@[::1]:22/org/lib", "::1/org/lib"),
        ("git://host/org/lib.git", "host/org/lib"),
        ("git+ssh://host/org/lib.git", "host/org/lib"),
        ("git@github.com:org/lib.git", "github.com/org/lib"),
        ("git@github.com:/org/lib", "github.com/org/lib"),
        ("github.com:org/lib", "github.com/org/lib"),
        ("git@[::1]:org/lib.git", "::1/org/lib"),
        ("host:/srv/git/org/lib.git", "host/srv/git/org/lib"),
        ("file:///srv/git/org/lib.git", "org/lib"),
        ("file://localhost/srv/git/org/lib.git", "org/lib"),
        ("/srv/git/org/lib.git", "org/lib"),
        ("/srv/git/org/lib.git/", "org/lib"),
        ("../org/lib.git", "org/lib"),
        ("https://github.com/org/.github", "github.com/org/.github"),
        ("  https://github.com/org/lib.git\n", "github.com/org/lib"),
        ("/home/me/work/lib", None),
        ("file:///home/me/work/lib", None),
        ("/home/me/work/lib/.git", None),
        ("../lib.git", None),
        ("lib.git", None),
        ("/lib.git", None),
        ("https://github.com/lib.git", None),
        ("git@github.com:lib.git", None),
        ("https://github.com", None),
        ("https://github.com/../..", None),
        ("https://github.com/org/-lib", None),
        ("https://github.com/org//lib", None),
        ("", None),
        (".git", None),
    ],
)
def test_address_tells_host_and_path(url: str, expected: str | None) -> None:
    found = parse_address(url)

    assert (found.full if found else None) == expected


@given(url=st.text())
def test_any_address_gives_parts_of_paths_or_nothing(url: str) -> None:
    found = parse_address(url)
    if found is not None:
        parts = found.path.split("/")
        assert len(parts) >= 2
        assert not {"", ".", ".."} & set(parts)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Identity("a/lib", "github.com"), Identity("A/LIB", "github.com"), True),
        (Identity("a/lib", "gitlab.acme.com"), Identity("A/LIB", "gitlab.acme.com"), True),
        (Identity("a/lib", "github-work"), Identity("A/LIB", "github-work"), True),
        (Identity("a/lib", "git.acme.com"), Identity("A/lib", "git.acme.com"), False),
        (Identity("a/lib"), Identity("A/lib"), False),
        (Identity("a/lib"), Identity("a/lib"), True),
        (Identity("a/lib"), Identity("a/lib", "github.com"), True),
        (Identity("A/lib"), Identity("a/lib", "github.com"), True),
        (Identity("A/lib"), Identity("a/lib", "git.acme.com"), False),
        (Identity("a/lib", "gitlab.com"), Identity("a/lib", "github.com"), False),
        (Identity("north/team/lib", "gitlab.com"), Identity("south/team/lib", "gitlab.com"), False),
        (Identity("north/team/lib", "gitlab.com"), Identity("team/lib", "gitlab.com"), False),
    ],
)
def test_same_repository_by_host_and_whole_path(one: Identity, other: Identity, expected: bool) -> None:
    assert is_same(one, other) is expected
    assert is_same(other, one) is expected


@pytest.mark.parametrize(
    ("identity", "written", "expected"),
    [
        (Identity("Acme/Lib", "github.com"), "acme/lib", True),
        (Identity("Acme/Lib", "github.com"), "GitHub.com/acme/lib", True),
        (Identity("Acme/Lib", "github.com"), "gitlab.com/acme/lib", False),
        (Identity("Acme/Lib", "git.acme.com"), "acme/lib", False),
        (Identity("Acme/Lib", "git.acme.com"), "GIT.acme.com/Acme/Lib", True),
        (Identity("g/sub/lib", "gitlab.com"), "sub/lib", False),
        (Identity("g/sub/lib", "gitlab.com"), "g/sub/lib", True),
        (Identity("acme/lib"), "github.com/acme/lib", False),
        (Identity("acme/lib"), "acme/lib", True),
    ],
)
def test_name_with_or_without_host(identity: Identity, written: str, expected: bool) -> None:
    assert is_named(identity, written) is expected
    if expected:
        assert identity.path.lower() in folded(written)
