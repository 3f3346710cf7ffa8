"""``tako validate``."""

from __future__ import annotations

import json

import click

from tako.cli.target import find_target, make_wiring, repository_options
from tako.errors import ConfigError

EPILOG = """\b
Examples:
  tako validate
  tako validate --root ../go-lib
  tako validate --repo my-org/go-lib:main --json
"""


@click.command(epilog=EPILOG)
@repository_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def validate(root: str | None, repo: str | None, cache_dir: str | None, as_json: bool) -> int:
    """Check a repository's tako.yml: fields, types, references, templates, conditions.

    Every problem is printed with its file, line and column; the exit code is then 2.
    """
    from tako.config.loader import check_expressions

    wiring = make_wiring(cache_dir=cache_dir)
    try:
        target = find_target(wiring, root, repo)
        problems = check_expressions(target.config)
    except ConfigError as error:
        if not as_json:
            raise
        click.echo(json.dumps({"valid": False, "error": error.what, "problems": list(error.problems)}, indent=2))
        return error.exit_code
    if as_json:
        click.echo(json.dumps({"valid": not problems, "repository": target.repo, "problems": list(problems)}, indent=2))
    elif not problems:
        config = target.config
        click.echo(
            f"Validation successful! {config.path}: {target.repo}, {len(config.workflows)} workflows, "
            f"{len(config.subscriptions)} subscriptions"
        )
    if problems and not as_json:
        raise ConfigError(f"{len(problems)} problems in the expressions", where=target.config.path, problems=problems)
    return ConfigError.exit_code if problems else 0
