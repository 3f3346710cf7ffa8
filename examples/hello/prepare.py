"""Makes four tiny git repositories that Tako can run in about a second, for the impatient and for tests.

    python examples/hello/prepare.py --home DIR

DIR becomes a TAKO_HOME: ``DIR/cache/repos/hello/<name>/main`` are the repositories, in the shape of a diamond:
base is used by left and right, and both are used by top. Needs git, and no network.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from common import make_repository, run_script  # noqa: E402

NAMES = ("base", "left", "right", "top")


def main(argv: Sequence[str] | None = None) -> int:
    """The script; gives its exit code."""
    return run_script("Prepare the hello example.", prepare, argv)


def prepare(home: Path) -> None:
    """Fill ``home``; raises ``PrepareError`` if git is missing or fails."""
    for name in NAMES:
        make_repository(
            home,
            f"hello/{name}",
            origin=f"https://example.invalid/hello/{name}.git",
            files={
                "tako.yml": (HERE / "tako" / f"{name}.yml").read_bytes(),
                "greeting.txt": f"{name} says hello\n".encode(),
            },
        )


if __name__ == "__main__":
    sys.exit(main())
