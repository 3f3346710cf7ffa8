"""Short ways to say what a repository does. A ``tako.yml`` may be JSON, since that is YAML too."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

EVENT = "made"
WORKFLOW = "work"


def config(name: str, *steps: dict[str, Any], hears: str | Iterable[str] = (), **workflow: Any) -> str:
    """The ``tako.yml`` of a repository with one workflow, ``work``, which runs when one of ``hears`` made something.

    ``workflow`` are more fields of the workflow.
    """
    sources = [hears] if isinstance(hears, str) else list(hears)
    return json.dumps(
        {
            "version": 1,
            "metadata": {"name": name},
            "workflows": {WORKFLOW: {**workflow, "steps": list(steps)}},
            "subscriptions": [subscription(source) for source in sources],
        },
        indent=1,
    )


def subscription(source: str, **more: Any) -> dict[str, Any]:
    """A subscription to what another repository made."""
    return {"artifact": f"{source}:default", "events": [EVENT], "workflow": WORKFLOW, **more}


def step(id_: str, script: str, **more: Any) -> dict[str, Any]:
    """A step that runs a script."""
    return {"id": id_, "run": script, **more}


def fan_out(id_: str = "announce", **params: Any) -> dict[str, Any]:
    """A step that tells the subscribers."""
    return {"id": id_, "uses": "tako/fan-out@v1", "with": {"event_type": EVENT, **params}}
