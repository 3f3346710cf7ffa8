"""The text of ``tako --help``, and nothing else: it is shown without importing click, which costs 60 ms."""

HELP = """\
Usage: tako [OPTIONS] COMMAND [ARGS]...

  Run workflows across many git repositories, every repository in a process of
  its own.

  A repository's tako.yml says what it can do (workflows), what it makes
  (artifacts) and what it waits for (subscriptions). When a workflow fans out,
  every repository that subscribed to its event runs as a child.

Commands:
  artifacts   Build what a repository makes; install it in another one.
  cache       Show and remove cached step results.
  cancel      Stop a run that is alive, or one of the runs that it triggered.
  child       Run one child of a run by hand, in its directory.
  completion  Print the completion script for a shell.
  events      Show what was delivered to whom; deliver it once more.
  exec        Run a workflow, and every workflow that it triggers.
  init        Write a first tako.yml for a repository.
  lint        Check a tako.yml and its style, and mend older spellings.
  ps          Show the runs that are alive on this machine.
  replay      Run one run of the past again, alone.
  schema      Print the JSON Schema of tako.yml, for editors.
  status      Show runs, or the tree of one run.
  validate    Check a tako.yml.
  version     Print the version.
  workspace   Show and remove what runs have left on the disk.

Options:
  --strict-exit  Exit with 2, not 1, if an input, a workflow or a tako.yml is
                 not usable; also TAKO_STRICT_EXIT=1.
  --version      Print the version and exit.
  --help         Show this text and exit.

Examples:
  tako exec release                        in the repository where you are
  tako exec release -i version-bump=minor --dry-run
  tako exec release --repo my-org/go-lib:main -j 4
  tako exec --resume @latest               go on where it failed or was cut off
  tako status exec-20261123-181803-0a1b2c3d
  tako cancel exec-20261123-181803-0a1b2c3d

Exit codes:
  0 fine, 1 a workflow failed, 2 wrong usage or configuration, 3 Tako or its
  machine failed, 130, 143 or 129 interrupted

Environment:
  TAKO_HOME  where cache and workspaces are; ~/.tako by default
  TAKO_…     whatever config.yml in TAKO_HOME, or .tako/config.yml in a
             repository, can say: docs/settings.md
  NO_COLOR   no colours, whatever the terminal can do
"""
