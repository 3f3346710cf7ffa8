"""The step cache between processes: an entry is there whole or not at all, whoever writes, reads and removes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tako.errors import MachineError
from tako.execution.cache_limit import DAMAGED, OVER_LIMIT, Known, to_clean, to_prune
from tako.execution.step_cache import CachedStep, DamagedEntryError, StepCache
from tako.process import Process
from tako.signals import Exit

KEY = "ab" * 32
ENTRY = CachedStep(key=KEY, repo="o/r", workflow="w", step="s", run_id="r", created_at=1.0, outputs={"x": "y"})


@pytest.fixture
def cache(tmp_path: Path) -> StepCache:
    return StepCache(str(tmp_path / "home"))


def artifact(directory: Path, name: str = "dist", size: int = 3) -> dict[str, str]:
    path = directory / f"made-{name}"
    path.mkdir(parents=True, exist_ok=True)
    for number in range(size):
        (path / str(number)).write_text(name)
    return {name: str(path)}


def test_what_is_put_is_got_until_it_is_removed(cache: StepCache, tmp_path: Path) -> None:
    assert cache.get(KEY, str(tmp_path / "copy")) is None
    assert cache.put(ENTRY, artifact(tmp_path))

    found = cache.get(KEY, str(tmp_path / "copy"))

    assert found is not None
    assert found.outputs == ENTRY.outputs
    assert (tmp_path / "copy/dist/2").read_text() == "dist"
    assert list(cache.keys()) == [KEY]
    cache.remove(KEY)
    cache.remove(KEY)
    assert cache.get(KEY, str(tmp_path / "copy")) is None
    assert list(cache.keys()) == []
    assert list(cache.left_behind()) == []


def test_the_first_of_two_writers_wins(cache: StepCache, tmp_path: Path) -> None:
    assert cache.put(ENTRY, artifact(tmp_path))
    assert not cache.put(CachedStep(**{**vars(ENTRY), "outputs": {"x": "z"}}), {})
    assert cache.check(KEY).outputs == {"x": "y"}
    assert list(cache.left_behind()) == []


def test_what_cannot_be_copied_leaves_nothing(cache: StepCache, tmp_path: Path) -> None:
    with pytest.raises(MachineError):
        cache.put(ENTRY, {"dist": str(tmp_path / "none")})
    assert list(cache.keys()) == []
    assert list(cache.left_behind()) == []


def test_an_entry_of_another_key_is_damaged(cache: StepCache, tmp_path: Path) -> None:
    cache.put(ENTRY, {})
    other = "ab" + "cd" * 31
    os.rename(cache.path(KEY), cache.path(other))
    for read in (cache.check, cache.read):
        with pytest.raises(DamagedEntryError, match="it is that of another key"):
            read(other)


def test_use_is_noted(cache: StepCache) -> None:
    cache.put(ENTRY, {})
    path = os.path.join(cache.path(KEY), "entry.json")
    os.utime(path, (1, 1))
    cache.used(KEY)
    assert os.stat(path).st_mtime > 1
    cache.used("cd" * 32)


def test_what_is_no_entry_is_passed_over(cache: StepCache, tmp_path: Path) -> None:
    for name in ("README", "ab/notes", f"ab/{'cd' * 32}/entry.json"):
        (Path(cache.root) / name).parent.mkdir(parents=True, exist_ok=True)
        (Path(cache.root) / name).write_text("")
    assert list(cache.keys()) == []
    assert list(cache.left_behind()) == []


PLAYER = """
import sys
from tako.errors import MachineError
from tako.execution.step_cache import CachedStep, StepCache
from tests.execution.test_step_cache import ENTRY, KEY, artifact
from pathlib import Path
home, own, act, times = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
cache = StepCache(home)
own.mkdir(parents=True)
done = 0
for number in range(times):
    if act == "write":
        done += cache.put(ENTRY, artifact(own, size=40))
    elif act == "remove":
        cache.remove(KEY)
    else:
        found = cache.get(KEY, str(own / "copy"))
        if found is not None:
            done += 1
            assert len(list((own / "copy/dist").iterdir())) == 40
print(act, done, file=sys.stderr)
"""


def test_writers_readers_and_removers_do_not_harm_each_other(
    cache: StepCache, tmp_path: Path, start_python: Callable[..., Process], wait_until: Callable[..., None]
) -> None:
    home = str(tmp_path / "home")
    acts = {"write": 15, "read": 30, "remove": 60}
    players = [
        start_python(PLAYER, home, tmp_path / f"{act}-{number}", act, times)
        for act, times in acts.items()
        for number in range(2)
    ]
    wait_until(lambda: all(player.poll() is not None for player in players))

    assert [player.poll() for player in players] == [Exit(code=0)] * len(players)
    assert list(cache.left_behind()) == []


def test_what_a_killed_writer_left_is_known_by_its_process(
    cache: StepCache, tmp_path: Path, start_python: Callable[..., Process], wait_until: Callable[..., None]
) -> None:
    writer = start_python(PLAYER, str(tmp_path / "home"), tmp_path / "own", "write", 1_000_000)
    wait_until(lambda: list(cache.keys()))
    os.kill(writer.pid, signal.SIGSTOP)
    cache.remove(KEY)
    os.kill(writer.pid, signal.SIGCONT)
    # The writer goes on and writes the entry anew; killed at whatever moment, it leaves that, a part of it, or both.
    wait_until(lambda: any(cache.keys()) or any(cache.left_behind()))
    os.kill(writer.pid, signal.SIGKILL)
    wait_until(lambda: writer.poll() is not None)

    assert {pid for _, pid in cache.left_behind()} <= {writer.pid}
    for key in cache.keys():  # noqa: SIM118  (no mapping)
        assert cache.check(key).outputs == ENTRY.outputs


# What goes.

ENTRIES = st.lists(
    st.builds(
        Known,
        key=st.text("abcdef", min_size=3),
        size=st.integers(0, 50),
        used_at=st.floats(0, 9),
        damaged=st.booleans(),
    ),
    unique_by=lambda entry: entry.key,
    max_size=8,
)


@given(entries=ENTRIES, limit=st.integers(0, 150))
def test_pruning_leaves_what_fits_and_was_used_last(entries: list[Known], limit: int) -> None:
    going = to_prune(entries, limit)
    kept = [entry for entry in entries if entry.key not in going]
    over = [entry for entry in entries if going.get(entry.key) == OVER_LIMIT]

    assert {entry.key for entry in entries if entry.damaged} == {key for key, why in going.items() if why == DAMAGED}
    assert sum(entry.size for entry in kept) <= limit
    if over:
        last = max(over, key=lambda entry: (entry.used_at, entry.key))
        assert all((entry.used_at, entry.key) > (last.used_at, last.key) for entry in kept)
        assert sum(entry.size for entry in kept) + last.size > limit


@given(entries=ENTRIES, older_than=st.floats(0, 9))
def test_cleaning_takes_what_was_of_no_use_for_long_and_everything_for_0(
    entries: list[Known], older_than: float
) -> None:
    going = to_clean(entries, now=8.0, older_than=older_than)
    for entry in entries:
        assert (entry.key in going) == (older_than == 0 or 8.0 - entry.used_at >= older_than)
