"""The variables by which git tells its hooks, aliases and ``rebase --exec`` which repository they are about.

Tako works on other repositories. A step that inherited these would commit to the user's branch, so each process of
Tako removes them from its own environment when it starts, and no process below it has them. Variables that configure
git for the user stay: ``GIT_SSH_COMMAND``, ``GIT_AUTHOR_NAME``, ``GIT_ASKPASS``, ``GIT_EDITOR``,
``GIT_CEILING_DIRECTORIES``, the settings of pathspecs, and the configuration that ``git -c`` and CI systems hand over.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping

CONFIGURATION = frozenset({"GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS"})
"""What ``git rev-parse --local-env-vars`` lists too, although it is the user's configuration: steps keep it."""

GIT_CONTEXT = frozenset(
    {
        # Which repository, and which of its files.
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
        # Where its objects are. In a pre-receive hook, new ones go into a quarantine that is removed afterwards.
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_OBJECT_DIRECTORY",
        "GIT_QUARANTINE_PATH",
        # How its objects are replaced by others, and which of its trees holds the attributes.
        "GIT_ATTR_SOURCE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_REPLACE_REF_BASE",
        # Where in it the user, or the repository around it, is.
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_PREFIX",
        # How it keeps refs.
        "GIT_REFERENCE_BACKEND",
        # What its command writes into its reflog, and that `rebase` picks commits: `cherry-pick` then keeps no state.
        "GIT_CHERRY_PICK_HELP",
        "GIT_REFLOG_ACTION",
    }
)
"""What belongs to one repository, or to one command on it."""


def forget_git_context(environment: MutableMapping[str, str]) -> None:
    """Remove the variables from an environment."""
    for name in GIT_CONTEXT.intersection(environment):
        del environment[name]
