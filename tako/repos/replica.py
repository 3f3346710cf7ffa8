"""A replica of an ordinary repository's history, without a git process: the objects hard-linked, the rest copied.

gitrepository-layout(5) says what there is. Objects, packs and their indexes are never changed once written, only
replaced, so a second name for the same file is a copy (git-clone(1), ``--local``). What is left out is what a clone
leaves out too: hooks, the index, reflogs, ``info``, the histories of submodules and the linked working trees.
"""

from __future__ import annotations

import errno
import os

from tako.content import copy_file, no_check
from tako.repos import gitconfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tako.content import Check

_NEEDS_GIT = ("commondir", "config.worktree", "objects/info/alternates", "objects/info/http-alternates")
_FILES = ("HEAD", "packed-refs", "shallow")

# Settings under which a repository is more than its objects and refs, or which name programs to be run.
_UNUSUAL_CORE = frozenset(
    {"worktree", "sparsecheckout", "sparsecheckoutcone", "hookspath", "fsmonitor", "gitproxy", "alternaterefscommand"}
)
_KNOWN_EXTENSIONS = frozenset({"objectformat", "noop"})

# No second name here: another file system, one without links, somebody else's file (fs.protected_hardlinks), too many.
_CANNOT_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP})


class NotPlainError(Exception):
    """The repository is not an ordinary one; its ``git clone`` needs git."""


def replicate(source: str, target: str, *, check: Check = no_check) -> None:
    """Make ``target`` the history of the repository whose ``.git`` is ``source``, with no index yet.

    ``check`` is called for each file, and often within large ones. Raises ``NotPlainError``, also half-way, for a
    repository that only git should copy, and ``OSError``.
    """
    config = _plain_config(source)
    os.mkdir(target)
    _each_file(os.path.join(source, "objects"), os.path.join(target, "objects"), _Linker(check))
    _each_file(os.path.join(source, "refs"), os.path.join(target, "refs"), _copy)
    for name in _FILES:
        path = os.path.join(source, name)
        if os.path.islink(path):
            raise NotPlainError(name)
        if os.path.exists(path):
            _copy(path, os.path.join(target, name))
    _write(os.path.join(target, "config"), config)


def is_plain_config(text: str) -> bool:
    """Whether a repository with this configuration can be replicated, and the configuration with it."""
    settings = gitconfig.parse(text)
    return bool(settings) and not any(_is_unusual(setting) for setting in settings or ())


def _is_unusual(setting: gitconfig.Setting) -> bool:
    section, key = setting.section, setting.key
    if section == "core":
        return key in _UNUSUAL_CORE or (key == "bare" and setting.value.lower() != "false")
    if section == "extensions":
        return key not in _KNOWN_EXTENSIONS
    if section == "remote":
        return key in ("promisor", "partialclonefilter")
    return section.startswith("include")


def _plain_config(source: str) -> bytes:
    if os.path.islink(source) or os.path.basename(source) != ".git":
        raise NotPlainError(source)
    for name in _NEEDS_GIT:
        if os.path.lexists(os.path.join(source, name)):
            raise NotPlainError(name)
    with open(os.path.join(source, "config"), "rb") as file:
        content = file.read()
    if not is_plain_config(os.fsdecode(content)):
        raise NotPlainError("config")
    return content


def _each_file(source: str, target: str, place: Callable[[str, str], None]) -> None:
    """Rebuild the directories of a tree and have each of its files placed."""
    pending = [(source, target)]
    while pending:
        directory, made = pending.pop()
        os.mkdir(made)
        with os.scandir(directory) as entries:
            for entry in entries:
                path = os.path.join(made, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    pending.append((entry.path, path))
                elif not entry.is_file(follow_symlinks=False):
                    raise NotPlainError(entry.path)
                elif not _is_passing(entry.name):
                    place(entry.path, path)


def _is_passing(name: str) -> bool:
    """Whether a file is one that git writes and then renames."""
    return name.startswith("tmp_") or name.endswith(".lock")


class _Linker:
    """Hard-links files; copies from the first on that cannot be linked."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._can_link = True

    def __call__(self, source: str, target: str) -> None:
        self._check()
        if self._can_link:
            try:
                os.link(source, target, follow_symlinks=False)
                return
            except OSError as error:
                if error.errno not in _CANNOT_LINK:
                    raise
                self._can_link = error.errno == errno.EMLINK
        copy_file(source, target, check=self._check)


def _copy(source: str, target: str) -> None:
    with open(source, "rb") as file:
        _write(target, file.read())


def _write(path: str, content: bytes) -> None:
    with open(path, "xb") as file:
        file.write(content)
