"""A terminal with a real shell with job control in it, for tests to type at."""

from __future__ import annotations

import os
import pty
import select
import subprocess
from typing import Any

from tests.acceptance.conftest import World
from tests.acceptance.observe import marked, wait_for
from tests.acceptance.trees import letter

PROMPT = "READY> "
SHOW, HIDE = "\x1b[?25h", "\x1b[?25l"


class Terminal:
    """A terminal with bash in it."""

    def __init__(self, world: World) -> None:
        self._mark = world.mark
        self._master, slave = pty.openpty()
        environment = {**world.env, "TERM": "xterm", "PS1": PROMPT, "COLUMNS": "150", "LINES": "40"}
        # `--ctty` makes it the controlling terminal of a session of its own.
        self.shell = subprocess.Popen(
            ["setsid", "--ctty", "bash", "--norc", "--noprofile", "--noediting", "-i"],
            cwd=world.root,
            env=environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        self.shown = ""
        """All that it has shown so far."""
        self.wait_for(PROMPT)

    def read(self, seconds: float = 0.0) -> None:
        """Take in what has come."""
        while self._master >= 0 and select.select([self._master], [], [], seconds)[0]:
            try:
                self.shown += os.read(self._master, 1 << 16).decode(errors="replace")
            except OSError:
                return
            seconds = 0.0

    def wait_for(self, text: str, since: int = 0) -> None:
        """Wait until it has shown something, after so many characters."""
        self.until(lambda: text in self.shown[since:], f"the terminal showed {text!r}")

    def until(self, condition: Any, what: str) -> None:
        """Wait for a condition while reading, since whoever writes to a terminal that nobody reads stands still."""

        def holds() -> object:
            self.read(0.01)
            return condition()

        try:
            wait_for(holds, what)
        except AssertionError as error:
            there = [f"{letter(int(line.partition(':')[0]))} {line}" for line in marked(self._mark)]
            raise AssertionError("\n".join([f"{error}; there was:", *there, "it showed:", self.shown])) from None

    def type(self, text: str) -> int:
        """Press keys; returns how much had been shown before."""
        self.read()
        before = len(self.shown)
        os.write(self._master, text.encode())
        return before

    def run(self, command: str) -> str:
        """Run a command to its end and return what it showed."""
        before = self.type(f"{command}\n")
        self.until(lambda: self.shown[before:].endswith(PROMPT), f"{command!r} had ended")
        return self.shown[before:].partition("\n")[2].removesuffix(PROMPT).replace("\r\n", "\n")

    def wait_for_prompt(self, since: int) -> None:
        self.until(lambda: self.shown[since:].rstrip().endswith(PROMPT.rstrip()), "the prompt was back")

    @property
    def cursor_is_visible(self) -> bool:
        return self.shown.rfind(SHOW) >= self.shown.rfind(HIDE)

    def close(self) -> None:
        """Close the window."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1
