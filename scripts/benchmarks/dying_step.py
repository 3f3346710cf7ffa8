"""A kind of step that dies inside the child's own process, as one that a third party installed might.

``install`` makes it known the way an installed package is, through the entry points ``tako.steps``. What it does is in
its ``with``: ``{do: NAME}``, one of ``DEEDS``, with ``code`` for those that exit.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from tako.steps.base import StepContext, StepResult
from tako.testing.own_frames import frames_descriptor

USES = "bench/dying@v1"


def install(directory: Path, environment: dict[str, str]) -> None:
    """Have all Pythons of an environment find this module's step kind."""
    from tako.testing import install_step_kind

    install_step_kind(str(directory), environment, USES, DyingStep)


class DyingStep:
    """Does what it is told to; nothing of it returns."""

    def run(self, context: StepContext) -> StepResult:
        params = context.spec.params
        DEEDS[params["do"]](params)
        raise AssertionError("it should have died")


def _leave(params: Mapping[str, Any]) -> NoReturn:
    os._exit(int(params["code"]))


def _exit(params: Mapping[str, Any]) -> NoReturn:
    sys.exit(int(params["code"]))


def _raise(_params: Mapping[str, Any]) -> NoReturn:
    raise ValueError("a third party's mistake")


def _crash(_params: Mapping[str, Any]) -> None:
    import ctypes

    ctypes.string_at(0)


def _exhaust(_params: Mapping[str, Any]) -> None:
    kept = []
    while True:
        kept.append(bytearray(64 << 20))


def _hang(_params: Mapping[str, Any]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(1000)


def _write_rubbish(_params: Mapping[str, Any]) -> NoReturn:
    os.write(frames_descriptor(), b"\x00\xff\xfe this is no frame {\n")
    time.sleep(1000)
    os._exit(0)


def _write_half_a_frame(_params: Mapping[str, Any]) -> NoReturn:
    os.write(frames_descriptor(), b'{"frame": "result", "status": "succ')
    os._exit(0)


DEEDS: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "leave": _leave,
    "exit": _exit,
    "raise": _raise,
    "crash": _crash,
    "exhaust": _exhaust,
    "hang": _hang,
    "write rubbish": _write_rubbish,
    "write half a frame": _write_half_a_frame,
}
