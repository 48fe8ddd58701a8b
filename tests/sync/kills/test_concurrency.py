"""Two writers at once on real connections: they neither deadlock nor lose the newer version."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from integrations.core import clock
from integrations.sync import deletions, plans, records, webhook_handlers
from integrations.sync.models import Plan, Record, Run
from integrations.sync.records import Placed
from integrations.sync.resources import Change
from integrations.webhooks.models import Event
from tests.support.signed import sign
from tests.sync.conftest import LOCATION

pytestmark = pytest.mark.django_db(transaction=True)

Json = dict[str, Any]


def at_once(*works: Callable[[], object]) -> list[Any]:
    """Run all of them in threads that start together; their results, or the first one's error.

    A lock may be waited for longer than the web would, as on a slow machine. PostgreSQL still finds a deadlock at once.
    """
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> object:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '60s'")
        gate.wait(timeout=60)
        try:
            return work()
        finally:
            with connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")  # the pool keeps the session
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def rows(minute: int, *, reverse: bool = False) -> list[Json]:
    found = [{"id": f"r{n:03}", "dateUpdated": f"2026-11-01T12:{minute:02}:00Z", "n": minute} for n in range(200)]
    return found[::-1] if reverse else found


def test_pages_in_opposite_orders_do_not_deadlock(plan: Plan) -> None:
    def write(start: int, *, reverse: bool) -> None:
        for minute in range(start, 20, 2):
            records.merge(plan.app_id, LOCATION, "contacts", rows(minute, reverse=reverse))

    at_once(lambda: write(0, reverse=False), lambda: write(1, reverse=True))
    assert set(Record.objects.values_list("payload__n", flat=True)) == {19}, "the newest won, whoever came last"
    assert Record.objects.count() == 200


def test_events_in_the_opposite_order_of_pages_do_not_deadlock(plan: Plan) -> None:
    """A batch of events keeps its locks until it is committed, and so does a page."""

    def event(n: int, minute: int) -> Event:
        at = f"2026-11-01T12:{minute:02}:30Z"
        payload = {"id": f"r{n:03}", "locationId": LOCATION, "type": "ContactUpdate", "dateUpdated": at, "n": minute}
        return Event(app=plan.app, type="ContactUpdate", payload=payload, occurred_at=clock.now())

    def handle() -> None:
        for minute in range(8):
            with transaction.atomic():
                webhook_handlers.apply_all([event(n, minute) for n in range(199, -1, -1)])

    def write() -> None:
        for minute in range(8):
            records.merge(plan.app_id, LOCATION, "contacts", rows(minute))

    at_once(handle, write, handle)
    assert set(Record.objects.values_list("payload__n", flat=True)) == {7}


def test_the_end_of_a_run_and_events_do_not_deadlock(plan: Plan) -> None:
    """The end of a run marks and deletes records that events are about at the same time."""
    records.merge(plan.app_id, LOCATION, "contacts", rows(0, reverse=True))
    run = Run.objects.create(plan=plan, kind=Run.Kind.FULL, started_at=clock.now(), due_at=clock.now())
    names = [f"r{n:03}" for n in range(200)]
    removed = {name: Change(name, {}, clock.now(), Change.Kind.DELETED) for name in names}

    def handle() -> None:
        for _ in range(8):
            with transaction.atomic():
                records.apply_planned(Placed(plan.app_id, LOCATION, "contacts", removed[name]) for name in names)

    def mark() -> None:
        for _ in range(8):
            with transaction.atomic():
                found = records.lock(Record.objects.filter(location_id=LOCATION))
                found.update(missing_at=run.started_at)
                deletions.delete_missing(run, clock.now())

    at_once(handle, mark, handle)
    assert not Record.objects.filter(deleted_at=None).exists()


def test_a_due_plan_is_started_once(plan: Plan) -> None:
    Plan.objects.update(due_at=clock.now())
    sign(Plan)
    started = at_once(*[lambda: plans.start_due(clock.now())] * 4)
    assert sum(started) == 1
    assert Run.objects.count() == 1


def test_plans_are_made_once(plan: Plan) -> None:
    Plan.objects.all().delete()
    made = at_once(*[lambda: plans.make(plan.app_id, LOCATION)] * 4)
    assert Plan.objects.count() == Run.objects.count() == 1
    assert max(made) == 1
