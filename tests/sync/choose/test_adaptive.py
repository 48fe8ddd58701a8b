"""Adaptive intervals: never dearer than the budget, never outside the bounds, and busy before quiet."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.models import AuditEntry
from integrations.sync import resource_choices, tasks
from integrations.sync.choose import adaptive_intervals, measured_rates, offers
from integrations.sync.choose.adaptive_intervals import Bounds
from integrations.sync.choose.allotment import Allotment, Demand, allot
from integrations.sync.models import AdaptiveChoice, Plan, Run
from integrations.tenants.models import App
from integrations.webhooks.models import Event, Mailbox
from tests.support.signed import sign
from tests.sync.conftest import HERE, LOCATION, run_once
from tests.sync.listing import of

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RATES = st.floats(0, 1e6, allow_nan=False)
RESOURCES = st.sampled_from(["contacts", "opportunities", "orders"])
DEMANDS = st.lists(
    st.builds(
        Demand,
        plan_id=st.just(0),
        resource=RESOURCES,
        rate=RATES,
        calls=st.integers(1, 500).map(float),
        full_calls=st.integers(0, 500).map(float),
    ),
    max_size=40,
).map(lambda rows: [Demand(n, one.resource, one.rate, one.calls, one.full_calls) for n, one in enumerate(rows)])
BOUNDS = st.tuples(st.integers(5, 600), st.integers(0, 40_000)).map(
    lambda pair: (pair[0] * MINUTE, min((pair[0] + pair[1]) * MINUTE, 28 * DAY))
)


def cost(demands: list[Demand], found: Allotment) -> float:
    """Counted anew, by the definition."""
    intervals = found.intervals
    runs = sum(one.calls * (DAY / intervals[one.plan_id]) for one in demands)
    return runs + sum(one.full_calls * (DAY / max(intervals[one.plan_id], one.full_every)) for one in demands)


@settings(deadline=None, max_examples=150)
@given(demands=DEMANDS, bounds=BOUNDS, budget=st.integers(1, 2_000_000))
def test_no_budget_and_no_bound_is_broken_and_no_busy_plan_waits_longer(
    demands: list[Demand], bounds: tuple[timedelta, timedelta], budget: int
) -> None:
    least, most = bounds
    found = allot(demands, budget, least, most)
    assert found.intervals.keys() == {one.plan_id for one in demands}
    assert all(least <= every <= most for every in found.intervals.values())
    assert found.calls >= cost(demands, found) - 1e-6
    if found.is_within:
        assert cost(demands, found) <= budget + 1e-6
    else:
        assert set(found.intervals.values()) <= {most}, "no longer ones are allowed"
    for name in ("contacts", "opportunities", "orders"):
        rows = sorted((one for one in demands if one.resource == name), key=lambda one: one.rate)
        waits = [found.intervals[one.plan_id] for one in rows]
        assert waits == sorted(waits, reverse=True)
    assert allot(list(reversed(demands)), budget, least, most) == found


@settings(deadline=None, max_examples=50)
@given(demands=DEMANDS, budget=st.integers(1, 100_000), more=st.integers(0, 100_000))
def test_more_calls_never_make_an_interval_longer(demands: list[Demand], budget: int, more: int) -> None:
    scarce, ample = (allot(demands, calls, 5 * MINUTE, DAY).intervals for calls in (budget, budget + more))
    assert all(ample[plan] <= every for plan, every in scarce.items())


def test_the_budget_goes_where_the_changes_are() -> None:
    busy, quiet = [Demand(n, "contacts", 400.0) for n in range(10)], [Demand(n, "contacts", 0) for n in range(10, 100)]
    equal = 100 * 144  # each of them every ten minutes
    found = allot([*busy, *quiet], equal // 4, 5 * MINUTE, DAY)
    assert found.is_within
    assert {found.intervals[one.plan_id] for one in busy} == {5 * MINUTE}
    assert min(found.intervals[one.plan_id] for one in quiet) > HOUR
    lacking = sum(one.rate * (found.intervals[one.plan_id] / DAY) / 2 for one in busy)
    at_one_interval = sum(one.rate * (40 * MINUTE / DAY) / 2 for one in busy)
    assert lacking < at_one_interval / 7, "the same calls at one interval for all"


def test_four_times_the_changes_halve_the_interval() -> None:
    found = allot([Demand(1, "contacts", 100.0), Demand(2, "contacts", 400.0)], 72, 5 * MINUTE, DAY).intervals
    assert found[1] / found[2] == pytest.approx(2, rel=0.25), "steps are coarse"


def test_a_thousand_calls_for_nothing_and_no_plans_at_all() -> None:
    assert allot([], 1_000, HOUR, DAY) == Allotment({}, 0, is_within=True)


def other_plans(app: App, count: int) -> list[Plan]:
    rows = [
        Plan(app=app, location_id=f"more{n}", resource="contacts", created_at=clock.now(), due_at=clock.now() + HOUR)
        for n in range(count)
    ]
    return Plan.objects.bulk_create(rows)


def ran(plan: Plan, *, changed: int, seen: int | None = None, kind: str = "incremental", ago: timedelta = HOUR) -> None:
    at = clock.now() - ago
    Run.objects.create(
        plan=plan,
        kind=kind,
        status="complete",
        seen=changed if seen is None else seen,
        changed=changed,
        started_at=at,
        finished_at=at,
        due_at=at,
    )


def rates(app: App) -> dict[int, float]:
    return {one.plan_id: one.rate for one in measured_rates.demands(app, clock.now())}


def test_a_rate_is_what_runs_found_and_a_tenth_of_the_webhooks(app: App, plan: Plan) -> None:
    Plan.objects.update(created_at=clock.now() - 10 * DAY)
    ran(plan, changed=30)
    ran(plan, changed=10, seen=500, kind="full")
    ran(plan, changed=400, seen=500, kind="full", ago=2 * HOUR)
    ran(plan, changed=1_000, ago=3 * DAY)
    assert rates(app)[plan.pk] == 20, "a first reading and what is long ago do not count"
    box = Mailbox.objects.create(app=app, tenant=f"location:{LOCATION}")
    for number, kind in enumerate(["ContactUpdate"] * 20 + ["OrderCreate"] * 5):
        Event.objects.create(
            app=app,
            mailbox=box,
            webhook_id=str(number),
            type=kind,
            payload={},
            status="done",
            received_at=clock.now() - HOUR,
            occurred_at=clock.now(),
            due_at=clock.now(),
        )
    assert rates(app)[plan.pk] == pytest.approx(21)


def test_where_too_many_webhooks_came_their_rate_is_that_of_the_latest(
    app: App, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Mailbox.objects.create(app=app, tenant=f"location:{LOCATION}")
    now = clock.now()
    for number in range(8):
        Event.objects.create(
            app=app,
            mailbox=box,
            webhook_id=str(number),
            type="ContactUpdate",
            payload={},
            status="done",
            received_at=now - number * HOUR,
            occurred_at=now,
            due_at=now,
        )
    monkeypatch.setattr(measured_rates, "LATEST_EVENTS", 4)
    assert rates(app)[plan.pk] == pytest.approx(0.1 * 4 * 24 / 3, rel=0.01)


def test_who_chose_an_interval_keeps_it_and_visits_have_their_own_calls(app: App, plan: Plan) -> None:
    more = other_plans(app, 2)
    resource_choices.set_interval(app, ["contacts"], HOUR, clock.now(), tenant=HERE)
    Plan.objects.create(app=app, location_id=LOCATION, resource="notes", created_at=clock.now())
    Plan.objects.filter(pk=more[1].pk).update(enabled=False)
    sign(Plan)
    assert rates(app).keys() == {more[0].pk}


def choose(app: App, *, enabled: bool = True, calls: int = 300, least: timedelta = 5 * MINUTE) -> None:
    adaptive_intervals.choose(app, Bounds(enabled, least, DAY, calls), clock.now(), actor="ann")


def test_the_workers_set_intervals_and_the_next_run_follows_them(app: App, plan: Plan) -> None:
    quiet = other_plans(app, 3)
    ran(plan, changed=5_000)
    choose(app)
    assert tasks.ADAPT_SOURCE.take(10, clock.now()) == [app.pk]
    tasks.adapt(app_id=app.pk)
    plan.refresh_from_db()
    assert plan.adapted_every is not None
    others = set(Plan.objects.filter(pk__in=[one.pk for one in quiet]).values_list("adapted_every", flat=True))
    assert plan.adapted_every < min(every for every in others if every)
    row = AdaptiveChoice.objects.get()
    assert row.planned_calls is not None
    assert 200 < row.planned_calls <= 300
    assert row.due_at is not None
    assert clock.now() + 5 * HOUR < row.due_at
    run_once(plan, of(3))
    plan.refresh_from_db()
    assert plan.due_at is not None
    assert plan.due_at <= clock.now() + plan.adapted_every
    definition = Plan.objects.get(pk=quiet[0].pk).definition
    assert definition is not None
    assert definition.every == others.pop()
    assert tasks.ADAPT_SOURCE.take(10, clock.now()) == []


def test_a_shorter_interval_counts_at_once_and_off_gives_the_usual_one_back(app: App, plan: Plan) -> None:
    now = clock.now()
    Plan.objects.filter(pk=plan.pk).update(due_at=now + 20 * HOUR, adapted_every=DAY)
    sign(Plan)
    choose(app, calls=1_000_000)
    adaptive_intervals.adapt(app.pk)
    plan.refresh_from_db()
    assert (plan.adapted_every, plan.due_at) == (5 * MINUTE, now + 20 * HOUR - DAY + 5 * MINUTE)
    Plan.objects.filter(pk=plan.pk).update(due_at=now + 20 * HOUR, adapted_every=DAY)
    sign(Plan)
    choose(app, enabled=False)
    plan.refresh_from_db()
    assert plan.adapted_every is None
    assert plan.due_at == now + 20 * HOUR - DAY + 10 * MINUTE
    assert adaptive_intervals.adapt(app.pk) == 0
    assert tasks.ADAPT_SOURCE.take(10, clock.now()) == []


def test_a_choice_that_is_made_while_it_is_measured_is_not_overwritten(
    app: App, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(app)
    honest = adaptive_intervals.estimate

    def estimate(*arguments: Any) -> Any:
        found = honest(*arguments)
        choose(app, calls=999)
        return found

    monkeypatch.setattr(adaptive_intervals, "estimate", estimate)
    assert adaptive_intervals.adapt(app.pk) == 0
    row = AdaptiveChoice.objects.get()
    assert row.due_at is not None
    assert row.due_at <= clock.now()
    assert row.planned_calls is None


def test_what_cannot_be_says_so_and_what_does_not_fit_too(app: App, plan: Plan) -> None:
    for wrong in (Bounds(True, MINUTE, DAY, 1), Bounds(True, DAY, HOUR, 1), Bounds(True, HOUR, DAY, 0)):
        with pytest.raises(BadRequest):
            adaptive_intervals.choose(app, wrong, clock.now(), actor="ann")
    found, rows = adaptive_intervals.estimate(app, Bounds(True, HOUR, 6 * HOUR, 1), clock.now())
    assert not found.is_within
    assert [(one.resource, one.least, one.most) for one in rows] == [("contacts", 6 * HOUR, 6 * HOUR)]


def adaptive(app: App, *options: str) -> str:
    out = StringIO()
    call_command("sync", "adaptive", "--app", app.client_id, *options, stdout=out)
    return out.getvalue()


def test_the_command_estimates_chooses_and_ends_it(app: App, plan: Plan) -> None:
    ran(plan, changed=500)
    shown = json.loads(adaptive(app, "--json"))
    assert (shown["enabled"], shown["changed"], shown["calls_per_day"]) == (False, False, 145), "what it costs now"
    assert "Nothing was changed" in adaptive(app, "--on", "--estimate")
    assert not AdaptiveChoice.objects.exists()
    text = adaptive(app, "--on", "--shortest", "15m", "--longest", "6h", "--calls-per-day", "50")
    assert "on: 15 min to 6 h, within 50 calls a day" in text
    assert "Workers set the intervals" in text
    adaptive_intervals.adapt(app.pk)
    said = next(one for one in offers.offers(app) if one.resource == "contacts")
    assert said.adapted is not None
    assert said.estimate.calls_a_day <= 50
    mine = next(one for one in offers.offers(app, HERE) if one.resource == "contacts")
    assert mine.estimate.calls_a_day == said.estimate.calls_a_day
    out = StringIO()
    call_command("sync", "resources", "--app", app.client_id, stdout=out)
    assert "as busy as the location is" in out.getvalue()
    with pytest.raises(CommandError, match="such as 15m"):
        adaptive(app, "--shortest", "own")
    assert "are off" in adaptive(app, "--off")
    assert Plan.objects.get().adapted_every is None
    assert [one.detail["enabled"] for one in AuditEntry.objects.filter(action="sync.adaptive").order_by("pk")] == [
        True,
        False,
    ]
