"""A private clone by git itself, for what ``replica.py`` does not recognise as an ordinary repository."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tako.repos.git import Git

# A partial clone knows from these that what is missing can be fetched from its remote.
_PARTIAL = ("remote.origin.promisor", "remote.origin.partialclonefilter")


def clone(source: str, target: str, git: Git) -> None:
    """Clone without a working tree; origin is what it is in the source, or nothing if the source has none.

    Raises ``CheckoutError`` with git's words, ``MachineError`` if there is no git.
    """
    # An empty template: the user's own may hold hooks.
    flags = ("--quiet", "--local", "--no-checkout", "--origin=origin", "--template=")
    git.check("clone", *flags, "--", source, target, doing="clone the repository", where=source)
    url = git.origin_url(source)
    change = ("remove", "origin") if url is None else ("set-url", "origin", url)
    git.check("-C", target, "remote", *change, doing="set the clone's origin", where=source)
    for key in _PARTIAL if url is not None else ():
        found = git.run("-C", source, "config", "--get", key)
        if found.ok:
            value = os.fsdecode(found.stdout).strip()
            git.check("-C", target, "config", key, value, doing="set up the partial clone", where=source)
    # Which submodules are in use, and where they come from, is in no commit.
    listed = git.run("-C", source, "config", "--local", "--null", "--get-regexp", r"^submodule\..*\.(url|active)$")
    for setting in listed.stdout.split(b"\0") if listed.ok else ():
        key, newline, value = os.fsdecode(setting).partition("\n")
        if newline:
            git.check("-C", target, "config", key, value, doing="set up the submodules", where=source)


def make_independent(directory: str, git: Git) -> None:
    """Take in the objects that a clone borrows from another repository, which may go away (git-repack(1)).

    Raises ``CheckoutError`` with git's words.
    """
    alternates = os.path.join(directory, ".git", "objects", "info", "alternates")
    if not os.path.exists(alternates):
        return
    git.check("-C", directory, "repack", "-a", "-d", "-q", doing="copy the history", where=directory)
    os.unlink(alternates)
