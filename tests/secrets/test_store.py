"""Where values come from, and what is said when they do not."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tako.errors import SecretError
from tako.process import Processes
from tako.secrets.store import SecretStore, Sources
from tako.signals import Stops, StopSignal


def file_of(tmp_path: Path, text: str) -> str:
    path = tmp_path / "secrets"
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def refused(store: SecretStore, *names: str) -> str:
    with pytest.raises(SecretError) as caught:
        store.values(names)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_the_file_comes_before_the_environment_and_that_before_a_command(tmp_path: Path, processes: Processes) -> None:
    sources = Sources(
        file=file_of(tmp_path, "A=of the file\nD=\n"),
        environment={"A": "of the env", "B": "of the env", "D": "of the env", "C": "", "PATH": "/usr/bin:/bin"},
        commands=dict.fromkeys("ABCDE", "printf 'of a command\n\n'"),
    )
    assert SecretStore(sources, processes).values("ABCDE") == {
        "A": "of the file",
        "B": "of the env",
        "D": "of the env",
        "C": "of a command",
        "E": "of a command",
    }


def test_a_command_runs_once_and_only_when_its_secret_is_needed(tmp_path: Path, processes: Processes) -> None:
    ran = tmp_path / "ran"
    commands = {name: f"echo {name} >> {ran}; echo value of {name}" for name in "AB"}
    store = SecretStore(Sources(commands=commands), processes)
    assert not ran.exists()

    threads = [threading.Thread(target=store.values, args=("A",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ran.read_text() == "A\n"
    assert store.values("A") == {"A": "value of A"}


def test_a_command_that_fails_is_told_without_what_it_printed(processes: Processes) -> None:
    command = "echo half-a-secret; echo other-half >&2; exit 3"
    said = refused(SecretStore(Sources(commands={"A": command}), processes), "A")
    assert "the command for the secret 'A' failed: exit code 3" in said
    assert "half" not in said


def test_a_command_that_hangs_is_ended_with_what_it_started(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tako.secrets.store.COMMAND_SECONDS", 0.2)
    said = refused(SecretStore(Sources(commands={"A": "sleep 600 & sleep 600"}), processes), "A")
    assert "failed: it took longer than 0s" in said


def test_a_stop_ends_a_command(processes: Processes) -> None:
    stop = StopSignal()
    stop.set()
    store = SecretStore(Sources(commands={"A": "sleep 600"}), processes)
    with pytest.raises(SecretError, match="failed: "):
        store.values("A", stops=Stops(ask=(stop.fd,)))


def test_all_that_is_missing_is_named_at_once(tmp_path: Path, processes: Processes) -> None:
    path = file_of(tmp_path, "A=of the file")
    store = SecretStore(Sources(file=path, environment={"C": "  "}), processes)
    said = refused(store, "A", "B", "D")
    assert "the secrets 'B', 'D' have no values" in said
    assert f"looked in {path}, the environment" in said
    assert "the secret 'D' has no value" in refused(store, "D")


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("abc", "has fewer than 4 characters"),
        (" a\n", "has fewer than 4 characters"),
        ("   \n  ", "is empty"),
        ("x" * 70_000, "has 70000 bytes"),
        ("secret\udcff", "is not text in UTF-8"),
        ("secret\0x", "holds a NUL character"),
    ],
)
def test_what_cannot_be_a_secret_is_refused_without_showing_it(value: str, fault: str, processes: Processes) -> None:
    said = refused(SecretStore(Sources(environment={"A": value}), processes), "A")
    assert f"the secret 'A' {fault}" in said
    assert "its value comes from the environment" in said
    assert "xxx" not in said


def test_a_run_without_secrets_asks_for_nothing(processes: Processes) -> None:
    store = SecretStore(Sources(file="/no/such/file", commands={"A": "exit 1"}), processes)
    assert not store.of_run(())


def test_a_run_hides_what_any_other_declares(processes: Processes) -> None:
    store = SecretStore(Sources(environment={"A": "value of A", "B": "value of B"}), processes)
    run = store.of_run(("A",))
    user = {"A": "value of A", "B": "value of B", "C": "c"}
    assert run.without_hidden(user) == {"B": "value of B", "C": "c"}
    store.hide(["B"])
    assert run.without_hidden(user) == {"C": "c"}
    assert store.of_run(()).without_hidden(user) == {"C": "c"}
    assert run.named_in({"TOKEN": "A", "OTHER": "B", "LIKE": "xA"}) == {"TOKEN": "value of A"}
