"""Which repository a command is about: ``--root DIR`` or ``--repo owner/name[:ref]``."""

from __future__ import annotations

import os

import click

from tako.effective import settings_from
from tako.errors import ConfigError, EventOnlyWorkflowError, UnknownWorkflowError, UsageError
from tako.ids import new_run_id
from tako.records import record
from tako.repos.identity import identity
from tako.repos.names import RepoRef
from tako.wiring import Wiring, load_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from tako.config.model import RepoConfig, WorkflowSpec
    from tako.execution.request import RunRequest

CONFIG_FILE = "tako.yml"


@record
class Target:
    """One repository to work on."""

    config: RepoConfig
    repo: str
    ref: str
    source: str
    commit: str | None
    private: bool
    cache_lock: str | None


def repository_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--root``, ``--repo`` and ``--cache-dir``."""
    for option in (
        click.option("--cache-dir", type=click.Path(file_okay=False), help="The cache, if not TAKO_HOME/cache."),
        click.option("--repo", metavar="OWNER/NAME[:REF]", help="A repository in the cache."),
        click.option("--root", type=click.Path(), help="A repository's directory; the current one by default."),
    ):
        command = option(command)
    return command


def make_wiring(*, cache_dir: str | None = None, **asked: Any) -> Wiring:
    """The objects for a command's options; ``asked`` are those of ``settings_from``."""
    return Wiring(settings_from(os.environ, cache_dir=cache_dir, **asked))


def find_target(
    wiring: Wiring, root: str | None, repo: str | None, *, load: Callable[[str], RepoConfig] = load_config
) -> Target:
    """Read the repository's ``tako.yml`` with ``load`` and find out who it is.

    Raises ``UsageError`` if both options are given, ``NotCachedError``, or ``ConfigError``.
    """
    if root is not None and repo is not None:
        raise UsageError("--root and --repo exclude each other", cure="give one of them")
    if repo is None:
        source = _absolute(root or ".")
        path = _shown(os.path.join(source, CONFIG_FILE))
        if not os.path.lexists(path):
            raise ConfigError(
                f"could not unmarshal config: there is no {CONFIG_FILE} in {source}",
                cure="go to a repository that has one, or name one with --root DIR or --repo OWNER/NAME",
            )
        config = load(path)
        name = identity(config, source, None, wiring.git)
        commit = wiring.git.head_commit(source)
        return Target(config, name, "", source, commit, private=False, cache_lock=None)
    cache = wiring.cache()
    entry = cache.locate(repo)
    config = load(os.path.join(entry.path, CONFIG_FILE))
    return Target(
        config,
        identity(config, entry.path, entry, wiring.git),
        entry.ref,
        entry.path,
        wiring.git.head_commit(entry.path),
        private=True,
        cache_lock=cache.lock_path(RepoRef(entry.owner_name, entry.ref)),
    )


def find_workflow(target: Target, name: str) -> WorkflowSpec:
    """The workflow of that name, if it can be started by hand. Raises ``UnknownWorkflowError``."""
    workflow = target.config.workflow(name)
    startable = ", ".join(sorted(each.name for each in target.config.workflows if each.on != "event"))
    cure = f"the workflows to start by hand are {startable}" if startable else "it has none to start by hand"
    if workflow is None:
        raise UnknownWorkflowError(f"workflow '{name}' not found in {target.repo}", where=target.config.path, cure=cure)
    if workflow.on == "event":
        raise EventOnlyWorkflowError(
            f"workflow '{name}' of {target.repo} is started by events only", where=target.config.path, cure=cure
        )
    return workflow


def root_request(wiring: Wiring, target: Target, workflow: WorkflowSpec, inputs: Mapping[str, Any]) -> RunRequest:
    """The request of a run started by hand."""
    from tako.execution.request import RunRequest

    run_id = new_run_id(wiring.clock)
    return RunRequest(
        run_id=run_id,
        root_id=run_id,
        parent_id=None,
        repo=target.repo,
        ref=target.ref,
        source=target.source,
        commit=target.commit,
        private=target.private,
        cache_lock=target.cache_lock,
        workflow=workflow,
        inputs=inputs,
        config_path=target.config.path,
        artifacts=target.config.artifacts,
        events=target.config.events,
        dependents=target.config.dependents,
    )


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(path)
    except FileNotFoundError as error:
        raise UsageError(
            "the directory in which this was started is no longer there",
            cure="go to one that is, or name the repository: --root DIR, from / on",
        ) from error


def _shown(path: str) -> str:
    """A path as short as it can be said from where the user is."""
    try:
        relative = os.path.relpath(path)
    except FileNotFoundError:
        return path
    return path if relative.startswith("..") else relative
