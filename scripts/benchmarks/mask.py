"""What masking costs: the masker alone, and the whole way of what a step prints into its log, beside that unmasked."""

from __future__ import annotations

import base64
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from scripts.benchmarks.supervise import judged
from scripts.benchmarks.timing import progress, timed
from tako.clock import SystemClock
from tako.config.model import StepSpec, WorkflowSpec
from tako.execution.request import RunRequest
from tako.execution.runner import Runner
from tako.execution.service import ServiceEnd
from tako.execution.state import SUCCESS
from tako.execution.workspace import Workspace
from tako.process import Processes
from tako.secrets.masking import Mask, MaskedStream
from tako.secrets.run import NO_SECRETS, RunSecrets
from tako.steps.base import Capabilities
from tako.steps.registry import step_kind

RATE_BAR = 200
ALONE = 32 << 20
"""Bytes that the masker alone is given."""
PRINTED = 256 << 20
"""Bytes that a step prints."""
PIECE = 1 << 16
"""What is read from a pipe at once."""
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/+"


def bench_mask(scratch: Path, rounds: int) -> None:
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores: with other work, all is too slow")
    draw = random.Random(1)
    secrets = {
        "1 secret": {"A": _token(draw)},
        "5 secrets": {f"S{number}": _token(draw) for number in range(5)},
        "50 secrets": {f"S{number}": _token(draw) for number in range(50)},
        "a key of 28 lines": {"KEY": _key(draw)},
        "10 such keys": {f"K{number}": _key(draw) for number in range(10)},
    }
    texts = {"words": _words(draw), "base64": base64.encodebytes(draw.randbytes(ALONE * 3 // 4))[:ALONE]}
    bench_alone(secrets, texts, rounds)
    bench_hits(secrets["1 secret"], texts["words"], rounds)
    for kind, text in texts.items():
        bench_log(scratch, kind, secrets, text, rounds)


def bench_alone(secrets: Mapping[str, Mapping[str, str]], texts: Mapping[str, bytes], rounds: int) -> None:
    print(f"the masker alone, MB of text without a secret per second of CPU, median of {rounds}:")
    for name, values in secrets.items():
        build = statistics.median(timed(lambda: Mask(values)) for _ in range(rounds))  # noqa: B023
        mask = Mask(values)
        rates = [_rate(text, mask, rounds) for text in texts.values()]
        shown = ", ".join(f"{kind} {rate:6.0f}" for kind, rate in zip(texts, rates, strict=True))
        print(f"  {name:18s} {shown}; made in {build * 1000:.1f} ms")


def bench_hits(values: Mapping[str, str], text: bytes, rounds: int) -> None:
    """Where secrets are printed all the time."""
    (value,) = values.values()
    lines = text.splitlines(keepends=True)
    for every in (1000, 100, 10, 1):
        filled = b"".join(
            line[:40] + value.encode() + line[40:] if number % every == 0 else line for number, line in enumerate(lines)
        )
        print(f"  1 secret in every {every:4d} lines   {_rate(filled, Mask(values), rounds):6.0f}")


def bench_log(scratch: Path, kind: str, secrets: Mapping[str, Mapping[str, str]], text: bytes, rounds: int) -> None:
    """A step that prints a file, from its process to its log."""
    path = scratch / kind
    with path.open("wb") as file:
        for _ in range(PRINTED // len(text)):
            file.write(text)
    runs: dict[str, Callable[[], None]] = {"unmasked": lambda: _print(scratch, path, NO_SECRETS)}
    for name, values in secrets.items():
        runs[name] = lambda values=values: _print(scratch, path, RunSecrets(values))  # type: ignore[misc]
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in progress(rounds, f"rounds of {kind}"):
        # One after the other within a round, so that other work on the machine meets all alike.
        for name, run in runs.items():
            took[name].append(_took(run))
    print(f"{PRINTED >> 20} MiB of {kind} from a step into its log, median of {rounds}:")
    for name, each in took.items():
        wall, cpu = (PRINTED / statistics.median(seconds) / 1e6 for seconds in zip(*each, strict=True))
        pairs = zip(each, took["unmasked"], strict=True)
        ratio = statistics.median(masked[1] / unmasked[1] for masked, unmasked in pairs)
        print(
            f"  {name:18s} {judged(wall, '6.0f', 'MB/s', least=RATE_BAR)}, "
            f"{cpu:6.0f} MB per second of CPU, {ratio:.2f} x the CPU of unmasked"
        )


def _rate(text: bytes, mask: Mask, rounds: int) -> float:
    pieces = list(_pieces(text))

    def run() -> None:
        stream = MaskedStream(mask)
        for piece in pieces:
            stream.feed(piece)
        stream.end()

    return len(text) / statistics.median(_took(run)[1] for _ in range(rounds)) / 1e6


def _took(run: Callable[[], None]) -> tuple[float, float]:
    """Wall time, and the CPU time of this process: what others at work on the machine do not add to."""
    before = time.process_time()
    return timed(run), time.process_time() - before


def _print(scratch: Path, path: Path, secrets: RunSecrets) -> None:
    workspace = Workspace(str(scratch / "workspace"))
    workspace.make()
    workflow = WorkflowSpec("w", steps=(StepSpec(id="print", run=f"cat {path}"),))
    runner = Runner(
        Capabilities(
            request=_request(workflow),
            workspace=workspace,
            repo_dir=workspace.path,
            processes=Processes(),
            clock=SystemClock(),
            base_env={"PATH": os.environ["PATH"]},
            secrets=secrets,
        ),
        step_kind=step_kind,
        observer=_Nobody(),
    )
    if runner.run(runner.begin()).status != SUCCESS:
        raise SystemExit("the step did not succeed")


class _Nobody:
    """Hears of a run and does nothing."""

    def step_started(self, spec: object) -> None: ...

    def step_retrying(self, spec: object, attempt: object, delay: float) -> None: ...

    def step_ended(self, step: object) -> None: ...

    def service_ended(self, end: ServiceEnd) -> None: ...

    def event(self, event: object) -> None: ...


def _request(workflow: WorkflowSpec) -> RunRequest:
    run_id = "exec-20261123-181803-00000000"
    return RunRequest(
        run_id=run_id,
        root_id=run_id,
        parent_id=None,
        repo="bench/mask",
        ref="",
        source=os.curdir,
        commit=None,
        private=False,
        cache_lock=None,
        workflow=workflow,
        inputs={},
    )


def _pieces(text: bytes) -> Iterator[bytes]:
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE]


def _token(draw: random.Random) -> str:
    return "".join(draw.choices(_LETTERS, k=40))


def _key(draw: random.Random) -> str:
    lines = base64.encodebytes(draw.randbytes(1216)).decode().replace("\n", "")
    body = "\n".join(lines[start : start + 64] for start in range(0, len(lines), 64))
    return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"


def _words(draw: random.Random) -> bytes:
    """Lines as logs have them."""
    words = ["".join(draw.choices(_LETTERS[:26], k=draw.randint(2, 10))) for _ in range(2000)]
    line = "".join(" ".join(draw.choices(words, k=12)) + "\n" for _ in range(20_000)).encode()
    return (line * (ALONE // len(line) + 1))[:ALONE]
