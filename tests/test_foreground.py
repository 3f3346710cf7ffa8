"""A process in the foreground of a terminal; what a person sees of it is in ``acceptance/test_debug.py``."""

from __future__ import annotations

import os
import pty

import pytest

from tako.errors import SpawnError
from tako.foreground import run_in_foreground
from tako.process import Processes


def test_what_is_no_terminal_of_ours_is_refused() -> None:
    read, write = os.pipe()
    master, slave = pty.openpty()
    try:
        for descriptor in (read, slave):
            with pytest.raises(SpawnError) as caught:
                run_in_foreground(Processes(), ["/bin/true"], env={}, terminal=descriptor)
            assert caught.value.what.startswith("cannot start '/bin/true' on a terminal: ")
    finally:
        for descriptor in (read, write, master, slave):
            os.close(descriptor)
