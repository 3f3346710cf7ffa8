"""Asking git. What its files say plainly is read from them, since a git process costs some milliseconds."""

from __future__ import annotations

import os

from tako.errors import CheckoutError, MachineError
from tako.git_context import GIT_CONTEXT
from tako.process import NO_STOPS
from tako.repos import gitconfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tako.process import Completed, Processes
    from tako.signals import Stops

# Tako's own git also does without the configuration of the git command that started Tako, and without the user's
# template, which may hold hooks. It keeps GIT_CONFIG_COUNT: CI systems hand over credentials and safe.directory by it.
_HIDDEN = GIT_CONTEXT | {"GIT_CONFIG_PARAMETERS", "GIT_TEMPLATE_DIR"}
_OURS = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}
# The configuration that comes with a copy, or the user's own, must not start programs while we make a checkout.
_QUIET = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "submodule.recurse=false")


class Git:
    """Runs git, never on another repository than the one named."""

    def __init__(self, processes: Processes, *, stops: Stops = NO_STOPS, hidden: Collection[str] = ()) -> None:
        """``stops`` tell when git is to end. ``hidden`` are variables that it does not get; it may grow."""
        self._hidden = hidden
        self._processes = processes
        self._stops = stops
        self._abbreviations: tuple[gitconfig.Setting, ...] | None = None

    def stopped_by(self, stops: Stops) -> Git:
        """The same, but ended by other stops."""
        return Git(self._processes, stops=stops, hidden=self._hidden)

    def run(self, *arguments: str, index: str | None = None) -> Completed:
        """Run ``git`` with arguments that say where (``-C``, ``--git-dir``); no hook runs, no prompt appears.

        ``index`` is a file to use as the index instead of the repository's own. Raises ``MachineError`` if there is no
        git.
        """
        env = self._environment()
        if index is not None:
            env["GIT_INDEX_FILE"] = index
        try:
            return self._processes.run(("git", *_QUIET, *arguments), env=env, stops=self._stops)
        except MachineError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            raise MachineError(
                "git is not on the PATH", where="git", cure="install git, so that `git --version` works"
            ) from error

    def _environment(self) -> dict[str, str]:
        return {name: value for name, value in environment(os.environ).items() if name not in self._hidden}

    def check(self, *arguments: str, doing: str, where: str) -> str:
        """What git prints, without the last newline.

        ``doing`` and ``where`` are for the message. Raises ``CheckoutError`` with git's own words if it fails, and
        ``MachineError`` if there is no git.
        """
        completed = self.run(*arguments)
        if not completed.ok:
            raise CheckoutError(f"git could not {doing}", where=where, why=completed.message())
        return _text(completed.stdout).removesuffix("\n")

    def head_commit(self, directory: str) -> str | None:
        """The commit that a repository is at, 40 or 64 hexadecimal digits.

        None if the directory is not a repository's own (one further up does not count) or has no commit yet.
        Raises ``CheckoutError`` if git cannot make sense of it, ``MachineError`` if there is no git.
        """
        git_dir = find_git_dir(directory)
        if git_dir is None:
            return None
        head = _first_line(os.path.join(git_dir, "HEAD"))
        if head.startswith("ref: "):
            head = _commit_of_ref(common_dir(git_dir), head[len("ref: ") :].strip())
        if is_commit(head):
            return head
        completed = self.run(f"--git-dir={git_dir}", "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        if completed.ok:
            return _text(completed.stdout).strip()
        if completed.stderr.strip():
            raise CheckoutError("git cannot tell the current commit", where=directory, why=completed.message())
        return None

    def origin_url(self, directory: str) -> str | None:
        """The address of the remote ``origin``, else of the only remote, as it is written down.

        None without one, or outside a repository. Raises ``CheckoutError`` if the configuration cannot be read,
        ``MachineError`` if there is no git.
        """
        git_dir = find_git_dir(directory)
        if git_dir is None:
            return None
        settings = gitconfig.parse(_content(os.path.join(common_dir(git_dir), "config")))
        if settings and not any(setting.section.startswith("include") for setting in settings):
            return gitconfig.fetch_address(settings)
        return gitconfig.fetch_address(self._settings(git_dir, r"^remote\..*\.url$", directory))

    def expanded(self, address: str) -> str:
        """An address with the user's abbreviation in it written out (``url.<base>.insteadOf``, git-config(1)).

        Raises ``CheckoutError`` if the user's configuration cannot be read, ``MachineError`` if there is no git.
        """
        if self._abbreviations is None:
            self._abbreviations = self._settings(os.devnull, r"^url\..*\.insteadof$", "the user's configuration of git")
        return gitconfig.expanded(self._abbreviations, address)

    def _settings(self, git_dir: str, pattern: str, where: str) -> tuple[gitconfig.Setting, ...]:
        """The settings whose names match, of a repository and of the user."""
        completed = self.run(f"--git-dir={git_dir}", "config", "--null", "--get-regexp", pattern)
        if completed.exit.code not in (0, 1):
            raise CheckoutError("git cannot read the configuration", where=where, why=completed.message())
        return tuple(gitconfig.parse_list(_text(completed.stdout)))


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """A process environment in which git sees only the repository it is pointed at, asks nothing, speaks English."""
    kept = {name: value for name, value in base.items() if name not in _HIDDEN}
    return {**kept, **_OURS}


def find_git_dir(directory: str) -> str | None:
    """Where a repository keeps its history: its ``.git``, what a ``.git`` file points to, or a bare one itself.

    None if the directory is not the top of a repository.
    """
    path = os.path.join(directory, ".git")
    if os.path.isdir(path):
        return path
    pointer = _first_line(path)
    if pointer.startswith("gitdir: "):
        return os.path.join(directory, pointer[len("gitdir: ") :])
    if os.path.isfile(os.path.join(directory, "HEAD")) and all(
        os.path.isdir(os.path.join(directory, part)) for part in ("objects", "refs")
    ):
        return directory
    return None


def common_dir(git_dir: str) -> str:
    """The directory that linked working trees share (gitrepository-layout(5), ``commondir``)."""
    return os.path.join(git_dir, _first_line(os.path.join(git_dir, "commondir")))


def is_commit(text: str) -> bool:
    """Whether a text is a full commit id: SHA-1 or SHA-256 in lower-case hexadecimal."""
    return len(text) in (40, 64) and all(char in "0123456789abcdef" for char in text)


def _commit_of_ref(git_dir: str, ref: str) -> str:
    """What a loose or packed ref holds; empty if it is neither."""
    loose = _first_line(os.path.join(git_dir, ref))
    if loose:
        return loose
    packed = _content(os.path.join(git_dir, "packed-refs"))
    line_end = packed.find(f" {ref}\n")
    return packed[packed.rfind("\n", 0, line_end) + 1 : line_end] if line_end >= 0 else ""


def _first_line(path: str) -> str:
    return _content(path).partition("\n")[0].rstrip("\r")


def _content(path: str) -> str:
    """A file's text, empty if it cannot be read: git is asked then, and says why."""
    try:
        # Unbuffered: the index reads some small files of every repository.
        with open(path, "rb", buffering=0) as file:
            return _text(file.readall())
    except OSError:
        return ""


def _text(data: bytes) -> str:
    # The encoding of names on the file system, so that what git prints can be opened.
    return os.fsdecode(data)
