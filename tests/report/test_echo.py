"""What a root's step prints, as it is shown line by line."""

from __future__ import annotations

import pytest

from tako.report.echo import LineEcho


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([b"one\ntw", b"o\n"], ["one", "two"]),
        ([b"gr\xc3", b"\xbcn\n"], ["grün"]),
        ([b"\n\na\n"], ["", "", "a"]),
        ([b"windows\r\n"], ["windows"]),
        ([b" 10%\r 50%\r100%\n"], ["100%"]),
        ([b"no end"], ["no end"]),
        ([b"half \xe2\x82"], ["half ", "\N{REPLACEMENT CHARACTER}"]),
        ([b"\xff\n"], ["\N{REPLACEMENT CHARACTER}"]),
    ],
)
def test_each_line_is_shown_once_and_whole(pieces: list[bytes], lines: list[str]) -> None:
    shown: list[tuple[str, str]] = []
    echo = LineEcho(lambda step_id, line: shown.append((step_id, line)))
    for piece in pieces:
        echo.feed("it", piece)
    echo.end("it")
    echo.end("it")

    assert shown == [("it", line) for line in lines]


def test_steps_are_shown_apart() -> None:
    shown: list[str] = []
    echo = LineEcho(lambda step_id, line: shown.append(f"{step_id}: {line}"))
    echo.feed("a", b"be")
    echo.feed("b", b"other\n")
    echo.feed("a", b"gin\n")

    assert shown == ["b: other", "a: begin"]
    assert echo.tick() is None
