"""The step cache: what steps came to, kept under the key of what that hung on (see ``step_key``).

::

    <home>/cache/steps/<2 hex>/<key>/entry.json     what the step put out, with checksums; its mtime is the last use
    <home>/cache/steps/<2 hex>/<key>/files/…        the artifact that it produced, at its paths in the repository
    <home>/cache/steps/<2 hex>/.<what>-<pid>-…      being written, or being removed

An entry comes and goes by one rename, so it is there whole or not at all, and is never changed but for its time. Of two
who write the same key the first wins. Who copies from an entry checks the copy, not the entry: what is removed, or
damaged, meanwhile is then not used. Nothing here is flushed to the disk: what a power cut leaves of an entry does not
match its checksum, and a missing entry is a step that is run.
"""

from __future__ import annotations

import contextlib
import errno
import os

from tako.content import copy_file, copy_link, no_check
from tako.errors import MachineError, StateError, TakoError
from tako.execution.checksums import path_checksum
from tako.files import foreign_content, machine_errors, make_dirs, read_document, remove_tree, write_document
from tako.records import record, to_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from tako.content import Check

KIND = "step-cache"
SCHEMA = 1

ENTRY = "entry.json"
FILES = "files"

_KEY_DIGITS = 64

WRITING = ".writing"
REMOVING = ".removing"


@record
class CachedStep:
    """What a step came to."""

    key: str
    repo: str
    workflow: str
    step: str
    run_id: str
    """The run whose step it was."""
    created_at: float
    """Seconds since 1970."""
    outputs: Mapping[str, str] = {}
    sha256: str | None = None
    """Of the files of its artifact, as they lie in ``files``; None if it made none."""
    result: str | None = None
    """What it printed on stdout, if its workflow read that."""


class DamagedEntryError(Exception):
    """An entry is there, but is not what was put there."""


class StepCache:
    """The step cache of a Tako home. Its directory need not exist."""

    def __init__(self, home: str) -> None:
        self.root = os.path.join(home, "cache", "steps")

    def path(self, key: str) -> str:
        """Where the entry of a key is, or would be."""
        return os.path.join(self.root, key[:2], key)

    def put(self, entry: CachedStep, files: Mapping[str, str], *, check: Check = no_check) -> bool:
        """Add an entry with the files and directories of its artifact: paths in the repository to where they are.

        The entry's checksum is made here. Returns False if there is one already, which stays. ``check`` is called
        often. Raises ``MachineError``.
        """
        final = self.path(entry.key)
        if os.path.exists(final):
            return False
        temporary = self._aside(final, WRITING)
        try:
            data = {
                **to_data(entry),
                "sha256": _copy_all(files, os.path.join(temporary, FILES), check) if files else None,
            }
            make_dirs(temporary)
            write_document(os.path.join(temporary, ENTRY), KIND, SCHEMA, data, durable=False)
            return _rename(temporary, final)
        finally:
            _discard(temporary)

    def get(self, key: str, copy_to: str, *, check: Check = no_check) -> CachedStep | None:
        """The entry of a key, with its files copied to a directory that is made, or replaced; None if there is none.

        ``check`` is called often. Raises ``DamagedEntryError``, or ``MachineError`` if the copy cannot be made.
        """
        place = self.path(key)
        before = _identity(place)
        if before is None:
            return None
        try:
            entry = self._read(key)
            if entry.sha256 is not None:
                _copy_checked(os.path.join(place, FILES), copy_to, entry.sha256, check)
        except (StateError, DamagedEntryError, MachineError) as error:
            if _identity(place) != before:
                # Somebody removed it while it was read; another one may be there by now.
                return None
            if isinstance(error, MachineError):
                raise
            raise DamagedEntryError(str(error)) from error
        return entry

    def used(self, key: str) -> None:
        """Note that an entry was of use just now."""
        with contextlib.suppress(OSError):
            os.utime(os.path.join(self.path(key), ENTRY))

    def check(self, key: str) -> CachedStep:
        """The entry of a key, if it is whole. Raises ``DamagedEntryError``."""
        try:
            entry = self._read(key)
            files = os.path.join(self.path(key), FILES)
            if entry.sha256 is not None and path_checksum(files) != entry.sha256:
                raise DamagedEntryError("its files do not match their checksum")
        except (StateError, MachineError) as error:
            raise DamagedEntryError(error.what) from error
        return entry

    def read(self, key: str) -> CachedStep:
        """The entry of a key, without a look at its files. Raises ``DamagedEntryError``."""
        try:
            return self._read(key)
        except StateError as error:
            raise DamagedEntryError(error.what) from error

    def remove(self, key: str, *, check: Check = no_check) -> None:
        """Remove an entry, at once for everybody; one that is not there is fine.

        ``check`` is called often; if it raises, the rest is among what ``left_behind`` finds. Raises ``MachineError``.
        """
        place = self.path(key)
        aside = self._aside(place, REMOVING)
        with machine_errors("remove", place):
            try:
                os.rename(place, aside)
            except FileNotFoundError:
                return
        remove_tree(aside, check=check)

    def keys(self) -> Iterator[str]:
        """The keys of all entries, whole or not."""
        for directory in self._directories():
            prefix = os.path.basename(directory)
            yield from (name for name in _names(directory) if len(name) == _KEY_DIGITS and name.startswith(prefix))

    def left_behind(self) -> Iterator[tuple[str, int]]:
        """What is being written or removed, or was when somebody was killed: its path, and by which process."""
        for directory in self._directories():
            for name in _names(directory):
                kind, _, rest = name.partition("-")
                if kind in (WRITING, REMOVING):
                    pid = rest.partition("-")[0]
                    yield os.path.join(directory, name), int(pid) if pid.isdecimal() else 0

    def _read(self, key: str) -> CachedStep:
        path = os.path.join(self.path(key), ENTRY)
        data = read_document(path, KIND, SCHEMA)
        with foreign_content(KIND, path):
            entry = CachedStep(**data)
            if entry.key != key:
                raise ValueError(f"it is that of another key, {entry.key}")
            if not all(isinstance(value, str) for value in entry.outputs.values()):
                raise ValueError("an output is not text")
            if not isinstance(entry.result, str | None):
                raise ValueError("its result is not text")
        return entry

    def _directories(self) -> Iterator[str]:
        for name in _names(self.root):
            yield os.path.join(self.root, name)

    def _aside(self, place: str, what: str) -> str:
        directory, key = os.path.split(place)
        return os.path.join(directory, f"{what}-{os.getpid()}-{os.urandom(4).hex()}-{key[:12]}")


def _copy_all(files: Mapping[str, str], target: str, check: Check) -> str:
    """Copy files and directories to their names in a directory; returns the checksum of all."""
    for name, source in files.items():
        copy = os.path.join(target, name)
        make_dirs(os.path.dirname(copy))
        if os.path.islink(source) and _leads_to_another(os.readlink(source), name, files):
            with machine_errors("copy", source):
                copy_link(source, copy)
        else:
            copy_thing(source, copy, check=check)
    return path_checksum(target, check=check)


def _leads_to_another(text: str, name: str, files: Collection[str]) -> bool:
    """Whether a link leads to something else that is copied, so that it can stay a link."""
    led_to = os.path.normpath(os.path.join(os.path.dirname(name), text))
    return any(f"{led_to}/".startswith(f"{each}/") or each.startswith(f"{led_to}/") for each in files)


def _copy_checked(source: str, target: str, expected: str, check: Check) -> None:
    if not os.path.isdir(source):
        raise DamagedEntryError("its files are gone")
    remove_tree(target, check=check)
    copy_thing(source, target, check=check)
    if path_checksum(target, check=check) != expected:
        remove_tree(target)
        raise DamagedEntryError("its files do not match their checksum")


def copy_thing(source: str, target: str, *, check: Check = no_check) -> None:
    """Copy a file or a directory, links in it as links, to a path of its own; ``check`` is called often.

    Raises ``MachineError``.
    """
    from tako.tree_copy import copy_tree

    with machine_errors("copy", source):
        skipped = copy_tree(source, target, check=check) if os.path.isdir(source) else ()
        if skipped:
            raise OSError(None, "it is no file", os.path.join(source, skipped[0]))
        if not os.path.isdir(source):
            copy_file(source, target, check=check)


def _rename(temporary: str, final: str) -> bool:
    with machine_errors("write", final):
        try:
            os.rename(temporary, final)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            raise
    return True


def _identity(path: str) -> tuple[int, int] | None:
    """What tells a directory from another one that took its name; None if there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns


def _discard(path: str) -> None:
    with contextlib.suppress(TakoError):
        remove_tree(path)


def _names(directory: str) -> Sequence[str]:
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return ()
