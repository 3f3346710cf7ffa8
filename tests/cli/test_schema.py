"""``tako schema`` prints the schema and nothing else."""

from __future__ import annotations

import json

from click.testing import CliRunner

from tako.cli.main import cli
from tako.config.json_schema import json_schema


def test_schema_prints_the_json_schema() -> None:
    ran = CliRunner().invoke(cli, ["schema"], standalone_mode=False)
    assert ran.exception is None
    assert json.loads(ran.stdout) == json_schema()
