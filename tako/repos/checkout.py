"""The private checkout of one child, made out of a shared one in the cache.

Three ways, in ``Checkout.method``:

- ``links``: what ``git clone --local`` does, with one git process instead of several; for ordinary repositories;
- ``clone``: ``git clone --local`` itself, for linked working trees, alternates, sparse and partial clones and
  whatever else ``replica.py`` does not recognise;
- ``copy``: file by file, for a directory that is not a git repository, or one without a commit.

Submodules that the source has populated are made in the same ways (``submodules.py``).

The first two hard-link the history as git does: a step that rewrites files under ``.git/objects`` in place, or changes
their mode or owner, does so in the cache as well. The working tree is always the child's own.
"""

from __future__ import annotations

import contextlib
import os

from tako.content import no_check
from tako.errors import CheckoutError, TakoError
from tako.locks import shared
from tako.records import record
from tako.repos.git import find_git_dir
from tako.repos.replica import NotPlainError, replicate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tako.clock import Clock
    from tako.content import Check
    from tako.repos.git import Git

LOCK_TIMEOUT_SECONDS = 600.0
"""How long to wait for whoever is fetching the source."""


@record
class Checkout:
    """A checkout that was made."""

    path: str
    commit: str | None
    """The full id of the commit it is at; None if the source has no history."""
    method: str
    """``links``, ``clone`` or ``copy``."""
    skipped: tuple[str, ...] = ()
    """What was not copied: sockets, FIFOs and devices, as paths in the source."""


def checkout(
    source: str,
    destination: str,
    *,
    commit: str | None,
    git: Git,
    lock_path: str | None,
    clock: Clock,
    lock_timeout: float = LOCK_TIMEOUT_SECONDS,
    waiting: Callable[[str], None] | None = None,
    check: Check = no_check,
) -> Checkout:
    """Make a private checkout of ``source`` at ``destination``, complete or not at all.

    ``source`` is a repository's top directory, or a plain one; it stays as it is, and uncommitted changes in it do
    not count. ``destination`` must not exist yet. ``commit`` is an id in hexadecimal, or None for where the source
    is; without any commit, what lies there is copied. ``lock_path`` is the lock that who changes the source holds, None
    if there is none; ``waiting`` is told when that takes long. ``check`` is called often, and ends the work by what it
    raises.

    Raises ``CheckoutError`` if it cannot be made, ``LockTimeoutError`` if the source stays locked, and
    ``MachineError`` if there is no git.
    """
    source, destination = os.path.abspath(source), os.path.abspath(destination)
    if commit is not None and not _could_be_commit(commit):
        raise CheckoutError(f"{commit!r} is not a commit id", where=source)
    temporary = f"{destination}.tmp"
    with contextlib.ExitStack() as stack:
        if lock_path is not None:
            stack.enter_context(shared(lock_path, clock=clock, timeout=lock_timeout, waiting=waiting))
        try:
            _check_places(source, destination, temporary)
            made = _make(source, temporary, commit, git, check)
            os.rename(temporary, destination)
        except BaseException as error:
            _discard(temporary)
            if isinstance(error, OSError):
                raise CheckoutError(
                    f"cannot make a checkout: {error.strerror or error}", where=str(error.filename or destination)
                ) from error
            raise
    return Checkout(destination, made.commit, made.method, made.skipped)


def _check_places(source: str, destination: str, temporary: str) -> None:
    if not os.path.isdir(source):
        raise CheckoutError("the repository is not there", where=source)
    if os.path.lexists(destination):
        raise CheckoutError("something is already where the checkout should be", where=destination)
    if os.path.lexists(temporary):
        _discard(temporary)
    os.makedirs(os.path.dirname(destination), exist_ok=True)


def _make(source: str, temporary: str, commit: str | None, git: Git, check: Check) -> Checkout:
    git_dir = find_git_dir(source)
    if git_dir is None:
        if commit is not None:
            raise CheckoutError(f"commit {commit} was asked for, but this is not a git repository", where=source)
        return _copied(source, temporary, check)
    head = git.head_commit(source)
    if head is None and commit is None:
        return _without_commit(source, git_dir, temporary, check)
    wanted = commit or head or "HEAD"
    method = "links"
    try:
        os.makedirs(temporary)
        replicate(git_dir, os.path.join(temporary, ".git"), check=check)
    except NotPlainError:
        _discard(temporary)
        from tako.repos.clone import clone

        method = "clone"
        clone(source, temporary, git)
    _reset(temporary, wanted, git, source=source, head=head)
    if method == "clone":
        from tako.repos.clone import make_independent

        make_independent(temporary, git)
    if git_dir != source:
        from tako.repos.submodules import populate

        populate(source, temporary, git, lambda there, here, at: _make(there, here, at, git, check))
    return Checkout(temporary, git.head_commit(temporary), method)


def _copied(source: str, temporary: str, check: Check) -> Checkout:
    from tako.tree_copy import copy_tree

    return Checkout(temporary, None, "copy", copy_tree(source, temporary, check=check))


def _without_commit(source: str, git_dir: str, temporary: str, check: Check) -> Checkout:
    """A repository that nothing was committed to: its files as they lie, and a history as empty as its own.

    What git was told about it is left out unless it is plain: it could lead back to the source.
    """
    if git_dir == source:
        raise CheckoutError(
            "the repository has no commit yet, and no working tree", where=source, cure="push something, or fetch"
        )
    made = _copied(source, temporary, check)
    own = os.path.join(temporary, ".git")
    if os.path.isdir(own) and not os.path.islink(own):
        _discard(own)
    else:
        os.unlink(own)
    try:
        replicate(git_dir, own, check=check)
    except NotPlainError:
        _discard(own)
    return made


def _reset(directory: str, commit: str, git: Git, *, source: str, head: str | None) -> None:
    done = git.run("-C", directory, "reset", "--hard", "--quiet", commit)
    if done.ok:
        return
    if commit == head or git.run("-C", directory, "cat-file", "-e", f"{commit}^{{commit}}").ok:
        raise CheckoutError(f"git could not check out {commit}", where=source, why=done.message())
    raise CheckoutError(
        f"commit {commit} is not in the repository",
        where=source,
        why=f"it is at {head or 'no commit'}",
        cure="fetch it there, or ask for another commit",
    )


def _could_be_commit(text: str) -> bool:
    return 7 <= len(text) <= 64 and all(char in "0123456789abcdefABCDEF" for char in text)


def _discard(path: str) -> None:
    from tako.files import remove_tree

    with contextlib.suppress(TakoError):
        remove_tree(path)
