"""A job that needs more calls than the quota has at once, on a real worker with beat and pump: it waits without a
worker, ends, and the vendor refuses nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection
from django.db.models import Sum

from integrations.core import clock
from integrations.gateway.models import Usage
from integrations.jobs.models import Run, Schedule
from integrations.tenants.models import App
from tests.jobs.conftest import _seeds
from tests.plugin.vendor import Vendor, run_vendor

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
CONTACTS, PAGES, PATIENCE = 45, 3, 90.0  # the last page is empty
# So slow a quota that any machine is faster than it.
QUOTA = {"limit": 25, "interval_ms": 15_000}


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    yield from run_vendor(contacts=CONTACTS, locations=1, seed=next(_seeds), **QUOTA)


@contextmanager
def processes(directory: Path) -> Iterator[Path]:
    """A worker and a beat on the test's database; the worker's log."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    url = urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))
    environment = {**os.environ, "DATABASE_URL": url, "LOG_LEVEL": "INFO", "DJANGO_SETTINGS_MODULE": "hlapp.settings"}
    worker = "worker -P threads -c 4 -Q urgent,api -I tests.jobs.tagging --without-gossip --without-mingle -l WARNING"
    commands = (worker, f"beat -s {directory / 'schedule'} -l WARNING")
    running = []
    with (directory / "log").open("wb") as log:
        for command in commands:
            words = [sys.executable, "-m", "celery", "-A", "hlapp", *command.split()]
            running.append(subprocess.Popen(words, env=environment, stdout=log, stderr=subprocess.STDOUT))
        try:
            yield directory / "log"
        finally:
            for process in running:
                process.kill()
                process.wait()


def test_a_job_beyond_the_quota_ends_without_a_refusal(tmp_path: Path, app: App, location: str, vendor: Vendor) -> None:
    now = clock.now()
    Schedule.objects.create(
        app=app, job="tests.tagging", level="Location", tenant_id=location, due_at=now, created_at=now
    )
    with processes(tmp_path) as log:
        run = ended(log)
        spent = used()
    assert (run.status, run.error, run.done) == ("complete", "", CONTACTS)
    assert run.counts == {"tagged": CONTACTS}, "nobody was left out, and nobody twice"
    assert run.turns > 1, "it waited for permits"
    assert vendor.state()["quota"][location]["rejected_429"] == 0
    assert spent == {"contacts.add-tags": CONTACTS, "contacts.search-contacts-advanced": PAGES}, (
        "no page was fetched twice"
    )


def ended(log: Path) -> Run:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        run = Run.objects.exclude(status="running").first()
        if run is not None:
            return run
        time.sleep(0.2)
    states = list(Run.objects.values("status", "done", "turns", "attempts", "error", "due_at", "lease_owner"))
    pytest.fail(f"waited in vain: {states}\n{log.read_text()[-6000:]}")


def used() -> dict[str, int]:
    """What the worker counted for the job: the sweep writes it once there are no calls any more."""
    deadline = time.monotonic() + 20.0
    while True:
        lines = Usage.objects.filter(job="tests.tagging", spent__gt=0).values_list("operation")
        found = dict(lines.annotate(Sum("spent")).order_by())
        if sum(found.values()) >= CONTACTS + PAGES or time.monotonic() > deadline:
            return found
        time.sleep(0.2)
