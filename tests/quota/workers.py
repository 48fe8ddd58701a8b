"""Real Celery workers on the tests' own database and Redis, and what their jobs wrote down."""

from __future__ import annotations

import itertools
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from integrations.core.models import LeaderLease
from integrations.quota.parking.parked_task_sender import LEASE_NAME
from tests.support.processes import celery
from tests.support.waiting import TIMEOUT, wait_until


@dataclass
class Worker:
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass
class Line:
    event: str
    number: int
    resource: str
    at: float
    pid: int


@dataclass
class Workers:
    """`directory` holds their logs and what their jobs wrote."""

    directory: Path
    limit: int
    env: dict[str, str] = field(default_factory=dict)
    running: list[Worker] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def journal(self) -> Path:
        return self.directory / "journal"

    def start(self, threads: int = 8) -> Worker:
        number = next(self._numbers)
        output = self.directory / f"worker{number}.log"
        name = f"tests{number}@%h"
        options = (
            f"-P threads -c {threads} -Q urgent,api -I tests.quota.jobs,tests.tokens.refresh.jobs -n {name} -l WARNING"
        )
        quiet = "--without-gossip --without-mingle --without-heartbeat"
        with output.open("wb") as log:
            settings = {"TESTS_LOG": str(self.journal), "TESTS_LIMIT": str(self.limit), "LOG_LEVEL": "WARNING"}
            process = celery(f"worker {options} {quiet}", log, **settings, **self.env)
        worker = Worker(process, output)
        self.running.append(worker)
        return worker

    def restart_ended(self) -> None:
        """As a supervisor does: kombu sometimes ends a worker whose broker becomes unavailable."""
        for worker in [worker for worker in self.running if worker.process.poll() is not None]:
            self.running.remove(worker)
            self.start()

    def lines(self, event: str = "", resource: str = "") -> list[Line]:
        if not self.journal.exists():
            return []
        rows = [text.split(" ") for text in self.journal.read_text().splitlines() if text.count(" ") == 4]
        lines = [Line(row[0], int(row[1]), row[2], float(row[3]), int(row[4])) for row in rows]
        return [line for line in lines if event in ("", line.event) and resource in ("", line.resource)]

    def done(self, resource: str = "") -> Counter[int]:
        return Counter(line.number for line in self.lines("done", resource))

    def wait_for(self, reached: Callable[[], object], seconds: float = TIMEOUT) -> None:
        wait_until(reached, seconds, describe=self._state)

    def _state(self) -> str:
        tails = "\n".join(worker.output.read_text()[-2000:] for worker in self.running)
        return f"{len(self.lines('done'))} done\n{tails}"

    def leader(self) -> Worker:
        """The worker that leads in sending parked tasks, as soon as one does."""
        found: list[Worker] = []

        def leads() -> bool:
            owner = LeaderLease.objects.filter(name=LEASE_NAME).values_list("owner", flat=True).first() or ""
            found[:] = [worker for worker in self.running if f":{worker.pid}:" in owner]
            return bool(found) and found[0].process.poll() is None

        self.wait_for(leads)
        return found[0]


@contextmanager
def workers(directory: Path, count: int, *, limit: int, threads: int = 8, **env: str) -> Iterator[Workers]:
    """`limit`: calls in a second, as the answers' headers tell."""
    group = Workers(directory, limit, env)
    try:
        for _ in range(count):
            group.start(threads)
        yield group
    finally:
        for worker in group.running:
            worker.process.send_signal(signal.SIGCONT)
            worker.process.kill()
        for worker in group.running:
            worker.process.wait()


def busiest(moments: list[float], window: float) -> int:
    """The most of these that any window of this length holds."""
    moments, first, most = sorted(moments), 0, 0
    for last, at in enumerate(moments):
        while moments[first] <= at - window:
            first += 1
        most = max(most, last - first + 1)
    return most
