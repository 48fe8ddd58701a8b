"""Workers whose own clocks are an hour ahead or behind: the database's clock decides who has a run, how long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.core import clock, dispatch
from integrations.core.errors import ServerFault
from integrations.core.runs.querysets import QUEUED, LeaseLost
from integrations.sync import runs
from integrations.sync.models import Plan, Run
from tests.support.passed_time import time_passes
from tests.sync.conftest import start
from tests.sync.listing import of

pytestmark = pytest.mark.django_db
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
AHEAD, RIGHT, BEHIND = HOUR, timedelta(0), -HOUR
Skew = Callable[[timedelta], None]
both = pytest.mark.parametrize("skew", [AHEAD, BEHIND])


@pytest.fixture
def clock_is(monkeypatch: pytest.MonkeyPatch) -> Skew:
    """Let this process's clock be wrong by so much from now on."""
    right = clock.now
    return lambda skew: monkeypatch.setattr(clock, "now", lambda: right() + skew)


def lasts(run: Run, right: Any) -> timedelta:
    run.refresh_from_db()
    assert run.lease_until is not None
    return run.lease_until - right()


@both
def test_a_worker_with_a_wrong_clock_takes_no_lease_of_another(plan: Plan, clock_is: Skew, skew: timedelta) -> None:
    run = start(plan)
    assert Run.objects.claim(run.pk, "right")
    clock_is(skew)
    assert Run.objects.claim(run.pk, "wrong") is None
    assert runs.take_due(100, clock.now()) == [], "nor does a dispatcher with that clock send it again"
    clock_is(-skew)
    Run.objects.renew(run, "right")


@both
def test_its_own_lease_lasts_as_long_as_any(plan: Plan, clock_is: Skew, skew: timedelta) -> None:
    run, right = start(plan), clock.now
    clock_is(skew)
    assert Run.objects.claim(run.pk, "wrong")
    assert Run.lease_term - 5 * SECOND < lasts(run, right) <= Run.lease_term
    time_passes(Run, Run.lease_term / 2)
    Run.objects.keep_lease(run.pk, "wrong")
    assert Run.lease_term - 5 * SECOND < lasts(run, right) <= Run.lease_term
    clock_is(-skew)
    assert Run.objects.claim(run.pk, "other") is None, "it lives"
    time_passes(Run, Run.lease_term + SECOND)
    assert Run.objects.claim(run.pk, "other"), "it died"
    with pytest.raises(LeaseLost):
        Run.objects.renew(run, "wrong")


@both
def test_what_it_hands_back_waits_as_long_as_it_said(plan: Plan, clock_is: Skew, skew: timedelta) -> None:
    listing, run = of(5), start(plan)

    def unwell(number: int) -> None:
        raise ServerFault("the vendor is unwell", retry_after=60.0)

    listing.before = unwell
    clock_is(skew)
    runs.advance(run.pk, page=listing.page, record=listing.record)
    clock_is(-skew)
    time_passes(Run, 50 * SECOND)
    assert Run.objects.claim(run.pk, "other") is None
    time_passes(Run, 11 * SECOND)
    assert Run.objects.claim(run.pk, "other")


@both
def test_its_messages_count_as_lost_no_sooner_and_no_later(plan: Plan, clock_is: Skew, skew: timedelta) -> None:
    run, right = start(plan), clock.now
    clock_is(skew)
    assert runs.take_due(100, clock.now()) == [run.pk]
    sent = {run.pk: clock.now() + dispatch.LOST_AFTER}
    assert Run.objects.find_unstarted(sent) == [run.pk]
    assert dispatch.LOST_AFTER - 5 * SECOND < lasts(run, right) <= dispatch.LOST_AFTER
    clock_is(-skew)
    assert runs.take_due(100, clock.now()) == []
    time_passes(Run, dispatch.LOST_AFTER + SECOND)
    assert runs.take_due(100, clock.now()) == [run.pk]
    Run.objects.update(lease_owner=QUEUED, lease_until=right() + 10 * dispatch.LOST_AFTER)
    assert Run.objects.find_unstarted(sent) == [], "it is parked"


@both
def test_a_run_that_it_starts_is_due_for_every_worker(plan: Plan, clock_is: Skew, skew: timedelta) -> None:
    clock_is(skew)
    run = start(plan)
    clock_is(-skew)
    assert Run.objects.claim(run.pk, "other")


def test_the_clock_costs_no_statement(plan: Plan) -> None:
    run = start(plan)
    with CaptureQueriesContext(connection) as asked:
        Run.objects.claim(run.pk, "right")
        Run.objects.renew(run, "right")
        Run.objects.hand_back(run, "right")
    assert len(asked) == 4, "the claim reads the row that it updated"
