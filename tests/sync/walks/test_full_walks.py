"""Full walks: spread evenly, as often as the day's calls allow; and the events of companies."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import StoreUnavailable
from integrations.core.tenant import Tenant
from integrations.highlevel.http.rate_headers import RateSnapshot
from integrations.quota.permits import governor
from integrations.quota.permits import queries as quota
from integrations.quota.permits.lanes import Lane
from integrations.sync import after_success, pace
from integrations.sync.choose import estimates, measured_rates
from integrations.sync.deletions import DeletionResult
from integrations.sync.models import Plan, Run
from integrations.sync.resources import RESOURCES
from integrations.sync.walks import full_walks
from integrations.tenants.models import App, Company, Installation, Location
from integrations.webhooks.models import Event, Mailbox
from tests.sync.conftest import LOCATION, run_once, start
from tests.sync.listing import of

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)


@pytest.mark.parametrize("wait", [DAY, WEEK])
def test_walks_of_plans_that_were_made_together_are_spread_evenly(wait: timedelta) -> None:
    """A thousand plans after their first walks within one hour: each part of the wait has as many of the next ones."""
    begun = datetime(2026, 3, 1, 12, 0, tzinfo=clock.now().tzinfo)
    after = [full_walks.moment(begun + HOUR * (n % 60) / 60, wait, n) for n in range(1, 1_001)]
    assert all(begun + wait / 2 <= at <= begun + wait * 1.5 + HOUR for at in after)
    parts = Counter(int((at - begun) % wait / (wait / 20)) for at in after)
    assert (len(parts), min(parts.values()), max(parts.values())) == (
        20,
        pytest.approx(50, abs=2),
        pytest.approx(50, abs=2),
    )
    assert all(full_walks.moment(at + HOUR, wait, n) == at + wait for n, at in enumerate(after, 1))


def test_the_next_walk_of_a_plan_is_at_its_own_moment(plan: Plan) -> None:
    run_once(plan, of(3))
    plan.refresh_from_db()
    assert plan.full_due_at is not None
    assert plan.full_due_at == full_walks.moment(clock.now(), DAY, plan.pk)


def ended(plan: Plan, *, pages: int, day_limit: int) -> Plan:
    """The plan after a full run of so many pages."""
    run = start(plan, full_due_at=None)
    Run.objects.filter(pk=run.pk).update(pages=pages, status=Run.Status.COMPLETE, finished_at=clock.now())
    run = Run.objects.select_related("plan__app").get(pk=run.pk)
    after_success.set_plan(run, DeletionResult(), None, clock.now(), day_limit=day_limit)
    plan.refresh_from_db()
    return plan


@pytest.mark.parametrize(
    ("pages", "day_limit", "wait"),
    [
        (10, 200_000, DAY),
        (4_000, 200_000, DAY),
        (10_000, 200_000, DAY * 2.5),  # a million contacts
        (28_000, 200_000, WEEK),
        (1_000, 10_000, DAY * 5),
        (10_000_000, 200_000, DAY * 28),
    ],
)
def test_the_wait_between_walks_follows_records_and_budget(
    plan: Plan, pages: int, day_limit: int, wait: timedelta
) -> None:
    before = clock.now()
    after = ended(plan, pages=pages, day_limit=day_limit)
    assert after.full_due_at == full_walks.moment(clock.now(), wait, plan.pk)
    assert after.due_at is not None
    assert after.due_at <= before + timedelta(minutes=11), "between them it asks for changes as often as ever"


def test_a_resource_that_is_always_read_whole_waits_as_long_as_it_costs(app: App, plan: Plan) -> None:
    """An hour, and where an hour costs more than its part of the day, as long as that allows."""
    mine = Plan.objects.create(app=app, location_id=LOCATION, resource="businesses", created_at=clock.now())
    assert RESOURCES["businesses"].since is None
    assert _wait(ended(mine, pages=10, day_limit=200_000)) <= HOUR
    long = _wait(ended(mine, pages=2_000, day_limit=200_000))
    assert DAY * 0.5 * 0.8 <= long <= DAY * 0.5
    Plan.objects.filter(pk=mine.pk).update(every=HOUR)
    assert _wait(ended(mine, pages=2_000, day_limit=200_000)) <= HOUR, "somebody chose it"


def _wait(plan: Plan) -> timedelta:
    assert plan.due_at is not None
    wait = plan.due_at - clock.now() + timedelta(seconds=5)
    Plan.objects.filter(pk=plan.pk).update(due_at=None, due_mac=None)
    Run.objects.all().delete()
    return wait - timedelta(seconds=5)


def test_estimates_know_it() -> None:
    found = estimates.of_counts("v2", {"businesses": 200_000, "contacts": 1_000_000}, {})
    assert found["businesses"].calls_a_day == pace.WALK_SHARE * pace.CALLS_A_DAY
    assert found["contacts"].calls_a_day == pace.WALK_SHARE * pace.CALLS_A_DAY + DAY / RESOURCES["contacts"].every
    chosen = estimates.of_counts("v2", {"businesses": 200_000}, {"businesses": HOUR})
    assert chosen["businesses"].calls_a_day == 2_000 * 24


def test_the_day_s_calls_are_those_that_responses_said(
    plan: Plan, clean_redis: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert full_walks.day_limit(plan) == 200_000
    permit = governor.acquire(plan.app.client_id, LOCATION, lane=Lane.BULK, timeout=5.0)
    said = RateSnapshot(max=25, remaining=24, interval_ms=10_000, daily_limit=10_000, daily_remaining=9_999)
    governor.settle(permit, received_at=time.monotonic(), rate=said)
    assert full_walks.day_limit(plan) == 10_000

    def away(*_: Any) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(quota, "snapshot", away)
    assert full_walks.day_limit(plan) == 200_000


def test_events_of_its_locations_are_a_company_s_events(app: App, installation: Installation) -> None:
    """What happens to an agency's users and locations is told by events that name a location."""
    now = clock.now()
    company = Company.objects.create(id="agency", created_at=now)
    Location.objects.filter(pk=LOCATION).update(company=company)
    mine = Plan.objects.create(app=app, location_id="agency", resource="company_users", created_at=now)
    boxes = [
        Mailbox.objects.create(app=app, tenant=tenant.mailbox_key)
        for tenant in (Tenant.location(LOCATION), Tenant.company("agency"), Tenant.location("stranger"))
    ]
    for number, (box, kind) in enumerate(
        [(boxes[0], "UserUpdate")] * 6 + [(boxes[1], "UserUpdate")] * 2 + [(boxes[2], "UserUpdate")]
    ):
        Event.objects.create(
            app=app,
            mailbox=box,
            webhook_id=str(number),
            type=kind,
            payload={},
            status="done",
            received_at=now,
            occurred_at=now,
            due_at=now,
        )
    assert "UserUpdate" in RESOURCES["company_users"].events
    rates = {one.plan_id: one.rate for one in measured_rates.demands(app, now)}
    assert rates[mine.pk] == pytest.approx(0.1 * 8 / 2)
