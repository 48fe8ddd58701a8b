"""A worker killed with SIGKILL, by the hand of the test and at exact places: nothing but the page in flight is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection

from integrations.core import clock
from integrations.sync import runs
from integrations.sync.models import Plan, Record, Run
from tests.support.processes import Process, running
from tests.support.waiting import wait_until
from tests.sync.conftest import LOCATION, alive, start
from tests.sync.listing import of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

COUNT = 450


def worker(run: Run) -> AbstractContextManager[Process]:
    """A process that does the run and asks before each page."""
    return running("-m", "tests.sync.kills.worker", str(run.pk), str(COUNT))


def pages(run: Run) -> tuple[int, int, int]:
    run.refresh_from_db()
    return run.pages, run.seen, Record.objects.filter(location_id=LOCATION).count()


def take_over(run: Run) -> Run:
    """What the sweep and the next worker do, once the dead one's lease has run out."""
    assert runs.take_due(100, clock.now()) == [], "its lease still stands"
    Run.objects.filter(pk=run.pk).update(lease_until=clock.now() - timedelta(seconds=1))
    assert runs.take_due(100, clock.now()) == [run.pk]
    runs.advance(run.pk, page=of(COUNT).page)
    run.refresh_from_db()
    return run


def test_killed_between_two_pages(plan: Plan) -> None:
    run = start(plan)
    with worker(run) as process:
        for number in (1, 2):
            process.hear(f"page {number}")
            process.go_on()
        process.hear("page 3")
        assert pages(run) == (2, 200, 200)
        process.die()
    assert pages(run) == (2, 200, 200)
    take_over(run)
    assert (run.status, run.pages, run.seen, len(alive())) == ("complete", 5, COUNT, COUNT)


def test_killed_inside_a_pages_transaction(plan: Plan) -> None:
    """The records are merged, the checkpoint's row is held fast: the worker dies between the two and the commit."""
    run = start(plan)
    with worker(run) as process:
        process.hear("page 1")
        process.go_on()
        process.hear("page 2")
        with run_held(run) as holder:
            process.go_on()
            backend = blocked_by(holder)
            process.die()
        gone(backend)
    assert pages(run) == (1, 100, 100), "all or nothing"
    take_over(run)
    assert (run.status, run.pages, run.seen, len(alive())) == ("complete", 5, COUNT, COUNT)


def test_undisturbed_the_worker_ends_the_run(plan: Plan) -> None:
    """So that the tests above do not pass because it never does."""
    run = start(plan)
    with worker(run) as process:
        for number in range(1, 6):
            process.hear(f"page {number}")
            process.go_on()
        process.hear("done")
    assert pages(run) == (5, COUNT, COUNT)
    assert run.status == "complete"


@contextmanager
def run_held(run: Run) -> Iterator[int]:
    """Hold the run's row in a connection of its own; its backend's number."""
    names = ("dbname", "host", "port", "user", "password")
    parameters = {name: value for name, value in connection.get_connection_params().items() if name in names}
    with psycopg.connect(**parameters) as other, other.transaction():
        other.execute("SELECT FROM sync_run WHERE id = %s FOR UPDATE", [run.pk])
        yield other.info.backend_pid


def blocked_by(holder: int) -> int:
    """The backend that waits for `holder`; its transaction has merged the page by then."""
    return patiently("SELECT pid FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))", holder)


def gone(backend: int) -> None:
    patiently("SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)", backend)


def patiently(query: str, number: int) -> int:
    """The first column of what is found, as soon as it is."""

    def found() -> tuple[Any, ...] | None:
        with connection.cursor() as cursor:
            cursor.execute(query, [number])
            return cursor.fetchone()

    return int(wait_until(found)[0])
