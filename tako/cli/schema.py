"""``tako schema``."""

from __future__ import annotations

import json

import click

from tako.stdio import show

EPILOG = """\b
Examples:
  tako schema > .tako-schema.json
"""


@click.command(epilog=EPILOG)
@click.option(
    "--json", is_flag=True, expose_value=False, help="Print JSON, as it does anyway; with this also why it cannot."
)
def schema() -> None:
    """Print the JSON Schema of tako.yml, for editors.

    It knows every field with its description, and the older spellings. The YAML language server uses it where a file
    begins with `# yaml-language-server: $schema=.tako-schema.json`.
    """
    from tako.config.json_schema import json_schema

    show(json.dumps(json_schema(), indent=2) + "\n")
