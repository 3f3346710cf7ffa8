"""``tako completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from tako.cli.shells import register
from tako.stdio import show

EPILOG = """\b
Examples:
  tako completion bash > ~/.local/share/bash-completion/completions/tako
  tako completion zsh > "${fpath[1]}/_tako"
  tako completion fish > ~/.config/fish/completions/tako.fish
"""


@click.command(epilog=EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell."""
    register()
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}", ctx)
    show(kind(ctx.find_root().command, {}, "tako", "_TAKO_COMPLETE").source() + "\n")
