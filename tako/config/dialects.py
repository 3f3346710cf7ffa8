"""Older and shorter spellings to the one that ``schema`` knows.

Pure functions on plain data. What is not of the expected form is left as it is, for the schema to refuse. Where
something moves, ``moves`` keeps from where, so that an error still points to what the user wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tako.config.labels import label
from tako.config.model import POLL
from tako.config.problems import Path, Problem, nearest, quoted
from tako.records import record

OLDER_RESOURCES = {"cpu": "cpu_limit", "memory": "mem_limit"}


@record
class Normal:
    """Data in the present spelling."""

    data: dict[str, Any]
    moves: dict[Path, Path]
    """Places of the new data to places of the old, where these differ."""
    problems: tuple[Problem, ...]
    """What could not be brought to the present spelling, at places of the old data."""
    is_older: bool = False
    """Whether the file has parts that only files of the older dialect have."""

    def origin(self, path: Path) -> Path:
        """The place in the old data of a place in the new."""
        for size in range(len(path), 0, -1) if self.moves else ():
            old = self.moves.get(path[:size])
            if old is not None:
                return (*old, *path[size:])
        return path


def normalise(data: dict[str, Any]) -> Normal:
    """The data of a file in the present spelling; the argument is not changed."""
    work = _Normaliser()
    new = dict(data)
    older = _older_events(new, work)
    _join_subscriptions(new, older, work)
    workflows = new.get("workflows")
    if isinstance(workflows, dict):
        new["workflows"] = {name: work.workflow(workflow, ("workflows", name)) for name, workflow in workflows.items()}
        for index, subscription in enumerate(older):
            work.declared_inputs(subscription, ("events", "subscriptions", index), new["workflows"])
    return Normal(new, work.moves, tuple(work.problems), is_older=_is_of_older_dialect(data))


class _Normaliser:
    """Collects moves and problems on the way through a file."""

    def __init__(self) -> None:
        self.moves: dict[Path, Path] = {}
        self.problems: list[Problem] = []

    def workflow(self, workflow: Any, path: Path) -> Any:
        if not isinstance(workflow, dict):
            return workflow
        new = self._with_env(workflow, path, path)
        if isinstance(resources := new.get("resources"), dict):
            new["resources"] = self._resources(resources, (*path, "resources"))
        if isinstance(steps := new.get("steps"), list):
            new["steps"] = [self._step(step, at, at) for at, step in _places(steps, (*path, "steps"))]
        self._one_or_many(new, "finally", path, path)
        return new

    def _resources(self, resources: dict[str, Any], path: Path) -> dict[str, Any]:
        new = dict(resources)
        for older, present in OLDER_RESOURCES.items():
            value = new.pop(older, None)
            if value is None:
                continue
            if new.get(present) is not None:
                what = f"{quoted(older)} of {label(path)} is the older name of {quoted(present)}, which is there too"
                self.problems.append(Problem((*path, older), what, on_key=True))
                continue
            new[present] = value
            self.moves[(*path, present)] = (*path, older)
        return new

    def _step(self, step: Any, new: Path, old: Path) -> Any:
        if old != new:
            self.moves[new] = old
        if isinstance(step, dict):
            made = self._with_env(step, new, old)
            self._exit_codes(made, new, old)
            self._one_or_many(made, "on_failure", new, old)
            self._key_files(made, new, old)
            return made
        if step is None or isinstance(step, list):
            return step
        self.moves[(*new, "run")] = old
        return {"run": step}

    def _key_files(self, made: dict[str, Any], new: Path, old: Path) -> None:
        """One glob is a list of one."""
        if isinstance(one := made.get("cache_key_files"), str):
            made["cache_key_files"] = [one]
            self.moves[(*new, "cache_key_files", 0)] = (*old, "cache_key_files")

    def _one_or_many(self, made: dict[str, Any], field: str, new: Path, old: Path) -> None:
        """One step alone is a list of one."""
        given, place = made.get(field), (*old, field)
        handlers = (*new, field)
        if isinstance(given, list):
            pairs = zip(_places(given, handlers), _places(given, place), strict=True)
            made[field] = [self._step(each, at, was) for (at, each), (was, _) in pairs]
        elif isinstance(given, dict | str):
            made[field] = [self._step(given, (*handlers, 0), place)]

    def _exit_codes(self, made: dict[str, Any], new: Path, old: Path) -> None:
        """One exit code alone is a list of one."""
        for owner, field in (("with", "success_on_exit_code"), ("retry", "on_exit_codes")):
            held = made.get(owner)
            if owner == "with" and made.get("uses") != POLL:
                continue
            if isinstance(held, dict) and type(held.get(field)) in (int, float):
                made[owner] = {**held, field: [held[field]]}
                self.moves[(*new, owner, field, 0)] = (*old, owner, field)

    def _with_env(self, owner: dict[str, Any], new: Path, old: Path) -> dict[str, Any]:
        if not isinstance(owner.get("env"), list):
            return dict(owner)
        env: dict[str, str] = {}
        for index, item in enumerate(owner["env"]):
            place = (*old, "env", index)
            name, equals, value = item.partition("=") if isinstance(item, str) else ("", "", "")
            if not equals:
                what = f"item {index + 1} of {label((*new, 'env'))} must be NAME=value"
                self.problems.append(Problem(place, what))
            elif name in env:
                self.problems.append(Problem(place, f"duplicate key {quoted(name)}"))
            else:
                env[name] = value
                self.moves[(*new, "env", name)] = place
        return {**owner, "env": env}

    def subscription(self, subscription: Any, new: Path, old: Path) -> Any:
        if old != new:
            self.moves[new] = old
        if not isinstance(subscription, dict):
            return subscription
        made = dict(subscription)
        if "filter" in made:
            self._one_filter(made, new, old)
        if isinstance(made.get("events"), list):
            self._event_names(made, new, old)
        return made

    def _one_filter(self, made: dict[str, Any], new: Path, old: Path) -> None:
        one, more = made.pop("filter"), made.get("filters")
        if more is None:
            more = []
        if one is None or not isinstance(more, list):
            return
        self.moves[(*new, "filters", 0)] = (*old, "filter")
        for index in range(len(more)):
            self.moves[(*new, "filters", index + 1)] = (*old, "filters", index)
        made["filters"] = [one, *more]

    def _event_names(self, made: dict[str, Any], new: Path, old: Path) -> None:
        names: list[Any] = []
        ranges: list[tuple[Any, Path]] = []
        for index, entry in enumerate(made["events"]):
            if not isinstance(entry, dict):
                names.append(entry)
                continue
            place = (*old, "events", index)
            self._only(entry, ("type", "schema_version"), place, label((*new, "events", index)))
            if "type" in entry:
                self.moves[(*new, "events", len(names))] = (*place, "type")
                names.append(entry["type"])
            if entry.get("schema_version") is not None:
                ranges.append((entry["schema_version"], (*place, "schema_version")))
        made["events"] = names
        if ranges:
            self._one_range(made, ranges, new)

    def _one_range(self, made: dict[str, Any], ranges: list[tuple[Any, Path]], new: Path) -> None:
        value, place = ranges[0]
        others = [other for other, _ in ranges[1:]] + [made.get("schema_version") or value]
        if len(ranges) < len(made["events"]) or any(other != value for other in others):
            what = f"the events of {label(new)} must have one schema_version; make a subscription for each"
            self.problems.append(Problem(place, what))
            return
        made["schema_version"] = value
        self.moves[(*new, "schema_version")] = place

    def produced(self, produces: list[Any], events: dict[str, Any]) -> None:
        for index, entry in enumerate(produces):
            old: Path = ("events", "produces", index)
            if not isinstance(entry, dict):
                self.problems.append(Problem(old, "an item of 'produces' of 'events' must be like {type: name}"))
                continue
            self._only(entry, ("type", "schema_version"), old, f"item {index + 1} of 'produces' of 'events'")
            name = entry.get("type")
            if not isinstance(name, str):
                if "type" in entry:
                    self.problems.append(
                        Problem((*old, "type"), f"'type' of item {index + 1} of 'produces' of 'events' must be text")
                    )
            elif name in events:
                self.problems.append(Problem((*old, "type"), f"event {quoted(name)} is declared twice"))
            else:
                events[name] = {key: entry[key] for key in ("schema_version",) if key in entry}
                self.moves[("events", name)] = old

    def declared_inputs(self, subscription: Any, old: Path, workflows: dict[str, Any]) -> None:
        """Give a workflow the inputs that an older subscription passes and it does not declare: they are text."""
        name = subscription.get("workflow") if isinstance(subscription, dict) else None
        passed = subscription.get("inputs") if isinstance(subscription, dict) else None
        workflow = workflows.get(name) if isinstance(name, str) else None
        if name is None or not isinstance(workflow, dict) or not isinstance(passed, dict):
            return
        declared = workflow.get("inputs")
        declared = {} if declared is None else declared
        if not isinstance(declared, dict):
            return
        missing = [key for key in passed if key not in declared]
        if missing:
            workflows[name] = {**workflow, "inputs": {**declared, **{key: {"type": "string"} for key in missing}}}
        for key in missing:
            self.moves[("workflows", name, "inputs", key)] = (*old, "inputs", key)

    def _only(self, entry: dict[str, Any], known: tuple[str, ...], place: Path, name: str) -> None:
        for key in entry:
            if key not in known:
                what = f"unknown field {quoted(key)} in {name}{nearest(key, known)}"
                self.problems.append(Problem((*place, key), what, on_key=True))
        if "type" not in entry:
            self.problems.append(Problem(place, f"missing required field 'type' in {name}", on_key=True))


def _places(items: list[Any], path: Path) -> Iterator[tuple[Path, Any]]:
    """The items of a list with their places."""
    return (((*path, index), item) for index, item in enumerate(items))


def _older_events(new: dict[str, Any], work: _Normaliser) -> list[Any]:
    """Replace the older ``events`` by declarations; the subscriptions that were in it."""
    events = new.get("events")
    if not isinstance(events, dict):
        return []
    older = {key: value for key, value in events.items() if _is_older(key, value)}
    new["events"] = {key: value for key, value in events.items() if key not in older}
    work.produced(older.get("produces") or [], new["events"])
    return older.get("subscriptions") or []


def _is_of_older_dialect(data: dict[str, Any]) -> bool:
    events = data.get("events")
    if "repos" in data or (isinstance(events, dict) and any(_is_older(key, value) for key, value in events.items())):
        return True
    workflows = data.get("workflows")
    given = [workflow for workflow in _values(workflows) if isinstance(workflow, dict)]
    steps = [step for workflow in given for step in _items(workflow, "steps")]
    produced = [step.get("produces") for step in steps if isinstance(step, dict)]
    return any(isinstance(each, dict) and "artifacts" in each for each in produced)


def _values(data: Any) -> list[Any]:
    return list(data.values()) if isinstance(data, dict) else []


def _items(data: dict[str, Any], field: str) -> list[Any]:
    found = data.get(field)
    return found if isinstance(found, list) else []


def _is_older(key: str, value: Any) -> bool:
    """An event may be called ``produces``, but then it is no list."""
    return key in ("produces", "subscriptions") and (value is None or isinstance(value, list))


def _join_subscriptions(new: dict[str, Any], older: list[Any], work: _Normaliser) -> None:
    present = new.get("subscriptions")
    if present is None:
        present = []
    if not isinstance(present, list):
        return
    places: list[Path] = [("subscriptions", index) for index in range(len(present))]
    places += [("events", "subscriptions", index) for index in range(len(older))]
    new["subscriptions"] = [
        work.subscription(item, ("subscriptions", index), old)
        for index, (item, old) in enumerate(zip([*present, *older], places, strict=True))
    ]
