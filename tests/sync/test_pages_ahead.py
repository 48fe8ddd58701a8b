"""A run that reads pages ahead, through the real gateway: it is whole, and urgent calls are not late."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from integrations.core import clock
from integrations.gateway import client
from integrations.quota.permits.lanes import Lane
from integrations.sync import runs
from integrations.sync.models import Plan, Record, Run
from integrations.tenants.models import App
from tests.plugin.vendor import SCOPES, Vendor, make_app, run_vendor
from tests.sync.conftest import connect, start, wake

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

CONTACTS, ANSWER = 2_000, 100.0  # milliseconds


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    yield from run_vendor(contacts=CONTACTS, locations=1, seed=5_077, latency_ms=(ANSWER, ANSWER))


@pytest.fixture
def plan(vendor: Vendor, clean_redis: object) -> Plan:
    app = make_app(vendor)
    App.objects.filter(pk=app.pk).update(scopes=SCOPES)
    app.refresh_from_db()
    return Plan.objects.create(app=app, location_id=connect(vendor, app), resource="contacts", created_at=clock.now())


def finished(run: Run) -> Run:
    while run.status == Run.Status.RUNNING:
        wake(run)
        runs.advance(run.pk)
        run.refresh_from_db()
        clock.sleep(0.02)
    return run


def test_a_run_that_reads_ahead_is_whole_and_urgent_calls_pass_it(vendor: Vendor, plan: Plan) -> None:
    waited, over = [], threading.Event()

    def urgent() -> None:
        """Somebody's calls, one after the other."""
        how: dict[str, Any] = {"app": plan.app, "location": plan.location_id, "lane": Lane.INTERACTIVE}
        while not over.wait(0.2):
            asked = time.monotonic()
            client.call("locations.get-location", **how)
            waited.append(time.monotonic() - asked - ANSWER / 1_000)
        connections.close_all()

    person = threading.Thread(target=urgent)
    run = start(plan)
    person.start()
    try:
        finished(run)
    finally:
        over.set()
        person.join()
    assert (run.status, run.error, run.seen, run.total) == ("complete", "", CONTACTS, CONTACTS)
    assert Record.objects.filter(deleted_at=None).count() == CONTACTS
    numbered = [one for one in vendor.asked() if one.path == "/contacts/search" and "page" in one.body]
    assert len(numbered) >= 10, "half of the twenty pages at least"
    assert vendor.state()["quota"][plan.location_id]["rejected_429"] == 0
    assert sorted(waited)[len(waited) // 2] < 0.3, "the median of the interactive calls, without the answer's own time"
