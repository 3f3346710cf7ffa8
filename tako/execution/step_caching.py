"""One step and the step cache: what is restored instead of running it, what is kept after it ran.

The cache never fails a step. What cannot be restored is a miss, and the step is run; what cannot be kept is not kept;
the step's log says why.
"""

from __future__ import annotations

import contextlib
import os

from tako import stdio
from tako.errors import MachineError, TakoError
from tako.execution.artifacts import (
    declared_paths,
    produced_name,
    select,
    select_in_run,
    store_artifact,
    tracked_files,
)
from tako.execution.checksums import describe, walk
from tako.execution.confidential import keep_out, keep_outputs_public
from tako.execution.outputs import require_values
from tako.execution.produced import Produced, render_output, with_outputs
from tako.execution.step_cache import CachedStep, DamagedEntryError, StepCache, copy_thing
from tako.execution.step_key import step_key
from tako.execution.workspace import home_of
from tako.expressions import templates
from tako.files import machine_errors, make_dirs, remove_tree
from tako.log_file import DEFAULT_LOG_LIMIT, LazyLog
from tako.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tako.content import Check
    from tako.execution.step_key import StepKey
    from tako.steps.base import StepContext


def caching_of(
    context: StepContext, *, asked_again: bool = False, say: Callable[[str], object] = stdio.say
) -> StepCaching | None:
    """The caching of a step that is about to run; None if its workspace is in no Tako home, or a file cannot be read.

    ``asked_again`` says that somebody wants to see it run: what is kept then takes the place of what there was. ``say``
    is told of an entry that was damaged. Raises ``StepError`` if a key file leads out of the repository,
    ``ExpressionError`` for a template of the step.
    """
    home = home_of(context.capabilities.workspace, context.request.root_id)
    if home is None:
        return None
    try:
        key = step_key(context)
    except MachineError as error:
        say(f"warning: step '{context.spec.id}' is not cached: {error.what}\n")
        return None
    return StepCaching(StepCache(home), context, key, asked_again=asked_again, say=say)


class StepCaching:
    """One step and its entry in the cache."""

    def __init__(
        self, cache: StepCache, context: StepContext, key: StepKey, *, asked_again: bool, say: Callable[[str], object]
    ) -> None:
        self._cache = cache
        self._context = context
        self._key = key
        self._asked_again = asked_again
        self._say = say
        self._notes = [f"no file matches {pattern!r} of cache_key_files" for pattern in key.unmatched]
        """For the log, which the step itself empties when it begins."""
        self._lacks_result = False
        """Whether there is an entry that cannot be used, for it has no result."""

    def restore(self) -> Produced | None:
        """Put the step's artifact where the step would have put it, and tell its outputs; None if it is to be run."""
        if self._asked_again:
            return None
        staged = os.path.join(self._context.capabilities.workspace.temporary, f"{self._context.spec.id}.cached")
        try:
            entry = self._found(staged)
            restored = self._restored(entry, staged) if entry is not None else None
        except TakoError as error:
            self._note(f"what is cached cannot be used, so the step is run: {error.what}")
            return None
        finally:
            with contextlib.suppress(TakoError):
                remove_tree(staged, check=self._context.check)
        if entry is not None and restored is not None:
            self._cache.used(self._key.value)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._context.log_path)
            self._note(f"cached, not run: this is what it came to in {entry.run_id}, workflow '{entry.workflow}'")
            self._write_notes()
        return restored

    def keep(self, produced: Produced) -> None:
        """Put into the cache what the step, which has just succeeded, came to."""
        outputs = produced.outputs
        context, request = self._context, self._context.request
        produces = context.spec.produces
        sources = produces.outputs if produces else {}
        entry = CachedStep(
            key=self._key.value,
            repo=request.repo,
            workflow=request.workflow.name,
            step=context.spec.id,
            run_id=request.run_id,
            created_at=context.capabilities.clock.now(),
            # A template says something else in another run.
            outputs={name: value for name, value in outputs.items() if not _is_rendered(sources.get(name))},
            result=produced.result,
        )
        try:
            if self._asked_again or self._lacks_result:
                self._cache.remove(self._key.value, check=context.check)
            self._cache.put(entry, self._made(), check=context.check)
        except TakoError as error:
            self._note(f"what the step came to is not cached: {error.what}")
        self._write_notes()

    def _found(self, staged: str) -> CachedStep | None:
        try:
            return self._cache.get(self._key.value, staged, check=self._context.check)
        except DamagedEntryError as error:
            place = self._cache.path(self._key.value)
            self._say(f"warning: a damaged entry of the step cache is removed, and the step is run: {place}: {error}\n")
            self._cache.remove(self._key.value, check=self._context.check)
            return None

    def _restored(self, entry: CachedStep, staged: str) -> Produced | None:
        context, produces = self._context, self._context.spec.produces
        if context.keeps_result and entry.result is None:
            self._note("what is cached has no result, which an expression now reads, so the step is run")
            self._lacks_result = True
            return None
        outputs = self._outputs(entry)
        patterns = declared_paths(produces, context.request.artifacts) if produces else ()
        if produces is None or not patterns:
            return replace(with_outputs(context, outputs, (), cached=True), result=self._result(entry))
        if entry.sha256 is None or not self._place(staged):
            return None
        name = produced_name(produces)
        artifact = store_artifact(
            name,
            select(name, patterns, directory=staged, where=context.where, check=context.check),
            repo=context.request.repo,
            directory=staged,
            store=context.capabilities.workspace.artifacts,
            where=context.where,
            check=context.check,
        )
        return replace(with_outputs(context, outputs, (artifact,), cached=True), result=self._result(entry))

    def _result(self, entry: CachedStep) -> str | None:
        result = entry.result if self._context.keeps_result else None
        keep_out(self._context, result, "its cached result")
        return result

    def _outputs(self, entry: CachedStep) -> dict[str, str]:
        """What is cached, then what templates make of it in this run. Raises ``ExpressionError`` or ``StepError``."""
        context = self._context
        outputs = dict(entry.outputs)
        for name, source in (context.spec.produces.outputs if context.spec.produces else {}).items():
            if _is_rendered(source):
                outputs[name] = render_output(context, source, outputs)
        require_values(outputs, context.where)
        keep_outputs_public(context, outputs)
        return outputs

    def _place(self, staged: str) -> bool:
        """Put the artifact's files to their places in the repository; other files that are there stay.

        False, and nothing is changed, if that would overwrite a file that git tracks and somebody has in another form.
        """
        repo = self._context.capabilities.repo_dir
        check = self._context.check
        names = sorted(walk(staged, check=check))
        different = [name for name in names if not _is_same(staged, repo, name, check)]
        mine = self._tracked([name for name in different if os.path.lexists(os.path.join(repo, name))])
        if mine:
            self._note(f"what is cached is not used, since it would overwrite {mine[0]}, which git tracks")
            return False
        for name in different:
            _put(os.path.join(staged, name), os.path.join(repo, name), os.path.realpath(repo), check)
        return True

    def _tracked(self, names: list[str]) -> list[str]:
        """Those that git tracks of some paths in the user's own directory; a private checkout is nobody's work."""
        context = self._context
        if not names or context.request.private:
            return []
        from tako.repos.git import Git

        git = Git(context.capabilities.processes, stops=context.capabilities.stops)
        return tracked_files(git, context.capabilities.repo_dir, names)

    def _made(self) -> dict[str, str]:
        """What the step produced, by its paths in the repository; nothing twice, though globs may match it so."""
        context = self._context
        produces = context.spec.produces
        patterns = declared_paths(produces, context.request.artifacts) if produces else ()
        if produces is None or not patterns:
            return {}
        repo = context.capabilities.repo_dir
        chosen = select_in_run(produced_name(produces), patterns, context)
        made: dict[str, str] = {}
        for name in sorted(map(os.path.normpath, chosen.matches)):
            if name == os.curdir:
                raise MachineError("the artifact is the whole repository", where=repo)
            if not any(name.startswith(f"{above}/") for above in made):
                made[name] = os.path.join(repo, name)
        return made

    def _note(self, text: str) -> None:
        self._notes.append(text)

    def _write_notes(self) -> None:
        log = LazyLog(self._context.log_path, limit=self._context.capabilities.log_limit or DEFAULT_LOG_LIMIT)
        log.write("".join(f"tako: {note}\n" for note in self._notes).encode("utf-8", "replace"))
        log.close()


def _is_rendered(source: str | None) -> bool:
    return source is not None and templates.is_template(source)


def _is_same(staged: str, repo: str, name: str, check: Check) -> bool:
    there = os.path.join(repo, name)
    if not os.path.lexists(there):
        return False
    return describe(os.path.join(staged, name), name, check=check) == describe(there, name, check=check)


def _put(source: str, target: str, root: str, check: Check) -> None:
    """Put a file, a link, or an empty directory to a place in the repository. Raises ``MachineError``."""
    parent = os.path.realpath(os.path.dirname(target))
    if parent != root and not parent.startswith(root + os.sep):
        raise MachineError(f"{target} leads out of the repository", where=root)
    if os.path.isdir(source) and not os.path.islink(source):
        make_dirs(target)
        return
    make_dirs(parent)
    temporary = f"{target}.{os.getpid()}.tmp"
    with machine_errors("write", target):
        try:
            if os.path.islink(source):
                os.symlink(os.readlink(source), temporary)
            else:
                copy_thing(source, temporary, check=check)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
