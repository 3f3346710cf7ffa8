"""What a shell is offered for a word of the command line. Whatever cannot be read is no offer, and never an error."""

from __future__ import annotations

import functools
import os

from tako.cli.paths import CONFIG_FILE, find_up
from tako.cli.target import find_target, make_wiring
from tako.errors import TakoError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import click
    from click.shell_completion import CompletionItem

    from tako.config.model import InputSpec, RepoConfig, WorkflowSpec

    Offer = tuple[str, str]
    """A word and what it means."""
    Completer = Callable[[click.Context, click.Parameter | None, str], list[CompletionItem]]


def completer(offers: Callable[[click.Context, str], Iterable[Offer]]) -> Completer:
    """Make a completer out of a function that yields offers; those that do not begin as the word does are left out."""

    @functools.wraps(offers)
    def complete(ctx: click.Context, _param: click.Parameter | None, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        try:
            found = dict(offers(ctx, incomplete))
        except (TakoError, OSError):
            return []
        items = ((word, " ".join(help_.split())) for word, help_ in found.items() if word.startswith(incomplete))
        return [CompletionItem(word, help=help_ or None) for word, help_ in items]

    return complete


@completer
def complete_repos(ctx: click.Context, incomplete: str) -> Iterator[Offer]:
    """The repositories in the cache; their refs when a colon is there."""
    for entry in make_wiring(cache_dir=ctx.params.get("cache_dir")).cache().entries():
        if ":" not in incomplete:
            yield entry.owner_name, ""
        yield f"{entry.owner_name}:{entry.ref}", ""


@completer
def complete_workflows(ctx: click.Context, _incomplete: str) -> Iterator[Offer]:
    """The workflows that can be started by hand in the repository that the command line names so far."""
    from tako.cli.inputs import AWAITS_VALUE

    config = None if AWAITS_VALUE in ctx.meta else _config(ctx)
    for workflow in config.workflows if config is not None else ():
        if workflow.on != "event":
            yield workflow.name, workflow.description


@completer
def complete_any_workflow(ctx: click.Context, _incomplete: str) -> Iterator[Offer]:
    """The workflows of the repository in the directory that ``--repo`` names."""
    config = _load(os.path.abspath(ctx.params.get("repo") or "."))
    for workflow in config.workflows if config is not None else ():
        yield workflow.name, workflow.description


@completer
def complete_inputs(ctx: click.Context, incomplete: str) -> Iterator[Offer]:
    """``NAME=`` for each input of the workflow; the values of one that has few, when its name is there."""
    return _assignments(_inputs(ctx), incomplete)


@completer
def complete_childs_inputs(ctx: click.Context, incomplete: str) -> Iterator[Offer]:
    """The same for the workflow ``--workflow`` of the repository in the directory ``--repo``."""
    config = _load(os.path.abspath(ctx.params.get("repo") or "."))
    workflow = config.workflow(ctx.params.get("workflow") or "") if config is not None else None
    return _assignments(workflow.inputs if workflow is not None else (), incomplete)


def _assignments(inputs: Iterable[InputSpec], incomplete: str) -> Iterator[Offer]:
    for spec in inputs:
        yield f"{spec.name}=", _about(spec)
        if incomplete.startswith(f"{spec.name}="):
            for value in _values(spec):
                yield f"{spec.name}={value}", ""


@completer
def complete_input_options(ctx: click.Context, _incomplete: str) -> Iterator[Offer]:
    """``--inputs.NAME=`` for each input of the workflow."""
    from tako.cli.inputs import PREFIX

    for spec in _inputs(ctx):
        yield f"{PREFIX}{spec.name}=", _about(spec)


@completer
def complete_resumed_steps(ctx: click.Context, _incomplete: str) -> Iterator[Offer]:
    """The steps of the run that is to be resumed."""
    from tako.cli.find import find_run
    from tako.execution.request import read_request

    run_id = ctx.params.get("run_id") or "@latest"
    for step in read_request(find_run(make_wiring().settings.home, run_id).request).workflow.steps:
        yield step.id, step.name


@completer
def complete_childs_steps(ctx: click.Context, _incomplete: str) -> Iterator[Offer]:
    """The steps of the child in a directory."""
    from tako.execution.request import read_request
    from tako.execution.workspace import Workspace

    directory = _first(ctx, "directory")
    for step in read_request(Workspace(directory).request).workflow.steps if directory else ():
        yield step.id, step.name


@completer
def complete_built_artifacts(ctx: click.Context, _incomplete: str) -> Iterator[Offer]:
    """The artifacts that have a command that builds them."""
    config = _config(ctx)
    for artifact in config.artifacts if config is not None else ():
        if artifact.command:
            yield artifact.name, artifact.description


@completer
def complete_installed_artifacts(_ctx: click.Context, incomplete: str) -> Iterator[Offer]:
    """Repositories in the cache; behind a colon, the artifacts of a directory or a repository that can be installed."""
    place, colon, _ = incomplete.rpartition(":")
    entries = make_wiring().cache().entries()
    if not colon:
        for entry in entries:
            yield entry.owner_name, ""
        return
    cached = {entry.owner_name: entry.path for entry in entries}
    config = _load(os.path.abspath(os.path.expanduser(cached.get(place, place))))
    for artifact in config.artifacts if config is not None else ():
        if artifact.install_command:
            yield f"{place}:{artifact.name}", artifact.description


def complete_directories(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell offer directories."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="dir")]


def _inputs(ctx: click.Context) -> tuple[InputSpec, ...]:
    config, name = _config(ctx), _first(ctx, "workflow")
    workflow: WorkflowSpec | None = config.workflow(name) if config is not None and name else None
    return workflow.inputs if workflow is not None else ()


def _first(ctx: click.Context, argument: str) -> str:
    """An argument; as long as an option has no value, click has not told arguments from what is left over."""
    words = (ctx.params.get(argument), *ctx.args)
    return next((word for word in words if isinstance(word, str) and word and not word.startswith("-")), "")


def _config(ctx: click.Context) -> RepoConfig | None:
    """What the repository says that the command line names so far."""
    repo, root = ctx.params.get("repo"), ctx.params.get("root")
    if repo:
        return find_target(make_wiring(cache_dir=ctx.params.get("cache_dir")), None, repo).config
    here = os.path.abspath(os.path.expanduser(root or "."))
    return _load(here if root else find_up(here) or here)


def _load(directory: str) -> RepoConfig | None:
    from tako.wiring import load_config

    return load_config(os.path.join(directory, CONFIG_FILE))


def _about(spec: InputSpec) -> str:
    needed = "required" if spec.required and spec.default is None else ""
    return ", ".join(part for part in (spec.description, spec.type, needed) if part)


def _values(spec: InputSpec) -> tuple[str, ...]:
    if spec.type == "boolean":
        return ("true", "false")
    return tuple(str(value) for value in spec.enum or ())
