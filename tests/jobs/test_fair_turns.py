"""Delay by count: how many turns of others come before a tenant's first, and how many messages the broker holds.

A worker is played here: it takes what the dispatcher would send when a thread is free, and ends it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
import redis
from celery import current_app

from integrations.core import clock, dispatch
from integrations.core.celery_tasks import DEFAULT
from integrations.core.dispatch import Dispatcher
from integrations.core.models import WorkerProcess
from integrations.core.runs import querysets, tenant_turns
from integrations.jobs import tasks
from integrations.jobs.models import Run
from integrations.sync import runs as sync_runs
from integrations.sync.models import Plan
from integrations.sync.models import Run as SyncRun
from integrations.tenants.models import App
from tests.jobs.conftest import Defined, ask, install
from tests.support.waiting import wait_until
from tests.sync.conftest import app as app

QUIET = [f"quiet{number}" for number in range(20)]
Take = Callable[[int], list[int]]


def due_syncs(app: App, tenant: str, count: int, age: timedelta) -> None:
    """So many due runs of the tenant's plans, the last one of this age and the others older."""
    now = clock.now()
    plans = Plan.objects.bulk_create(
        Plan(app=app, location_id=tenant, resource=f"resource{number}", created_at=now) for number in range(count)
    )
    SyncRun.objects.bulk_create(
        SyncRun(plan=plan, kind="full", due_at=now - age - timedelta(seconds=count - number), started_at=now)
        for number, plan in enumerate(plans)
    )


def order_of(threads: int, looks: int) -> list[str]:
    """The tenants in the order in which threads get their runs: a thread that becomes free gets the next one."""
    order: list[str] = []
    at_work: list[int] = []
    for _ in range(looks):
        found = sync_runs.take_due(threads - len(at_work), clock.now())
        tenants = dict(SyncRun.objects.filter(pk__in=found).values_list("pk", "plan__location_id"))
        order += [tenants[pk] for pk in found]
        at_work += found
        SyncRun.objects.filter(pk=at_work.pop(0)).update(status=SyncRun.Status.COMPLETE, finished_at=clock.now())
    return order


@pytest.mark.django_db
@pytest.mark.parametrize("candidates", [querysets.MOST_CANDIDATES, 30])
def test_a_backlog_of_one_tenant_delays_no_other_by_more_than_its_turn(
    app: App, candidates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ninety runs of one tenant are older than all others. With 30 candidates the others are not even among them."""
    monkeypatch.setattr(querysets, "MOST_CANDIDATES", candidates)
    threads = 4
    due_syncs(app, "flood", 90, timedelta(hours=2))
    assert set(order_of(threads, 1)) == {"flood"}, "nobody else is due"
    for tenant in QUIET:
        due_syncs(app, tenant, 3, timedelta(minutes=1))
    order = order_of(threads, 40)
    first = [order.index(tenant) for tenant in QUIET]
    assert max(first) < threads + len(QUIET) + 1, "what is at work, and one of each other tenant"
    assert all(order.count(tenant) <= 3 for tenant in QUIET)


@pytest.mark.django_db
def test_a_new_leader_serves_everybody_within_two_rounds(app: App) -> None:
    """It does not know who was served, so it may begin with a tenant that has just had its turn."""
    for tenant in ["flood", *QUIET]:
        due_syncs(app, tenant, 5, timedelta(hours=1))
    order = order_of(2, 10)
    tenant_turns.reset()
    order += order_of(2, 2 * (len(QUIET) + 1))
    assert set(order) == {"flood", *QUIET}
    assert max(order.index(tenant) for tenant in QUIET) < 10 + 2 + len(QUIET) + 1


@pytest.mark.django_db(transaction=True)
def test_the_broker_holds_what_threads_can_begin_soon_and_each_run_once(
    app: App, defined: Defined, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred tenants with three jobs each, and a process with three threads whose messages nobody takes."""
    tenants, threads = [f"loc{number:03}" for number in range(200)], 3
    for tenant in tenants:
        install(app, tenant)
    for name in ("test.a", "test.b", "test.c"):
        ask(defined(lambda run: None, name=name), *tenants)
        for _ in range(3):
            tasks.SOURCE.prepare(clock.now())  # type: ignore[misc]
    assert Run.objects.waiting().count() == 600
    monkeypatch.setattr(dispatch, "SOURCES", {"job runs": tasks.SOURCE})
    monkeypatch.setattr(dispatch.Sender.__init__, "__defaults__", (dispatch.SOURCES,))
    queue = f"{current_app.conf.broker_transport_options['global_keyprefix']}{DEFAULT}"
    most = threads * dispatch.PER_THREAD

    def messages() -> list[int]:
        raw = [json.loads(one) for one in clean_redis.lrange(queue, 0, -1)]
        return [json.loads(one["headers"]["kwargsrepr"].replace("'", '"'))["run_id"] for one in raw]

    dispatcher = Dispatcher(threads=threads, queues=[DEFAULT])
    dispatcher.start()
    try:
        wait_until(lambda: clean_redis.llen(queue) == most)
        for begun in range(1, 6):
            owner = WorkerProcess.objects.get().name
            first = messages()[-begun]
            Run.objects.filter(pk=first).update(lease_owner=owner, lease_until=clock.now() + timedelta(minutes=1))
            Run.objects.filter(pk=first).update(status=Run.Status.COMPLETE, finished_at=clock.now())
            wait_until(lambda number=most + begun: clean_redis.llen(queue) == number)
        sent = messages()
    finally:
        dispatcher.stop()
    assert max(Counter(sent).values()) == 1, "no run has two messages"
    assert Run.objects.filter(pk__in=sent, lease_owner="queued").count() == most
    assert len({*Run.objects.filter(pk__in=sent).values_list("schedule__tenant_id", flat=True)}) == len(sent)
