"""What every test stands on: an environment in which no accident can reach the user's own files or name."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import configuration, settings

from tako import family
from tako.files import remove_tree
from tako.process import Completed, Process, Processes
from tako.signals import signal_group

settings.register_profile("tako", deadline=None, database=None)
settings.load_profile("tako")

_UNPRIVILEGED = """
import os, sys
{imports}
os.chdir(sys.argv[1])
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
{code}
"""


def pytest_configure(config: pytest.Config) -> None:
    # Begun in the background by a script, or by nohup, this process ignores them, and so would all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    home = tempfile.mkdtemp(prefix="tako-hypothesis-")
    configuration.set_hypothesis_home_dir(home)
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory of the test's own, an identity for git that is nobody's, and no trace of the user's."""
    home = tmp_path_factory.mktemp("home")
    # For good, it would make this process the parent of all orphans of the tests behind this one, which it never meets.
    monkeypatch.setattr(family, "adopt_orphans", lambda: False)
    for name in [name for name in os.environ if name.startswith(("GIT_", "TAKO_", "XDG_"))]:
        monkeypatch.delenv(name)
    git_config = home / "gitconfig"
    git_config.write_text("[init]\n\tdefaultBranch = main\n")
    temporary = home / "tmp"
    temporary.mkdir()
    for name, value in {
        "HOME": home,
        "TAKO_HOME": home / ".tako",
        "TMPDIR": temporary,
        "XDG_CACHE_HOME": home / ".cache",
        "XDG_CONFIG_HOME": home / ".config",
        "XDG_DATA_HOME": home / ".local/share",
        "XDG_STATE_HOME": home / ".local/state",
        "GIT_CONFIG_GLOBAL": git_config,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Test Author",
        "GIT_AUTHOR_EMAIL": "author@example.invalid",
        "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
        "GIT_COMMITTER_NAME": "Test Committer",
        "GIT_COMMITTER_EMAIL": "committer@example.invalid",
        "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
    }.items():
        monkeypatch.setenv(name, str(value))
    return home


@pytest.fixture
def processes() -> Processes:
    return Processes()


@pytest.fixture
def wait_until() -> Callable[[Callable[[], object]], None]:
    """Waits for a condition to hold; fails the test after a time that is long for a machine under load."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, "the condition never held"
            time.sleep(0.005)

    return wait


@pytest.fixture
def is_gone() -> Callable[[int], bool]:
    """Whether a process has ended, be it that nobody has waited for it yet."""

    def gone(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    return gone


@pytest.fixture
def start_python(processes: Processes) -> Iterator[Callable[..., Process]]:
    """Starts Python on some code with arguments; it is killed when the test ends."""
    started: list[Process] = []

    def start(code: str, *arguments: object, stdout: int | None = None, session: bool = False) -> Process:
        argv = [sys.executable, "-c", code, *map(str, arguments)]
        process = processes.spawn(argv, env=os.environ, stdout=stdout, stderr=2, session=session)
        started.append(process)
        return process

    yield start
    for process in started:
        signal_group(process.pid, signal.SIGKILL)
        while process.poll() is None:
            time.sleep(0.005)


@pytest.fixture
def public_path() -> Iterator[Path]:
    """A directory that every user can reach by its full path, as ``tmp_path`` is not."""
    path = Path(tempfile.mkdtemp(prefix="tako-test-"))
    path.chmod(0o755)
    yield path
    remove_tree(str(path))


@pytest.fixture
def unprivileged(processes: Processes) -> Callable[[Path, str, str], Completed]:
    """Runs code in a directory as a user who is not root, so that permissions count; the directory becomes theirs.

    Takes the directory, the imports (done while everything can still be read) and the code, whose paths must be
    relative, or lie below ``public_path``.
    """

    def run(directory: Path, imports: str, code: str) -> Completed:
        if os.geteuid() == 0:
            for path in (directory, *directory.rglob("*")):
                os.chown(path, 65534, 65534, follow_symlinks=False)
        script = _UNPRIVILEGED.format(imports=imports, code=code)
        return processes.run([sys.executable, "-c", script, str(directory)], env=os.environ)

    return run


@pytest.fixture
def run_git(processes: Processes) -> Callable[..., str]:
    """Runs git in a directory and returns what it prints."""

    def run(directory: Path, *arguments: str) -> str:
        completed = processes.run(["git", "-C", str(directory), *arguments], env=os.environ)
        assert completed.ok, f"git {arguments}: {completed.message()}"
        return os.fsdecode(completed.stdout)

    return run


@pytest.fixture
def make_repo(run_git: Callable[..., str]) -> Callable[..., Path]:
    """Makes a repository with one commit out of file names and contents."""

    def make(path: Path, files: dict[str, str] | None = None, *, origin: str | None = None) -> Path:
        path.mkdir(parents=True, exist_ok=True)
        run_git(path, "init", "--quiet")
        for name, content in ({"README": "hello\n"} if files is None else files).items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(content)
        run_git(path, "add", "--all")
        run_git(path, "commit", "--quiet", "--allow-empty", "--message", "first")
        if origin is not None:
            run_git(path, "remote", "add", "origin", origin)
        return path

    return make


class FakeClock:
    """Time that passes only when somebody sleeps; ``on_sleep`` is called each time."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self.sleeps: list[float] = []
        self.on_sleep: Callable[[], object] = lambda: None

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time - 1_799_999_000

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.time += seconds
        self.on_sleep()


@pytest.fixture
def fake_clock() -> FakeClock:
    return FakeClock()
