"""A worker killed with SIGKILL, by the hand of the test and at exact places: nothing but the page in flight is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.db import connection

from integrations.core import clock
from integrations.sync import runs
from integrations.sync.models import Plan, Record, Run
from tests.sync.conftest import LOCATION, alive, start
from tests.sync.listing import of

pytestmark = pytest.mark.django_db(transaction=True)

COUNT = 450
PATIENCE = 20.0


@contextmanager
def worker(run: Run) -> Iterator[subprocess.Popen[str]]:
    """A process that walks the run and asks before each page."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    url = urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))
    command = [sys.executable, "-m", "tests.sync.worker", str(run.pk), str(COUNT)]
    process = subprocess.Popen(
        command,
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "hlapp.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline().strip() == line


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


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
            wait_for(process, f"page {number}")
            go_on(process)
        wait_for(process, "page 3")
        assert pages(run) == (2, 200, 200)
        kill(process)
    assert pages(run) == (2, 200, 200)
    take_over(run)
    assert (run.status, run.pages, run.seen, len(alive())) == ("complete", 5, COUNT, COUNT)


def test_killed_inside_a_pages_transaction(plan: Plan) -> None:
    """The records are merged, the checkpoint's row is held fast: the worker dies between the two and the commit."""
    run = start(plan)
    with worker(run) as process:
        wait_for(process, "page 1")
        go_on(process)
        wait_for(process, "page 2")
        with run_held(run) as holder:
            go_on(process)
            backend = blocked_by(holder)
            kill(process)
        gone(backend)
    assert pages(run) == (1, 100, 100), "all or nothing"
    take_over(run)
    assert (run.status, run.pages, run.seen, len(alive())) == ("complete", 5, COUNT, COUNT)


def test_undisturbed_the_worker_ends_the_run(plan: Plan) -> None:
    """So that the tests above do not pass because it never does."""
    run = start(plan)
    with worker(run) as process:
        for number in range(1, 6):
            wait_for(process, f"page {number}")
            go_on(process)
        wait_for(process, "done")
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
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(query, [number])
            found = cursor.fetchone()
        if found is not None:
            return int(found[0])
        time.sleep(0.02)
    pytest.fail("waited in vain")
