"""The list of variables that belong to one repository is the installed git's, and more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tako.git_context import CONFIGURATION, GIT_CONTEXT, forget_git_context


def test_list_holds_all_local_variables_of_git(run_git: Callable[..., str], tmp_path: Path) -> None:
    local = set(run_git(tmp_path, "rev-parse", "--local-env-vars").split())

    assert local - GIT_CONTEXT == CONFIGURATION


def test_context_is_removed_and_configuration_kept() -> None:
    configuration = {
        "GIT_ASKPASS": "/bin/ask",
        "GIT_AUTHOR_NAME": "A",
        "GIT_CEILING_DIRECTORIES": "/home",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_PARAMETERS": "'user.name'='A'",
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_SSH_COMMAND": "ssh -i key",
        "PATH": "/bin",
    }
    environment = {**configuration, **dict.fromkeys(GIT_CONTEXT, "x")}

    forget_git_context(environment)

    assert environment == configuration
