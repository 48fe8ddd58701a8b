"""A job that needs more calls than the quota has at once, on a real worker with beat: it waits without a
worker, ends, and the vendor refuses nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db.models import Sum

from integrations.core import clock
from integrations.gateway.models import Usage
from integrations.jobs.models import Run, Schedule
from integrations.tenants.models import App
from tests.jobs.conftest import _seeds
from tests.plugin.vendor import Vendor, run_vendor
from tests.support.processes import ROOT, celery, environment
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
CONTACTS, PAGES, TIMEOUT = 45, 3, 90.0  # the last page is empty
# So slow a quota that any machine is faster than it.
QUOTA = {"limit": 25, "interval_ms": 5_000}


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    yield from run_vendor(contacts=CONTACTS, locations=1, seed=next(_seeds), **QUOTA)


@contextmanager
def processes(directory: Path) -> Iterator[Path]:
    """A worker and a beat on the test's database; the worker's log."""
    worker = "worker -P threads -c 4 -Q urgent,api -I tests.jobs.tagging --without-gossip --without-mingle -l WARNING"
    commands = (worker, f"beat -s {directory / 'schedule'} -l WARNING")
    running = []
    with (directory / "log").open("wb") as log:
        for command in commands:
            running.append(celery(command, log, LOG_LEVEL="INFO"))
        try:
            yield directory / "log"
        finally:
            for process in running:
                process.kill()
                process.wait()


ATTACK = """
for queue in ("api", "urgent"):
    control.cancel_consumer(queue)
control.pool_shrink(4)
control.rate_limit("jobs.advance", "1/h")
control.broadcast("shutdown")
"""


def send(code: str) -> str:
    """Use the control channel as a process of the worker's own deployment, whose broker keys carry its database."""
    setup = "import django; django.setup(); from hlapp.celery import app; control = app.control"
    done = subprocess.run(
        [sys.executable, "-c", f"{setup}\n{code}"],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_job_beyond_the_quota_ends_without_a_refusal(tmp_path: Path, app: App, location: str, vendor: Vendor) -> None:
    now = clock.now()
    Schedule.objects.create(
        app=app, job="tests.tagging", level="Location", tenant_id=location, due_at=now, created_at=now
    )
    with processes(tmp_path) as log:
        wait_until(Run.objects.exists, TIMEOUT)
        send(ATTACK)  # what somebody sends who can write to the broker: none of it has an effect
        run = ended(log)
        spent = used()
        assert send("print(len(control.ping(timeout=5.0)))") == "1", "the worker lives, and answers questions"
    assert (run.status, run.error, run.done) == ("complete", "", CONTACTS)
    assert run.counts == {"tagged": CONTACTS}, "nobody was left out, and nobody twice"
    assert run.turns > 1, "it waited for permits"
    assert vendor.state()["quota"][location]["rejected_429"] == 0
    assert spent == {"contacts.add-tags": CONTACTS, "contacts.search-contacts-advanced": PAGES}, (
        "no page was fetched twice"
    )


def ended(log: Path) -> Run:
    def describe() -> str:
        states = list(Run.objects.values("status", "done", "turns", "attempts", "error", "due_at", "lease_owner"))
        return f"{states}\n{log.read_text()[-6000:]}"

    return wait_until(lambda: Run.objects.exclude(status="running").first(), TIMEOUT, describe=describe)


def used() -> dict[str, int]:
    """What the worker counted for the job: the sweep writes it once there are no calls any more."""

    def found() -> dict[str, int]:
        lines = Usage.objects.filter(job="tests.tagging", spent__gt=0).values_list("operation")
        return dict(lines.annotate(Sum("spent")).order_by())

    wait_until(lambda: sum(found().values()) >= CONTACTS + PAGES, describe=lambda: str(found()))
    return found()
