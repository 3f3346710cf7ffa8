"""The files that git tracks in a working tree, remembered, so that what changed can be put back as it was.

A file that was as the index has it is taken from there again, by a copy of the index made beforehand; one that was not
is copied beforehand. So uncommitted work survives, byte by byte. Index, history and untracked files are not touched.
"""

from __future__ import annotations

import os

from tako.content import PIECE, copy_file, copy_link, no_check
from tako.errors import CheckoutError
from tako.files import machine_errors, make_dirs, remove_tree
from tako.records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from tako.content import Check
    from tako.repos.git import Git

_AT_ONCE = 200
"""Paths given to one git process."""


@record
class Remembered:
    """A working tree at one moment."""

    top: str
    """Its top directory."""
    index: str
    """A copy of its index."""
    copies: str
    """The directory with copies of what was not as the index has it."""
    edited: tuple[str, ...]
    """What that was, deleted files included; relative to the top."""


def remember(directory: str, store: str, git: Git, *, check: Check = no_check) -> Remembered | None:
    """The working tree that a directory is in; what must be copied is put into ``store``, which must exist.

    None if it is in none. ``check`` is called often. Raises what it raises, ``CheckoutError`` if git fails, and
    ``MachineError`` if something cannot be copied.
    """
    found = git.run("-C", directory, "rev-parse", "--show-toplevel")
    if not found.ok:
        return None
    top = os.fsdecode(found.stdout).removesuffix("\n")
    index = git.check("-C", top, "rev-parse", "--git-path", "index", doing="tell where its index is", where=top)
    copy = os.path.join(store, "index")
    _copy(os.path.join(top, index), copy)
    copies = os.path.join(store, "files")
    made = Remembered(top, copy, copies, ())
    edited = _differing(made, git)
    for name in edited:
        _copy(os.path.join(top, name), os.path.join(copies, name), check)
    return Remembered(top, copy, copies, edited)


def changed_since(tree: Remembered, git: Git) -> tuple[str, ...]:
    """The tracked files that are not what they were, sorted; relative to the top. Raises ``CheckoutError``."""
    before = frozenset(tree.edited)
    spoiled = {name for name in _differing(tree, git) if name not in before}
    edited = {name for name in before if not _same(os.path.join(tree.copies, name), os.path.join(tree.top, name))}
    return tuple(sorted(spoiled | edited))


def put_back(tree: Remembered, names: Iterable[str], git: Git) -> None:
    """Make tracked files what they were. Raises ``CheckoutError`` or ``MachineError``, naming what could not be."""
    before = frozenset(tree.edited)
    names = tuple(names)
    clean = [name for name in names if name not in before]
    for start in range(0, len(clean), _AT_ONCE):
        some = clean[start : start + _AT_ONCE]
        done = git.run("-C", tree.top, "checkout-index", "--force", "--", *some, index=tree.index)
        if not done.ok:
            raise CheckoutError("git could not put files back", where=tree.top, why=done.message())
    for name in names:
        if name in before:
            _copy(os.path.join(tree.copies, name), os.path.join(tree.top, name))


def _differing(tree: Remembered, git: Git) -> tuple[str, ...]:
    """What is not as the remembered index has it, deleted files included."""
    done = git.run(
        *("-C", tree.top, "diff", "--name-only", "-z", "--no-ext-diff", "--no-renames", "--ignore-submodules=all"),
        index=tree.index,
    )
    if not done.ok:
        raise CheckoutError("git could not tell what has changed", where=tree.top, why=done.message())
    return tuple(sorted({os.fsdecode(name) for name in done.stdout.split(b"\0") if name}))


def _copy(source: str, target: str, check: Check = no_check) -> None:
    """Make one path like another: a file with its mode and times, a link, or nothing."""
    make_dirs(os.path.dirname(target))
    if os.path.isdir(target) and not os.path.islink(target):
        remove_tree(target)
    with machine_errors("copy", source):
        if os.path.lexists(target):
            os.unlink(target)
        if os.path.islink(source):
            copy_link(source, target)
        elif os.path.lexists(source):
            copy_file(source, target, check=check)


def _same(first: str, second: str) -> bool:
    with machine_errors("compare", second):
        if not os.path.lexists(first) or not os.path.lexists(second):
            return os.path.lexists(first) == os.path.lexists(second)
        if os.path.islink(first) or os.path.islink(second):
            both = os.path.islink(first) and os.path.islink(second)
            return both and os.readlink(first) == os.readlink(second)
        if not os.path.isfile(second) or os.stat(first).st_mode != os.stat(second).st_mode:
            return False
        with open(first, "rb") as one, open(second, "rb") as other:
            while block := one.read(PIECE):
                if block != other.read(PIECE):
                    return False
            return not other.read(1)
