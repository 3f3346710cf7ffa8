"""Which repository a command is about: ``--root DIR`` or ``--repo owner/name[:ref]``."""

from __future__ import annotations

import os

import click

from tako.cli.paths import CONFIG_FILE, HomePath, find_up
from tako.effective import settings_from
from tako.errors import ConfigError, EventOnlyWorkflowError, UnknownWorkflowError, UsageError
from tako.ids import new_run_id
from tako.records import record
from tako.repos.committed import committed_config
from tako.repos.find import find_entry
from tako.repos.identity import identity
from tako.repos.names import RepoRef
from tako.stdio import say_line
from tako.wiring import Wiring, load_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from click.shell_completion import CompletionItem

    from tako.config.model import RepoConfig, WorkflowSpec
    from tako.execution.request import RunRequest
    from tako.repos.committed import Committed
    from tako.repos.index import Load


@record
class Target:
    """One repository to work on."""

    config: RepoConfig
    repo: str
    host: str
    ref: str
    source: str
    commit: str | None
    private: bool
    cache_lock: str | None
    text: bytes | None = None
    """The content of its ``tako.yml``, if that is not what lies at the path."""


def _complete_repos(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from tako.cli.completers import complete_repos

    return complete_repos(ctx, param, incomplete)


def _complete_directories(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from tako.cli.completers import complete_directories

    return complete_directories(ctx, param, incomplete)


def repository_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--root``, ``--repo`` and ``--cache-dir``."""
    for option in (
        click.option(
            "--cache-dir",
            type=HomePath(file_okay=False),
            metavar="DIR",
            help="Use this cache instead of TAKO_HOME/cache.",
        ),
        click.option(
            "--repo", metavar="OWNER/NAME[:REF]", help="A repository in the cache.", shell_complete=_complete_repos
        ),
        click.option(
            "--root", type=HomePath(), metavar="DIR", shell_complete=_complete_directories,
            help="A repository's directory; by default the nearest one from here up that has a tako.yml.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def make_wiring(*, cache_dir: str | None = None, **asked: Any) -> Wiring:
    """The objects for a command's options; ``asked`` are those of ``settings_from``."""
    return Wiring(settings_from(os.environ, cache_dir=cache_dir, **asked))


def find_target(
    wiring: Wiring,
    root: str | None,
    repo: str | None,
    *,
    load: Load = load_config,
    file: str | None = None,
) -> Target:
    """Read the repository's ``tako.yml`` with ``load`` and find out who it is.

    Without ``root``, ``repo`` and ``file``, it is the nearest from the current directory up. ``file`` is another file
    to read as the ``tako.yml`` of its directory. Raises ``UsageError`` if both options are given, ``NotCachedError``,
    or ``ConfigError``.
    """
    if root is not None and repo is not None:
        raise UsageError("--root and --repo exclude each other", cure="give one of them")
    if repo is None:
        path = file or find_config(root)
        source = os.path.dirname(absolute(path))
        config = load(path)
        known = identity(config, source, None, wiring.git)
        commit = wiring.git.head_commit(source)
        return Target(config, known.path, known.host, "", source, commit, private=False, cache_lock=None)
    cache = wiring.cache()
    entry = find_entry(cache, repo, wiring.git)
    config, committed = load_committed(wiring, entry.path, load)
    if committed is not None and committed.warning:
        say_line(f"warning: {committed.warning}")
    known = identity(config, entry.path, entry, wiring.git)
    return Target(
        config,
        known.path,
        known.host,
        entry.ref,
        entry.path,
        wiring.git.head_commit(entry.path),
        private=True,
        cache_lock=cache.lock_path(RepoRef(entry.owner_name, entry.ref)),
        text=committed.content if committed is not None else None,
    )


def load_committed(wiring: Wiring, directory: str, load: Load) -> tuple[RepoConfig, Committed | None]:
    """Read the ``tako.yml`` of the commit that a cached repository is at, and return what was read instead of the file.

    Without a commit it is the file in the directory. Raises ``ConfigError``, ``CheckoutError`` or ``MachineError``.
    """
    path = os.path.join(directory, CONFIG_FILE)
    committed = committed_config(directory, wiring.git.head_commit(directory), wiring.git)
    if committed is None:
        return load(path), None
    if committed.content is None:
        raise ConfigError(
            f"could not unmarshal config: there is no {CONFIG_FILE} in the commit that {directory} is at",
            why=committed.warning,
        )
    return load(path, data=committed.content), committed


def find_workflow(target: Target, name: str | None) -> WorkflowSpec:
    """The workflow of that name, if it can be started by hand.

    Raises ``UnknownWorkflowError``, or ``UsageError``, which lists those there are, without a name.
    """
    startable = sorted((each for each in target.config.workflows if each.on != "event"), key=lambda each: each.name)
    names = ", ".join(each.name for each in startable)
    cure = f"the workflows to start by hand are {names}" if startable else "it has none to start by hand"
    where = target.config.path
    if name is None:
        listed = "".join(f"\n    {_line(each)}" for each in startable)
        cure = f"`tako exec WORKFLOW`, with one of{listed}" if startable else cure
        raise UsageError(f"the name of a workflow of {target.repo} is missing", where=where, cure=cure)
    workflow = target.config.workflow(name)
    if workflow is None:
        raise UnknownWorkflowError(f"workflow '{name}' not found in {target.repo}", where=where, cure=cure)
    if workflow.on == "event":
        raise EventOnlyWorkflowError(
            f"workflow '{name}' of {target.repo} is started by events only", where=where, cure=cure
        )
    return workflow


def _line(workflow: WorkflowSpec) -> str:
    """``release: Build and announce it (version)``, with the inputs that it requires."""
    about = f": {' '.join(workflow.description.split())}" if workflow.description else ""
    required = ", ".join(each.name for each in workflow.inputs if each.required and each.default is None)
    return f"{workflow.name}{about}" + (f" (requires {required})" if required else "")


def root_request(wiring: Wiring, target: Target, workflow: WorkflowSpec, inputs: Mapping[str, Any]) -> RunRequest:
    """The request of a run started by hand."""
    from tako.execution.request import RunRequest

    run_id = new_run_id(wiring.clock)
    return RunRequest(
        run_id=run_id,
        root_id=run_id,
        parent_id=None,
        repo=target.repo,
        host=target.host,
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


def find_config(root: str | None) -> str:
    """The path of the ``tako.yml`` in a directory; without one, of the nearest from the current directory up.

    Says which it is if it is not here. Raises ``ConfigError`` if there is none.
    """
    here = absolute(root or ".")
    source = find_up(here) if root is None else here
    path = _shown(os.path.join(source or here, CONFIG_FILE))
    if not os.path.lexists(path):
        above = " nor above it in this repository" if root is None else ""
        raise ConfigError(
            f"could not unmarshal config: there is no {CONFIG_FILE} in {here}{above}",
            cure="go to a repository that has one, or name one with --root DIR or --repo OWNER/NAME",
        )
    if source != here:
        say_line(f"using {path}")
    return path


def absolute(path: str) -> str:
    """An absolute path. Raises ``UsageError`` if the current directory is gone."""
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
