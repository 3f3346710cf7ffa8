from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tako.errors import NotCachedError, UsageError
from tako.process import Completed
from tako.repos.cache import CacheEntry, RepoCache, choose_ref, default_ref
from tako.repos.names import RepoRef

Unprivileged = Callable[[Path, str, str], Completed]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(root: Path) -> RepoCache:
    return RepoCache(str(root))


@pytest.fixture
def add(root: Path) -> Callable[..., Path]:
    """Puts checkouts into the cache: ``owner/name`` and the names of their directories."""

    def put(owner_name: str, *refs: str) -> Path:
        for ref in refs:
            (root / "repos" / owner_name / ref).mkdir(parents=True)
        return root / "repos" / owner_name

    return put


Add = Callable[..., Path]


def test_a_checkout_and_its_lock_lie_beside_each_other(cache: RepoCache, root: Path) -> None:
    wanted = RepoRef("org/lib", "feature/x")

    assert cache.path(wanted) == f"{root}/repos/org/lib/feature%2Fx"
    assert cache.lock_path(wanted) == f"{root}/locks/org/lib/feature%2Fx.lock"


@pytest.mark.parametrize("wanted", [RepoRef("../lib"), RepoRef("org/lib", "../x"), RepoRef("lib"), RepoRef("a/b/c")])
def test_no_name_leads_out_of_the_cache(cache: RepoCache, wanted: RepoRef) -> None:
    with pytest.raises(UsageError):
        cache.path(wanted)
    with pytest.raises(UsageError):
        cache.lock_path(wanted)


@pytest.mark.parametrize(
    ("refs", "default", "chosen"),
    [
        ((), None, None),
        (("v2", "main", "master"), "main", "main"),
        (("v2", "master"), "master", "master"),
        (("v2",), "v2", "v2"),
        (("v2", "v1"), None, "v1"),
    ],
)
def test_one_ref_stands_for_a_repository(refs: tuple[str, ...], default: str | None, chosen: str | None) -> None:
    assert default_ref(refs) == default
    assert choose_ref(refs) == chosen


def test_entries_are_sorted_one_for_each_repository(cache: RepoCache, add: Add, root: Path) -> None:
    add("org/lib", "main", "v1", "feature%2Fx")
    add("org/app", "develop")
    add("acme/.github", "v2", "v1")

    assert cache.entries() == (
        CacheEntry("acme/.github", "v1", f"{root}/repos/acme/.github/v1", other_refs=("v2",)),
        CacheEntry("org/app", "develop", f"{root}/repos/org/app/develop"),
        CacheEntry("org/lib", "main", f"{root}/repos/org/lib/main", other_refs=("feature/x", "v1")),
    )


def test_a_cache_that_is_not_there_is_empty(cache: RepoCache) -> None:
    assert cache.entries() == ()


def test_files_and_temporary_directories_are_no_repositories(cache: RepoCache, add: Add, root: Path) -> None:
    add("org/lib", "main", ".v1.tmp")
    add("org/empty").mkdir(parents=True)
    add(".trash/lib", "main")
    (root / "repos" / "file").touch()
    (root / "repos" / "org" / "file").touch()
    (root / "repos" / "org" / "lib" / "file").touch()
    (root / "repos" / "org" / "lib" / "link").symlink_to("file")

    assert cache.entries() == (CacheEntry("org/lib", "main", f"{root}/repos/org/lib/main"),)


@pytest.mark.parametrize("level", ["org", "org/lib", "org/lib/main"])
def test_a_linked_directory_is_followed(cache: RepoCache, add: Add, root: Path, tmp_path: Path, level: str) -> None:
    add("org/lib", "main")
    link = root / "repos" / level
    link.rename(tmp_path / "elsewhere")
    link.symlink_to(tmp_path / "elsewhere")

    assert cache.entries() == (CacheEntry("org/lib", "main", f"{root}/repos/org/lib/main"),)


@pytest.mark.parametrize("level", ["org", "org/lib", "org/lib/main"])
def test_a_broken_link_is_reported(cache: RepoCache, add: Add, root: Path, level: str) -> None:
    add("zoo/app", "main")
    link = root / "repos" / level
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to("/nowhere/at/all")

    broken, fine = cache.entries()

    assert broken.problem == "it is a broken symbolic link to /nowhere/at/all"
    assert broken.path == str(link)
    assert broken.owner_name == "/".join(level.split("/")[:2])
    assert fine.owner_name == "zoo/app"


def test_a_link_to_itself_is_reported(cache: RepoCache, add: Add, root: Path) -> None:
    link = add("org/lib", "v1") / "main"
    link.symlink_to("main")

    (entry,) = cache.entries()

    assert entry.ref == "main"
    assert "Too many levels of symbolic links" in entry.problem or "broken symbolic link" in entry.problem
    assert entry.other_refs == ("v1",)


def test_a_checkout_without_a_directory_for_its_ref_is_reported(cache: RepoCache, add: Add) -> None:
    add("org/lib", ".git", "src")

    (entry,) = cache.entries()

    assert entry.owner_name == "org/lib"
    assert "owner/name/ref" in entry.problem


def test_a_name_that_no_repository_has_is_reported(cache: RepoCache, add: Add) -> None:
    add("org/-lib", "main")

    (entry,) = cache.entries()

    assert entry.problem == "its name is not one that a repository can have"


@pytest.mark.parametrize("level", [".", "org", "org/lib"])
def test_a_directory_that_cannot_be_read_is_reported(
    add: Add, root: Path, unprivileged: Unprivileged, level: str
) -> None:
    add("org/lib", "main")
    (root / "repos" / level).chmod(0)

    completed = unprivileged(
        root, "from tako.repos.cache import RepoCache", "print([entry.problem for entry in RepoCache('.').entries()])"
    )

    assert completed.stdout.decode() == "['it cannot be read: Permission denied']\n", completed.message()


@pytest.mark.parametrize(
    ("refs", "text", "ref"),
    [
        (("main", "v1"), "org/lib", "main"),
        (("master", "v1"), "org/lib", "master"),
        (("v1",), "org/lib", "v1"),
        (("main", "v1"), "org/lib:v1", "v1"),
        (("main", "feature%2Fx"), "org/lib:feature/x", "feature/x"),
    ],
)
def test_a_checkout_is_located(
    cache: RepoCache, add: Add, root: Path, refs: tuple[str, ...], text: str, ref: str
) -> None:
    add("org/lib", *refs)

    entry = cache.locate(text)

    assert (entry.owner_name, entry.ref) == ("org/lib", ref)
    assert entry.path == cache.path(RepoRef("org/lib", ref))
    assert len(entry.other_refs) == len(refs) - 1


def test_of_several_refs_without_main_one_must_be_named(cache: RepoCache, add: Add) -> None:
    add("org/lib", "v2", "v1")

    with pytest.raises(NotCachedError, match="org/lib is in the cache, but not at main") as caught:
        cache.locate("org/lib")
    assert "v1, v2" in caught.value.why
    assert "org/lib:v1" in caught.value.cure


def test_main_is_not_replaced_where_it_was_asked_for(cache: RepoCache, add: Add) -> None:
    add("org/lib", "v1")

    with pytest.raises(NotCachedError, match="org/lib is not in the cache at main") as caught:
        cache.locate("org/lib:main")
    assert "it is there at v1" in caught.value.why
    assert f"git clone --branch main ADDRESS {cache.path(RepoRef('org/lib'))}" in caught.value.cure


def test_a_repository_that_is_not_cached_is_told_with_the_nearest_names(cache: RepoCache, add: Add, root: Path) -> None:
    for name in ("acme/lib", "org/libs", "zoo/zebra"):
        add(name, "main")

    with pytest.raises(NotCachedError, match="org/lib is not in the cache") as caught:
        cache.locate("org/lib")

    assert caught.value.where == f"{root}/repos/org/lib"
    assert caught.value.why == "the nearest names in it are acme/lib, org/libs"
    assert f"git clone ADDRESS {root}/repos/org/lib/main" in caught.value.cure


def test_without_near_names_some_of_what_is_there_is_told(cache: RepoCache, add: Add) -> None:
    for name in ("qqq/w1", "qqq/w2", "qqq/w3", "qqq/w4"):
        add(name, "main")

    with pytest.raises(NotCachedError) as caught:
        cache.locate("org/lib")
    assert caught.value.why == "in it are qqq/w1, qqq/w2, qqq/w3 and 1 more"


def test_an_empty_cache_says_so(cache: RepoCache) -> None:
    with pytest.raises(NotCachedError) as caught:
        cache.locate("org/lib")
    assert caught.value.why == "the cache is empty"


def test_a_broken_checkout_cannot_be_located(cache: RepoCache, add: Add) -> None:
    (add("org/lib", "v1") / "main").symlink_to("/nowhere")

    with pytest.raises(NotCachedError, match="org/lib cannot be used") as caught:
        cache.locate("org/lib")
    assert "broken symbolic link to /nowhere" in caught.value.why


def test_a_text_of_another_form_is_refused(cache: RepoCache) -> None:
    with pytest.raises(UsageError):
        cache.locate("../../etc")


def test_a_thousand_repositories_are_scanned_quickly(cache: RepoCache, root: Path) -> None:
    for number in range(1000):
        os.makedirs(f"{root}/repos/org-{number % 10}/repo-{number}/main")

    started = time.process_time()
    entries = cache.entries()
    seconds = time.process_time() - started

    assert len(entries) == 1000
    # 20 ms on the machine this was written on; reading every file's status would take ten times that.
    assert seconds < 0.5
