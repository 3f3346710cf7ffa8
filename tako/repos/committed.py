"""What counts as the ``tako.yml`` of a cached repository: the one of the commit that would be run."""

from __future__ import annotations

import os
import posixpath

from tako.errors import CheckoutError
from tako.records import record
from tako.repos.git import common_dir, find_git_dir
from tako.repos.objects import TreeEntry, UnknownFormError, read_object, tree_entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.repos.git import Git

CONFIG_FILE = "tako.yml"
_LINK = "120000"
_FILES = ("100644", "100755")
_MOST_LINKS = 5


@record
class Committed:
    """What to read instead of the file in the working tree."""

    content: bytes | None
    """The content of the committed file; None if the commit has none."""
    warning: str = ""
    """How the working tree differs, if it does."""


def bare_without_commit(directory: str, head: str | None) -> str:
    """Return why nothing of a bare repository can be used, and what to do; empty if its HEAD has a commit."""
    if head is not None or find_git_dir(directory) != directory:
        return ""
    from shlex import quote

    return (
        f"{directory} is a bare repository whose HEAD has no commit, so it has no {CONFIG_FILE}:"
        f" git -C {quote(directory)} symbolic-ref HEAD refs/heads/BRANCH"
    )


def committed_config(directory: str, head: str | None, git: Git) -> Committed | None:
    """Return what the commit that a directory is at, ``head``, has as its ``tako.yml``.

    None if the file in the directory counts: it is what is committed, there is no commit, or git cannot read it, which
    the checkout reports. Asks git only if the file is not the committed one byte by byte. Raises ``MachineError`` if
    git is needed and missing.
    """
    try:
        return _committed(directory, head, git)
    except CheckoutError:
        return None


def _committed(directory: str, head: str | None, git: Git) -> Committed | None:
    git_dir = find_git_dir(directory)
    if git_dir is None or head is None:
        return None
    is_bare = git_dir == directory
    path = os.path.join(directory, CONFIG_FILE)
    entry = _entry(git_dir, head, git)
    working = None if is_bare else _blob(path)
    if entry is None:
        uncommitted = f"{path} is not committed, so it does not count: commit it" if working is not None else ""
        return Committed(None, uncommitted)
    if working is not None and _is_blob(working, entry) and entry.mode != _LINK:
        return None
    content, found = _content(git_dir, head, entry, git)
    if content is None:
        return Committed(None, f"{path} is committed as a link that leads to no committed file, so it does not count")
    if is_bare:
        return Committed(content)
    if working is None:
        warning = f"{path} is deleted, but not in the commit {head[:12]}, which counts: commit that"
        return Committed(content, "" if _is_left_out(directory, git_dir, git) else warning)
    # Line ends and filters may make of a file what is committed, and a link's content is elsewhere.
    if all(_is_committed(directory, name, each, git) for name, each in found.items()):
        return None
    return Committed(
        content, f"{path} has uncommitted changes, which do not count: the file of commit {head[:12]} is used"
    )


def _entry(git_dir: str, commit: str, git: Git) -> TreeEntry | None:
    """The file in the tree of a commit."""
    objects = os.path.join(common_dir(git_dir), "objects")
    try:
        _, content = read_object(objects, commit)
        word, _, tree = content.partition(b"\n")[0].decode("ascii", "replace").partition(" ")
        if word == "tree" and not os.path.isdir(os.path.join(common_dir(git_dir), "refs", "replace")):
            _, content = read_object(objects, tree)
            return tree_entries(content, len(tree) // 2).get(CONFIG_FILE.encode())
    except UnknownFormError:
        pass
    return _entry_by_git(git_dir, commit, CONFIG_FILE, git)


def _entry_by_git(git_dir: str, commit: str, name: str, git: Git) -> TreeEntry | None:
    line = git.check(f"--git-dir={git_dir}", "ls-tree", "-z", commit, "--", name, doing="read a tree", where=git_dir)
    parts = line.partition("\t")[0].split(" ")
    return TreeEntry(parts[0], parts[2]) if len(parts) == 3 else None


def _content(git_dir: str, commit: str, entry: TreeEntry, git: Git) -> tuple[bytes | None, dict[str, TreeEntry]]:
    """A committed file's content, links followed, and what is on the way; no content if that leads to no file."""
    name, each, found = CONFIG_FILE, entry, {CONFIG_FILE: entry}
    while each.mode == _LINK and len(found) <= _MOST_LINKS:
        link = os.fsdecode(_blob_content(git_dir, each.id, git))
        name = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
        target = _entry_by_git(git_dir, commit, name, git) if not name.startswith(("..", "/")) else None
        if target is None or name in found:
            return None, found
        found[name] = each = target
    return (_blob_content(git_dir, each.id, git) if each.mode in _FILES else None), found


def _is_committed(directory: str, name: str, entry: TreeEntry, git: Git) -> bool:
    """Whether git would commit a file or link of the working tree as it is committed."""
    path = os.path.join(directory, name)
    if entry.mode == _LINK or os.path.islink(path):
        working = _blob(path)
        return entry.mode == _LINK and os.path.islink(path) and working is not None and _is_blob(working, entry)
    done = git.run("-C", directory, "hash-object", f"--path={name}", "--", path)
    return done.ok and os.fsdecode(done.stdout).strip() == entry.id


def _is_left_out(directory: str, git_dir: str, git: Git) -> bool:
    """Whether the file is missing because git did not check it out, and not because somebody deleted it."""
    # `git clone --no-checkout` leaves no index.
    if not os.path.exists(os.path.join(git_dir, "index")):
        return True
    done = git.run("-C", directory, "ls-files", "-t", "--", CONFIG_FILE)
    # The tag of files that a sparse checkout skips.
    return done.stdout.startswith(b"S ")


def _blob_content(git_dir: str, blob: str, git: Git) -> bytes:
    try:
        return read_object(os.path.join(common_dir(git_dir), "objects"), blob)[1]
    except UnknownFormError:
        done = git.run(f"--git-dir={git_dir}", "cat-file", "blob", blob)
        if not done.ok:
            raise CheckoutError(f"git cannot read {CONFIG_FILE}", where=git_dir, why=done.message()) from None
        return done.stdout


def _blob(path: str) -> bytes | None:
    """What git would commit of a path; None if it is no file or link, empty if it cannot be read."""
    try:
        if os.path.islink(path):
            return os.fsencode(os.readlink(path))
        if not os.path.isfile(path):
            return None
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except OSError:
        return b""


def _is_blob(content: bytes, entry: TreeEntry) -> bool:
    import hashlib

    make = hashlib.sha1 if len(entry.id) == 40 else hashlib.sha256
    return make(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == entry.id
