"""A secret with a backslash is known in every form in which a shell prints it."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tako.secrets.forms import forms

SECRETS = [
    r"pa\nss\tword",
    r"ab\\cd\0101xyz",
    r"abcdef\cghi",
    r"tok\x41\u00e9en\e",
    r"C:\new\temp\101",
    r"a\b\"c\'d1234",
    "trail1234\\",
    r"\0351\061abc",
    r"ab\q\012cd",
    r"a\08b\9cdef",
]
COMMANDS = [
    ("dash", 'echo "$S"'),
    ("dash", 'printf "$S"'),
    ("dash", 'printf %b "$S"'),
    ("bash", 'echo -e "$S"'),
    ("bash", 'printf "$S"'),
    ("bash", 'printf %b "$S"'),
    ("bash", 'read x <<< "$S"; printf %s "$x"'),
    ("bash", 'printf %q "$S"'),
]


@pytest.mark.parametrize(("shell", "command"), COMMANDS)
@pytest.mark.parametrize("secret", SECRETS)
def test_what_a_shell_prints_is_a_form(shell: str, command: str, secret: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    done = subprocess.run(
        [shell, "-c", command],
        env={"S": secret, "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    left = done.stdout.rstrip(b"\n")
    for form in sorted(forms(secret), key=len, reverse=True):
        left = left.replace(form, b"")
    assert left.strip() == b""
