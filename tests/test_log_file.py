from __future__ import annotations

import errno
import os
import re
import signal
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tako.errors import MachineError
from tako.log_file import LONGEST_LINE, MIN_LOG_LIMIT, LazyLog, open_log, tail
from tako.process import Process, Processes
from tako.signals import Exit, signal_group

Start = Callable[..., Process]

MARKER = re.compile(rb"\n\[tako: (\d+) bytes left out here; the limit is [0-9]+ (bytes|MiB)\] *\n")
PAGE = 4096
SLACK = 2 * PAGE
"""How much less than a quarter is kept: for whole pages, and to begin with a line."""


def numbered(count: int) -> bytes:
    """Lines of 8 bytes, each of them different, so that every part of them tells its place."""
    return b"".join(b"%07d\n" % number for number in range(count))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for what hypothesis writes again and again."""
    return tmp_path_factory.mktemp("scratch")


def check(content: bytes, stream: bytes, limit: int) -> None:
    """A log is its stream, or the beginning and the end of it and the number of bytes between them."""
    assert len(content) <= limit
    if len(stream) <= limit:
        assert content == stream
        return
    head = limit // 4 // PAGE * PAGE
    found = MARKER.match(content, head)
    assert found, content[head : head + 100]
    end = content[found.end() :]
    assert content[:head] == stream[:head]
    assert stream.endswith(end)
    assert len(end) >= limit // 4 - SLACK
    assert int(found[1]) == len(stream) - head - len(end)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_a_log_exists_at_once_starts_empty_and_grows(log: Path) -> None:
    log.write_bytes(b"of an earlier attempt")

    with open_log(str(log)) as write:
        assert log.read_bytes() == b""
        write(b"one\n")
        assert log.read_bytes() == b"one\n"
        write(b"two\xff\0\n")

    assert log.read_bytes() == b"one\ntwo\xff\0\n"


def test_a_log_that_cannot_be_opened_is_an_error_of_the_machine(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="cannot open"), open_log(str(tmp_path / "no" / "log")):
        pass


def test_a_full_disk_is_an_error_of_the_machine_with_a_cure(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", no_space)

    with pytest.raises(MachineError, match="No space left on device") as caught, open_log(str(log)) as write:
        write(b"text")
    assert caught.value.where == str(log)
    assert "free some space" in caught.value.cure


def no_space(*_arguments: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


LINES = numbered(400_000 // 8)
NO_LINES = LINES.replace(b"\n", b"-")
SIZES = st.lists(st.integers(0, 100_000) | st.integers(0, 300), max_size=12)


@given(
    sizes=SIZES,
    limit=st.integers(MIN_LOG_LIMIT, 2 * MIN_LOG_LIMIT) | st.sampled_from([MIN_LOG_LIMIT, 2 * MIN_LOG_LIMIT]),
    source=st.sampled_from([LINES, NO_LINES]),
)
@example(sizes=[MIN_LOG_LIMIT], limit=MIN_LOG_LIMIT, source=LINES)
@example(sizes=[MIN_LOG_LIMIT, 1], limit=MIN_LOG_LIMIT, source=LINES)
@example(sizes=[400_000], limit=MIN_LOG_LIMIT, source=LINES)
@example(sizes=[400_000], limit=MIN_LOG_LIMIT, source=NO_LINES)
def test_a_log_keeps_the_beginning_and_the_end_of_what_is_printed(
    scratch: Path, sizes: list[int], limit: int, source: bytes
) -> None:
    path, at = scratch / "log", 0
    source = source * (1 + sum(sizes) // len(source))
    with open_log(str(path), limit=limit) as write:
        for size in sizes:
            write(source[at : at + size])
            at += size
            check(path.read_bytes(), source[:at], limit)


@pytest.mark.parametrize(
    ("newline", "skipped"),
    [(None, 0), (-1, 0), (0, 1), (4095, 4096), (4096, 0)],
    ids=["none", "at", "next", "near", "far"],
)
def test_the_end_begins_with_a_line_if_one_is_near(log: Path, newline: int | None, skipped: int) -> None:
    quarter = MIN_LOG_LIMIT // 4
    stream = bytearray(b"x" * MIN_LOG_LIMIT)
    if newline is not None:
        stream[MIN_LOG_LIMIT - quarter + newline] = ord("\n")

    with open_log(str(log), limit=MIN_LOG_LIMIT) as write:
        write(bytes(stream) + b"!")

    found = MARKER.match(log.read_bytes(), quarter)
    assert found
    assert log.read_bytes()[found.end() :] == stream[MIN_LOG_LIMIT - quarter + skipped :] + b"!"


def test_a_limit_that_is_too_small_is_raised(log: Path) -> None:
    with open_log(str(log), limit=1) as write:
        write(LINES)

    check(log.read_bytes(), LINES, MIN_LOG_LIMIT)


def test_the_marker_tells_a_round_limit_in_words(log: Path) -> None:
    with open_log(str(log), limit=1 << 20) as write:
        write(LINES * 3)

    assert b"the limit is 1 MiB]" in log.read_bytes()
    check(log.read_bytes(), LINES * 3, 1 << 20)


def test_memory_stays_flat(log: Path) -> None:
    line = b"x" * (1 << 16)
    tracemalloc.start()
    try:
        with open_log(str(log)) as write:
            for _ in range(2000):
                write(line)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()

    assert log.stat().st_size <= 16 << 20
    assert tail(str(log), 3) == ("…" + "x" * (LONGEST_LINE - 1),)


class KilledError(BaseException):
    """Stands for a SIGKILL between two system calls."""


@contextmanager
def killed_before_call(number: int, *, most: int) -> Iterator[list[int]]:
    """Lets the writer die before that call that changes its file; ``most`` bytes are written by one call."""
    calls = [0]
    pwrite, ftruncate = os.pwrite, os.ftruncate

    def count() -> None:
        calls[0] += 1
        if calls[0] == number:
            raise KilledError

    def counted_pwrite(descriptor: int, data: bytes, offset: int) -> int:
        count()
        return pwrite(descriptor, data[:most], offset)

    def counted_ftruncate(descriptor: int, size: int) -> None:
        count()
        ftruncate(descriptor, size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pwrite", counted_pwrite)
        patch.setattr(os, "ftruncate", counted_ftruncate)
        yield calls


@pytest.mark.parametrize("most", [1 << 20, 5000])
def test_the_end_is_the_true_end_wherever_the_writer_is_killed(log: Path, most: int) -> None:
    chunk = 5000
    number = 0
    finished = False
    while not finished:
        number += 1
        done = 0
        with killed_before_call(number, most=most) as calls:
            try:
                with open_log(str(log), limit=MIN_LOG_LIMIT) as write:
                    while done < 200_000:
                        write(LINES[done : done + chunk])
                        done += chunk
                finished = True
            except KilledError:
                assert calls[0] == number
        content = log.read_bytes()
        assert len(content) <= MIN_LOG_LIMIT
        assert LINES.startswith(content[: MIN_LOG_LIMIT // 4])
        # What lies behind the marker is one part of the stream or two; the second one ends where the stream does.
        end = content[-4000:]
        assert done <= LINES.index(end) + len(end) <= done + chunk if end else done == 0
        if not LINES.startswith(content):
            assert MARKER.match(content, MIN_LOG_LIMIT // 4), "no gap without a marker"
    assert number > 50


_COUNTS = """
import os, sys
from tako.log_file import open_log
number = 0
with open_log(sys.argv[1], limit=65536) as write:
    while True:
        write(b"".join(b"%07d\\n" % n for n in range(number, number + 100)))
        number += 100
        if number % 10000 == 0:
            os.write(1, b"%07d\\n" % number)
"""


def test_readers_see_the_true_end_while_it_is_written_and_after_a_kill(
    start_python: Start, processes: Processes, log: Path
) -> None:
    read, write = os.pipe()
    try:
        writer = start_python(_COUNTS, log, stdout=write)
        os.close(write)
        told = [os.read(read, 8)]
        seen = 0
        for _ in range(300):
            lines = tail(str(log), 3, limit=4000)
            assert len(lines) == 3
            number = int(lines[-2])
            assert number >= seen
            seen = number
            told.append(os.read(read, 8))
        signal_group(writer.pid, signal.SIGKILL)
        assert processes.supervise(writer, {read: told.append}).exit == Exit(signal=signal.SIGKILL)
    finally:
        os.close(read)

    last = int(told[-1][-8:])
    assert last >= 3_000_000
    assert last - 2 <= int(tail(str(log), 2)[0]) <= last + 20_000
    assert log.stat().st_size <= MIN_LOG_LIMIT


def test_a_short_write_is_completed(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: pwrite(descriptor, data[:777], offset))

    with open_log(str(log), limit=MIN_LOG_LIMIT) as write:
        write(LINES)

    check(log.read_bytes(), LINES, MIN_LOG_LIMIT)


def test_a_log_goes_on_rightly_after_a_disk_was_full_for_a_while(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    for failing in range(1, 5):
        calls = [0]

        def full_once(
            descriptor: int, data: bytes, offset: int, calls: list[int] = calls, failing: int = failing
        ) -> int:
            calls[0] += 1
            return no_space() if calls[0] == failing else pwrite(descriptor, data, offset)

        with open_log(str(log), limit=MIN_LOG_LIMIT) as write:
            write(LINES[:MIN_LOG_LIMIT])
            with monkeypatch.context() as patch:
                patch.setattr(os, "pwrite", full_once)
                done = MIN_LOG_LIMIT
                while done < 150_000:
                    try:
                        write(LINES[done : done + 1000])
                        done += 1000
                    except MachineError:
                        assert calls[0] == failing
        check(log.read_bytes(), LINES[:done], MIN_LOG_LIMIT)


def test_a_lazy_log_exists_from_its_first_byte_on(log: Path) -> None:
    lazy = LazyLog(str(log))
    lazy.write(b"")
    assert not log.exists()

    lazy.write(b"one\n")
    assert log.read_bytes() == b"one\n"

    lazy.close()
    lazy.close()
    assert lazy.error is None


def test_a_lazy_log_that_hears_nothing_leaves_no_file(log: Path) -> None:
    LazyLog(str(log)).close()

    assert not log.exists()


def test_a_lazy_log_gives_its_descriptor_back(log: Path) -> None:
    before = os.listdir("/dev/fd")
    lazy = LazyLog(str(log))
    lazy.write(b"text")
    lazy.close()

    assert os.listdir("/dev/fd") == before


@given(parts=st.lists(st.lists(st.integers(0, 60_000), max_size=3), min_size=1, max_size=4))
@example(parts=[[60_000], [5536], [1]])
@example(parts=[[60_000, 60_000], [1], [60_000, 60_000]])
def test_a_lazy_log_goes_on_where_an_earlier_one_ended(scratch: Path, parts: list[list[int]]) -> None:
    path, at = scratch / "lazy", 0
    source = LINES * 2
    path.unlink(missing_ok=True)
    for sizes in parts:
        lazy = LazyLog(str(path), limit=MIN_LOG_LIMIT)
        for size in sizes:
            lazy.write(source[at : at + size])
            at += size
        lazy.close()
        assert lazy.error is None
    check(path.read_bytes() if path.exists() else b"", source[:at], MIN_LOG_LIMIT)


def test_a_lazy_log_makes_a_log_smaller_that_was_above_its_limit(log: Path) -> None:
    log.write_bytes(LINES[:300_000])

    lazy = LazyLog(str(log), limit=MIN_LOG_LIMIT)
    lazy.write(LINES[300_000:])
    lazy.close()

    check(log.read_bytes(), LINES, MIN_LOG_LIMIT)


def test_a_line_that_only_looks_like_a_marker_is_text(log: Path) -> None:
    head = MIN_LOG_LIMIT // 4
    for text in (
        b"\n[tako: 5 bytes\n",
        b"\n[tako: " + b"9" * 200,
        b"\n[tako: 7 bytes left out here; the limit is x]\n",
    ):
        stream = (LINES[:head] + text + LINES)[:200_000]
        log.write_bytes(stream[: MIN_LOG_LIMIT - 10])

        lazy = LazyLog(str(log), limit=MIN_LOG_LIMIT)
        lazy.write(stream[MIN_LOG_LIMIT - 10 :])
        lazy.close()

        check(log.read_bytes(), stream, MIN_LOG_LIMIT)


def test_a_lazy_log_remembers_its_first_error_and_raises_none(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lazy = LazyLog(str(log))
    lazy.write(b"one\n")
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", no_space)
        lazy.write(b"two\n")
        lazy.write(b"three\n")
    lazy.write(b"four\n")
    lazy.close()

    assert lazy.error == f"cannot append to {log}: No space left on device"
    assert log.read_bytes() == b"one\n", "no gap that nothing tells of"


def test_a_lazy_log_whose_directory_is_gone_says_so(tmp_path: Path) -> None:
    lazy = LazyLog(str(tmp_path / "gone" / "log"))
    lazy.write(b"one\n")
    lazy.close()

    assert lazy.error is not None
    assert "No such file or directory" in lazy.error


@pytest.mark.parametrize(
    ("content", "lines", "expected"),
    [
        (b"", 3, ()),
        (b"a\nb\nc\nd\n", 2, ("c", "d")),
        (b"a\nb", 5, ("a", "b")),
        (b"a\nb\n", 0, ()),
        (b"a\nb\n", -1, ()),
        (b"\xff\0\n", 1, ("\ufffd\0",)),
        (b"x" * 100 + b"\nlast\n", 1, ("last",)),
        (b"x" * LONGEST_LINE + b"\n", 1, ("x" * LONGEST_LINE,)),
        (b"x" * LONGEST_LINE + b"y\n", 1, ("…" + "x" * (LONGEST_LINE - 2) + "y",)),
        (b"x" * 200_000 + b"y\n", 5, ("…" + "x" * (LONGEST_LINE - 2) + "y",)),
        (b"x" * 200_000 + b"\nlast\n", 2, ("…" + "x" * (LONGEST_LINE - 1), "last")),
    ],
)
def test_the_tail_is_the_last_lines(log: Path, content: bytes, lines: int, expected: tuple[str, ...]) -> None:
    log.write_bytes(content)

    assert tail(str(log), lines) == expected


def test_the_tail_of_a_large_file_reads_only_its_end_and_says_what_it_cut(log: Path) -> None:
    log.write_bytes(b"first\n" + b"x" * 5000 + b"\nlast\n")
    assert tail(str(log), 100, limit=20) == ("…" + "x" * 13, "last")

    log.write_bytes(b"first\nsecond\n")
    assert tail(str(log), 100, limit=8) == ("second",)
    assert tail(str(log), 100, limit=7) == ("…econd",)
    assert tail(str(log), 100, limit=13) == ("first", "second")


def test_a_file_that_its_writer_cuts_under_the_reader_is_read_again(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write_bytes(LINES)
    pread = os.pread

    def cut_first(descriptor: int, size: int, offset: int) -> bytes:
        os.truncate(log, 80)
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", cut_first)

    assert tail(str(log), 1, limit=1000) == ("0000009",)


def test_what_is_no_readable_file_has_no_tail(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert tail(str(tmp_path / "log"), 5) == ()
    assert tail(str(tmp_path), 5) == ()
    assert tail(str(tmp_path / "pipe"), 5) == ()
