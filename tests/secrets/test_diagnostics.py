"""Diagnostics of Tako itself hold no secret either, whatever is logged."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tako import logs
from tako.process import Processes
from tako.secrets.store import SecretStore, Sources

VALUE = 's3cr3t "value" é'


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    logs.mask_with(lambda text: text)


@pytest.mark.parametrize("kind", ["debug", "json"])
def test_a_secret_is_masked_from_when_it_is_known(
    kind: str, processes: Processes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TAKO_LOG", kind)
    monkeypatch.setenv("NO_COLOR", "1")
    log = logs.logger("test")
    store = SecretStore(Sources(environment={"A": VALUE, "B": "another value"}), processes)
    log.debug("before", number=1)
    store.of_run(("A",))
    log.debug("one", argv=("sh", f"--token={VALUE}"), text=json.dumps(VALUE))
    store.of_run(("B",))
    log.debug("both", text=f"another value {VALUE}")

    said = capsys.readouterr().err
    assert "before" in said
    assert "s3cr3t" not in said
    assert "another value" not in said
    assert said.count("***") == 4
