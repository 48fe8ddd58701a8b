"""A real worker with the jobs of `tests.jobs.misbehaving`, and what these wrote down."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import celery


@dataclass
class Worker:
    """`journal` has a line per begun turn, `log` what the process wrote."""

    process: subprocess.Popen[bytes]
    journal: Path
    log: Path

    def begun(self, job: str) -> list[list[str]]:
        """The begun turns of a job: tenant, process, thread and time."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [line.split()[1:] for line in lines if line.startswith(f"{job} ")]

    def describe(self) -> str:
        return self.log.read_text()[-6000:]


@contextmanager
def worker(directory: Path, *options: str, **env: str) -> Iterator[Worker]:
    """A worker with 4 threads for both queues, unless `options` say otherwise."""
    chosen = " ".join(options) or "-c 4 -Q urgent,api"
    journal, path = directory / "journal", directory / "log"
    quiet = "--without-gossip --without-mingle --without-heartbeat -l WARNING"
    with path.open("wb") as log:
        command = f"worker -P threads {chosen} -I tests.jobs.misbehaving,tests.quota.jobs {quiet}"
        process = celery(command, log, LOG_LEVEL="INFO", **{"TESTS_LOG": str(journal), "TESTS_LIMIT": "100", **env})
    try:
        yield Worker(process, journal, path)
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()
