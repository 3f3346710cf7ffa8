"""Fails if a document links to a file or a heading of this repository that is not there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The names under which a document's headings can be linked to, as GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in HEADING.findall(text)}


def dead_links(document: Path) -> list[str]:
    """Links of a document that lead nowhere; addresses of the web are not followed."""
    text = document.read_text(encoding="utf-8")
    dead = []
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = document.parent / path if path else document
        if not linked.exists():
            dead.append(f"{document}: {target}: no such file")
        elif anchor and linked.suffix == ".md" and anchor not in anchors(linked.read_text(encoding="utf-8")):
            dead.append(f"{document}: {target}: no such heading")
    return dead


if __name__ == "__main__":
    found = [problem for name in sys.argv[1:] for problem in dead_links(Path(name))]
    print("\n".join(found) or f"links: {', '.join(sys.argv[1:])}: fine")
    sys.exit(bool(found))
