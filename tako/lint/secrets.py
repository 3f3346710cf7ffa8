"""Texts that look like a secret: they are in the repository's history for ever."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tako.lint.findings import Finding
from tako.lint.syntax import Sheet

_KINDS = {
    "a GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}",
    "a GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "an AWS access key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "a Google API key": r"\bAIza[A-Za-z0-9_-]{35}",
    "a Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "an npm token": r"\bnpm_[A-Za-z0-9]{36}\b",
    "a PyPI token": r"\bpypi-AgE[A-Za-z0-9_-]{50,}",
    "a Stripe key": r"\b[rs]k_live_[A-Za-z0-9]{16,}",
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
}
_LOOK = {kind: re.compile(pattern) for kind, pattern in _KINDS.items()}


def literal_secrets(sheet: Sheet) -> Iterator[Finding]:
    """Everything in the file that looks like a secret, comments included; the messages do not repeat it."""
    for kind, pattern in _LOOK.items():
        for match in pattern.finditer(sheet.text):
            what = f"this looks like {kind}; take it out, make a new one, and read it from the environment"
            yield Finding(*sheet.position(match.start()), "literal-secret", what)
