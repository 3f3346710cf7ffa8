"""How files that an older Tako wrote are read.

Every kind of file has a schema version, which is raised only where old and new data cannot be told apart, or the old
say something in another way. A field that is added with a default needs none: the default stands in for it. When a
version is raised, a pure function is added here that makes data of the new version out of those of the old one; it
stays for ever, as do the old files under ``tests/fixtures/state``, which must load for ever. A file is brought to
today's version in memory, when it is read; the next write of its owner brings it there on the disk.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from tako.files import Migration

MIGRATIONS: Mapping[str, Mapping[int, Migration]] = {"answer": {}, "request": {}, "state": {}}
"""By the kind of file, then by the version that a function starts from. Nothing has left version 1 yet."""
