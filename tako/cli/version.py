"""``tako version``."""

from __future__ import annotations

import json

import click

from tako import __version__
from tako.stdio import show

EPILOG = """\b
Examples:
  tako version
  tako version --json
"""


@click.command(epilog=EPILOG)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def version(as_json: bool) -> None:
    """Print the version."""
    show((json.dumps({"version": __version__}) if as_json else f"tako {__version__}") + "\n")
