"""Where the values of secrets come from: a file, the environment, a command of the user's, in this order."""

from __future__ import annotations

import threading

from tako.errors import SecretError
from tako.logs import mask_with
from tako.process import NO_STOPS
from tako.records import record
from tako.secrets.run import NO_SECRETS, RunSecrets
from tako.secrets.values import value_fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tako.process import Processes
    from tako.signals import Stops

FILE_VARIABLE = "TAKO_SECRETS_FILE"
COMMAND_SECONDS = 60.0


@record
class Sources:
    """What is asked when a secret is needed."""

    file: str | None = None
    """The path of a secrets file."""
    environment: Mapping[str, str] = {}
    commands: Mapping[str, str] = {}
    """For the shell, by the name of the secret whose value they print."""


class SecretStore:
    """The secrets of one ``tako``: finds each when a run first needs it, once. For several threads."""

    def __init__(self, sources: Sources, processes: Processes) -> None:
        self.hidden: set[str] = set()
        """The names of all secrets that workflows of this tree declare, as far as they are known. No process that is
        started from here gets a variable of such a name, but for the steps that name it."""
        self._sources = sources
        self._processes = processes
        self._lock = threading.Lock()
        self._file: Mapping[str, str] | None = None
        self._found: dict[str, str] = {}
        self._runs: dict[tuple[str, ...], RunSecrets] = {}
        self._all = NO_SECRETS
        mask_with(self._hide)

    def open(self) -> None:
        """Read the secrets file, if there is one. Raises ``SecretError`` if that cannot be done."""
        if self._sources.file is not None and self._file is None:
            from tako.secrets.secrets_file import read_secrets_file

            self._file = read_secrets_file(self._sources.file)

    def hide(self, names: Iterable[str]) -> None:
        """Let nothing that is started from now on have these variables, but for steps that name them."""
        self.hidden.update(names)

    def values(self, names: Iterable[str], *, stops: Stops = NO_STOPS) -> dict[str, str]:
        """The values of secrets. Raises ``SecretError``, which never shows one, if some have none or an unfit one.

        ``stops`` end the user's commands.
        """
        wanted = tuple(names)
        if not wanted:
            return {}
        with self._lock:
            self.open()
            missing = [name for name in wanted if not self._find(name, stops)]
            if missing:
                raise _missing(missing, self._sources)
            return {name: self._found[name] for name in wanted}

    def of_run(self, names: Iterable[str], *, stops: Stops = NO_STOPS) -> RunSecrets:
        """The secrets of a run whose workflow declares these names; else as ``values``."""
        wanted = tuple(names)
        self.hide(wanted)
        if wanted not in self._runs:
            self._runs[wanted] = RunSecrets(self.values(wanted, stops=stops), hidden=self.hidden)
        return self._runs[wanted]

    def _hide(self, text: str) -> str:
        """The text without any secret that was found so far."""
        found = dict(self._found)
        if len(found) != len(self._all.values):
            self._all = RunSecrets(found)
        return self._all.hide(text)

    def _find(self, name: str, stops: Stops) -> bool:
        """Whether the secret has a value, which is then known."""
        if name in self._found:
            return True
        file, environment = self._file or {}, self._sources.environment
        # An empty one says nothing, as with Tako's own variables.
        if file.get(name):
            value, place = file[name], self._sources.file or ""
        elif environment.get(name):
            value, place = environment[name], "the environment"
        elif name in self._sources.commands:
            value, place = self._ask(name, stops), f"the command for it, `secrets.{name}.command`"
        else:
            return False
        fault = value_fault(value)
        if fault:
            raise SecretError(f"the secret {name!r} {fault}", why=f"its value comes from {place}")
        self._found[name] = value
        return True

    def _ask(self, name: str, stops: Stops) -> str:
        """What the user's command prints, without the line ends behind it."""
        argv = ["/bin/sh", "-c", self._sources.commands[name]]
        done = self._processes.run(argv, env=self._sources.environment, timeout=COMMAND_SECONDS, stops=stops)
        if not done.ok:
            how = f"it took longer than {COMMAND_SECONDS:.0f}s" if done.timed_out else done.exit.describe()
            raise SecretError(
                f"the command for the secret {name!r} failed: {how}",
                why="what it printed is not shown, since that may be the secret",
                cure=f"run it yourself; it is `secrets.{name}.command` in your config.yml",
            )
        return done.stdout.decode("utf-8", "surrogateescape").rstrip("\r\n")


def _missing(names: list[str], sources: Sources) -> SecretError:
    listed = ", ".join(repr(name) for name in names)
    what = f"the secret {listed} has no value" if len(names) == 1 else f"the secrets {listed} have no values"
    looked = f"{sources.file}, the environment" if sources.file else "the environment"
    return SecretError(
        what,
        why=f"the workflow declares it under `secrets`; looked in {looked} and `secrets` of your config.yml",
        cure=f"export {names[0]}, or name a file that has it with --secrets-file FILE",
    )
