"""Makes installed packages importable in a Python that was started without them.

The local launcher starts children with ``-S``: ``site`` costs 5 ms, and most children need nothing but the standard
library and Tako itself. The first import of something else brings ``site`` in after all.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


def make_available() -> None:
    """Do what Python does at its start unless it was told not to; once."""
    if sys.flags.no_site and not _done:
        import site

        _done.append(True)
        site.main()


class OnDemand:
    """The last finder to be asked for a module: when it is, none of the others knew it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Bring the packages in and ask the others again."""
        if _done:
            return None
        make_available()
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                return spec
        return None


_done: list[bool] = []
