"""Delay of a healthy job while other jobs of the same tenants fail, hang and leak memory.

    python -m bench.chaos_jobs --tenants 2000

Every tenant has a job that works for 0.3 s. It falls due for all tenants at once, first alone, then together with a job
that fails, one that hangs for ever and one that keeps 2 MB at each run. Two workers with 16 threads serve them. The
delay of a tenant is the time from the due time to the begin of its turn. Meanwhile an urgent task is sent four times a
second. The bench fails when the median, the 95th percentile or the longest delay is more than twice that of the job
alone, or when an urgent task waits for more than five seconds (a process that replaces itself is unavailable for as
long; the other one serves them).
"""

from __future__ import annotations

from bench.setup import prepare

prepare()

import argparse  # noqa: E402 - the settings of what follows are made by prepare()
import statistics  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from collections.abc import Iterator, Sequence  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from pathlib import Path  # noqa: E402

from celery import current_app  # noqa: E402
from django.db import connection  # noqa: E402

from bench.processes.workers import until, workers  # noqa: E402
from integrations.core import clock  # noqa: E402
from integrations.core.tenant import UserType  # noqa: E402
from integrations.jobs import macs  # noqa: E402
from integrations.jobs.models import JobState, Run, Schedule  # noqa: E402
from integrations.tenants.models import App, Installation  # noqa: E402

GOOD, BAD = "tests.works", ("tests.crashes", "tests.hangs", "tests.leaks")
MODULES = "tests.jobs.misbehaving,tests.quota.jobs"
MOST_TIMES, MOST_URGENT = 2.0, 5.0
_PING_EVERY = 0.25  # seconds
_LONGEST = 1_800.0


@dataclass(frozen=True, slots=True)
class Delays:
    """Delays in seconds of the healthy job's turns, and of the urgent tasks."""

    turns: list[float]
    urgent: list[float]

    def row(self) -> tuple[float, float, float]:
        """Median, 95th percentile and maximum of the turns."""
        ordered = sorted(self.turns)
        return statistics.median(ordered), ordered[int(len(ordered) * 0.95)], ordered[-1]


def install(tenants: int) -> App:
    """An app that is installed on so many locations."""
    now = clock.now()
    app = App.objects.create(name="Bench", client_id="bench-jobs", highlevel_id="bench", created_at=now)
    Installation.objects.bulk_create(
        Installation(
            app=app,
            user_type=UserType.LOCATION,
            resource_id=f"tenant{number}",
            status=Installation.Status.INSTALLED,
            origin=Installation.Origin.APP,
            status_at=now,
            created_at=now,
        )
        for number in range(tenants)
    )
    return app


def measure(app: App, tenants: int, jobs: Sequence[str]) -> Delays:
    """Let the jobs fall due for all tenants at once, and wait until the healthy one has run for each."""
    Schedule.objects.all().delete()
    JobState.objects.all().delete()
    with tempfile.TemporaryDirectory(prefix="hlapp-bench-") as folder:
        journal = Path(folder) / "journal"
        with (
            workers(
                2,
                threads=16,
                jobs=MODULES,
                TESTS_LOG=str(journal),
                TESTS_LIMIT="100",
                TESTS_WORK_SECONDS="0.3",
                TESTS_LEAK_MB="2",
                JOB_SILENT_SECONDS="30",
                WORKER_MEMORY_MB="1024",
            ),
            pings() as sent,
        ):
            now, began = clock.now(), time.monotonic()
            Schedule.objects.bulk_create(
                macs.signed_schedule(
                    Schedule(
                        app=app, job=job, level="Location", tenant_id=f"tenant{number}", due_at=now, created_at=now
                    )
                )
                for number in range(tenants)
                for job in jobs
            )
            complete = Run.objects.filter(schedule__job=GOOD, status=Run.Status.COMPLETE)
            if not until(lambda: complete.count() == tenants, _LONGEST):
                raise RuntimeError(f"after {_LONGEST:g} s only {complete.count()} of {tenants} tenants were served")
        lines = [line.split() for line in journal.read_text().splitlines()]
    turns = [float(line[-1]) - began for line in lines if line[0] == "works"]
    answered = {int(line[1]): float(line[3]) for line in lines if line[0] == "done"}
    return Delays(turns, [answered.get(number, time.monotonic()) - at for number, at in sent.items()])


@contextmanager
def pings() -> Iterator[dict[int, float]]:
    """Send an urgent task every quarter of a second; yields when each was sent."""
    sent: dict[int, float] = {}
    stopping = threading.Event()

    def send() -> None:
        while not stopping.wait(_PING_EVERY):
            number = len(sent)
            current_app.send_task(
                "tests.dawdle", kwargs={"number": number, "resource": "urgent", "seconds": 0}, queue="urgent"
            )
            sent[number] = time.monotonic()

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield sent
        stopping.set()
        time.sleep(MOST_URGENT)  # the last ones are still on their way
    finally:
        stopping.set()
        thread.join()


def main() -> int:
    """Measure both, print them side by side, and return 1 when the healthy job waited too long."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=200)
    tenants = parser.parse_args().tenants
    app = install(tenants)
    alone = measure(app, tenants, [GOOD])
    print(f"delay of {tenants} tenants in seconds      median      95 %   longest   urgent 99 %   longest")
    _print("healthy job alone", alone)
    mixed = measure(app, tenants, [GOOD, *BAD])
    _print("with failing, hanging, leaking", mixed)
    paused = sorted(JobState.objects.filter(paused_at__isnull=False).values_list("job", flat=True))
    print(f"paused by themselves: {', '.join(paused) or 'none'}")
    connection.close()
    times = [after / before for before, after in zip(alone.row(), mixed.row(), strict=True)]
    print(f"times                              {times[0]:>9.2f} {times[1]:>9.2f} {times[2]:>9.2f}")
    return int(max(times) > MOST_TIMES or max(mixed.urgent) > MOST_URGENT)


def _print(name: str, delays: Delays) -> None:
    median, most, longest = delays.row()
    urgent = sorted(delays.urgent)
    figures = f"{median:>9.2f} {most:>9.2f} {longest:>9.2f}"
    print(f"{name:<34} {figures} {urgent[int(len(urgent) * 0.99)]:>13.2f} {urgent[-1]:>9.2f}")


if __name__ == "__main__":
    sys.exit(main())
