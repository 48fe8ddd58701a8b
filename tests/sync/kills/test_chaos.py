"""Edits, inserts, deletes, faults, false listings and SIGKILLs at once: no record that exists is ever deleted."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx2
import pytest

from integrations.core import clock
from integrations.core.errors import NoPermit
from integrations.gateway import client
from integrations.sync import plans
from integrations.sync.models import Plan, Record, Run
from integrations.sync.resources import RESOURCES
from integrations.tenants.models import App
from tests.plugin.vendor import SCOPES, Vendor, make_app, run_vendor
from tests.support.processes import Process, running
from tests.sync.conftest import connect

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

SEARCH = "/contacts/search"
FAULTS: list[tuple[str, float, dict[str, Any]]] = [
    ("false-total", 0.2, {"add": -80}),
    ("false-total", 0.2, {"add": 40}),
    ("empty", 0.15, {}),
    ("silent", 0.2, {"share": 0.3}),
    ("stale", 0.2, {"hold_ms": 4000}),
    ("status", 0.1, {"status": 502}),
    ("status", 0.05, {"status": 422}),
    ("close", 0.05, {}),
    ("garbage", 0.05, {}),
]


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    yield from run_vendor(contacts=330, locations=1, seed=77)


@pytest.fixture
def plan(vendor: Vendor, clean_redis: object) -> Plan:
    app = make_app(vendor)
    App.objects.filter(pk=app.pk).update(scopes=SCOPES)
    return Plan.objects.create(app=app, location_id=connect(vendor, app), resource="contacts", created_at=clock.now())


def truth(plan: Plan) -> dict[str, Any]:
    """The vendor's contacts as the copy is to have them, listed while the vendor says the truth."""

    def patient(operation: str, **arguments: Any) -> client.Page:
        while True:
            try:
                return client.page(operation, **arguments)
            except NoPermit as wait:
                clock.sleep(min(wait.retry_after or 0.1, 1.0))

    pages = client.pages(
        RESOURCES["contacts"].operation,
        fetch=patient,
        app=plan.app,
        location=plan.location_id,
        body=RESOURCES["contacts"].request(plan.location_id, None).body,
    )
    return {row["id"]: RESOURCES["contacts"].payload(row) for page in pages for row in page.items}


def copy() -> dict[str, Any]:
    return dict(Record.objects.filter(deleted_at=None).values_list("record_id", "payload"))


def disturb(vendor: Vendor, plan: Plan, dice: random.Random) -> None:
    """Changes at the vendor, whose webhooks are lost."""
    for kind, most in (("create", 8), ("update", 25), ("delete", 8)):
        change = {"location": plan.location_id, "resource": "contacts", "kind": kind, "count": dice.randint(1, most)}
        vendor.post("/sandbox/changes", change)


def run(plan: Plan, *, full: bool) -> Run:
    plans.request_runs(Plan.objects.filter(pk=plan.pk), clock.now(), full=full)
    return Run.objects.filter(plan=plan).latest("pk")


@pytest.fixture
def workers() -> Iterator[Process]:
    with running("-m", "tests.sync.kills.chaos_worker") as workers:
        yield workers


def begin(workers: Process, run: Run) -> int:
    """Let a worker begin the run; its process id."""
    workers.go_on(str(run.pk))
    return int(workers.hear_from("begun "))


def finish(workers: Process, started: Run) -> Run:
    begin(workers, started)
    workers.hear("ended", among_others=True)
    workers.hear("gone", among_others=True)
    started.refresh_from_db()
    return started


def test_no_record_that_exists_is_ever_deleted(vendor: Vendor, plan: Plan, workers: Process) -> None:
    dice = random.Random(3)
    assert finish(workers, run(plan, full=True)).status == "complete"
    assert copy() == truth(plan)
    deleted = 0
    for _ in range(3):
        for kind, probability, params in FAULTS:
            rule = {"kind": kind, "match": {"path": SEARCH}, "params": params, "probability": probability}
            vendor.post("/sandbox/faults", rule)
        disturbed = run(plan, full=True)
        for _ in range(3):
            worker = begin(workers, disturbed)
            disturb(vendor, plan, dice)
            time.sleep(dice.uniform(0.05, 1.0))  # the moment of the kill is part of the chaos
            with suppress(ProcessLookupError):  # it was faster
                os.kill(worker, signal.SIGKILL)
            workers.hear("gone", among_others=True)
        ended = finish(workers, disturbed)
        be_honest(vendor)
        exists = truth(plan)
        wrong = set(Record.objects.exclude(deleted_at=None).values_list("record_id", flat=True)) & set(exists)
        assert wrong == set(), (ended.status, ended.error)

        after = finish(workers, run(plan, full=False))
        assert (after.status, after.error_code) in (("complete", ""), ("complete", "incomplete"))
        assert copy() == exists
        deleted += Record.objects.exclude(deleted_at=None).count()
    assert deleted > 0


def be_honest(vendor: Vendor) -> None:
    """From here on the vendor says the truth."""
    httpx2.delete(vendor.url + "/sandbox/faults", timeout=60).raise_for_status()
