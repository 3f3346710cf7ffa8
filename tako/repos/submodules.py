"""The submodules of a private checkout: those that the source has populated are made there as well, in the same way."""

from __future__ import annotations

import os

from tako.errors import CheckoutError
from tako.repos.git import find_git_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tako.repos.git import Git

_SUBMODULE = "160000"


def populate(source: str, target: str, git: Git, make: Callable[[str, str, str], object]) -> None:
    """Fill the directories of submodules in a checkout at ``target`` that are filled at ``source``.

    ``make`` makes a checkout of a directory at another place, at a commit. Raises ``CheckoutError``, which names the
    submodule, if git fails or ``make`` does.
    """
    if not os.path.isfile(os.path.join(target, ".gitmodules")):
        return
    for path, commit in _submodules(target, git):
        there, here = os.path.join(source, path), os.path.join(target, path)
        if os.path.realpath(there) != os.path.join(os.path.realpath(source), path) or find_git_dir(there) is None:
            continue
        if os.path.isdir(here):
            os.rmdir(here)
        try:
            make(there, here, commit)
        except CheckoutError as error:
            from shlex import quote

            raise CheckoutError(
                f"the submodule {path} cannot be checked out: {error.what}",
                where=error.where,
                why=error.why,
                cure=f"git -C {quote(source)} submodule update --init --recursive",
            ) from error


def _submodules(directory: str, git: Git) -> Iterator[tuple[str, str]]:
    """The paths of the submodules in an index, and the commits they are to be at."""
    done = git.run("-C", directory, "ls-files", "--stage", "-z")
    if not done.ok:
        raise CheckoutError("git could not list the submodules", where=directory, why=done.message())
    for line in done.stdout.split(b"\0"):
        about, _, path = line.partition(b"\t")
        mode, _, rest = about.decode("ascii", "replace").partition(" ")
        if mode == _SUBMODULE:
            yield os.fsdecode(path), rest.partition(" ")[0]
