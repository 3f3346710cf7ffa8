"""The rules for names, paths and patterns in a ``tako.yml``. Each function says what is wrong, or nothing."""

from __future__ import annotations

import posixpath
import re

from tako import patterns

_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PART = re.compile(r"[A-Za-z0-9_.-]+")
_VERSION = re.compile(r"v?[01](\.[0-9]+){0,2}")
_USES = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+@v[0-9]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_MAX_NAME = 200

FROM_FILE = "from_file:"
"""How an output's source begins that is a file."""

NO_TEMPLATE = "it must be a literal, not a template"


def name_fault(name: str) -> str:
    """Of a workflow, an input, an artifact: it becomes a file name and a part of an environment variable's."""
    if not name.strip():
        return "must not be empty"
    if _CONTROL.search(name):
        return "must not hold control characters"
    if "/" in name or ".." in name or "=" in name or name == ".":
        return "must not hold '/', '..' or '='"
    # File systems take 255 bytes, and a suffix is added.
    return f"is too long: at most {_MAX_NAME} bytes" if len(name.encode()) > _MAX_NAME else ""


def id_fault(name: str) -> str:
    """Of a step's id."""
    if not _ID.fullmatch(name):
        return "must be letters, digits, '_' and '-', and start with a letter or '_'"
    return f"is too long: at most {_MAX_NAME} characters" if len(name) > _MAX_NAME else ""


def env_fault(name: str) -> str:
    """Of the name of an environment variable."""
    return "" if _ENV.fullmatch(name) else "must be letters, digits and '_', and not start with a digit"


def event_fault(name: str) -> str:
    """Of the type of an event."""
    if not name.strip():
        return "must not be empty"
    return "must not hold control characters" if _CONTROL.search(name) else ""


def path_fault(path: str) -> str:
    """Of a path that must stay in the repository. Lexically: a link may still lead out."""
    if not path.strip():
        return "must not be empty"
    if path.startswith(("/", "~")):
        return "must be relative to the repository"
    if posixpath.normpath(path).split("/")[0] == "..":
        return "must not lead out of the repository"
    return ""


def file_fault(path: str, working_directory: str) -> str:
    """Of a path that is relative to a step's working directory, and must stay in the repository."""
    if is_template(working_directory) or is_template(path):
        return path_fault(path) if path.startswith("/") else ""
    return path_fault(posixpath.join(working_directory, path))


def repository_fault(name: str) -> str:
    """Of ``owner/name``, with any groups above it, or a host in front."""
    parts = name.split("/")
    good = len(parts) >= 2 and all(_PART.fullmatch(part) and part not in (".", "..") for part in parts)
    return "" if good else "must be owner/name"


def version_fault(version: str) -> str:
    """Of the language's version."""
    return "" if _VERSION.fullmatch(version) else "must be 1"


def uses_fault(uses: str) -> str:
    """Of the name of a step kind."""
    return "" if _USES.fullmatch(uses) else "must be like owner/name@v1"


def is_template(text: str) -> bool:
    """Whether a text holds a template, or what looks like one."""
    return "{{" in text or "{%" in text


def pattern_fault(pattern: str, *, groups: int | None = None) -> str:
    """Of a regular expression; ``groups`` is how many groups it must have."""
    return patterns.fault(pattern, groups=groups)
