"""A run that finds no permit is parked: row and parked task are one transaction, and no sweep sends it twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import MissingPermit, NoPermit, QuotaExhausted, StoreUnavailable
from integrations.core.runs.querysets import PARKED
from integrations.core.runs.turn import MOST_ATTEMPTS
from integrations.gateway.client import Page
from integrations.quota.models import Parked
from integrations.sync import runs
from integrations.sync.models import Plan, Run
from tests.support.passed_time import time_passes
from tests.sync.conftest import LOCATION, start
from tests.sync.listing import of

pytestmark = pytest.mark.django_db


def refuse(operation: str, **_: Any) -> Page:
    permit = MissingPermit("66a0419a0dffa47fb5f8b22e-sync", LOCATION, "bulk", "burst")
    raise NoPermit("no free slot", retry_after=3.0, permit=permit)


def parked(plan: Plan) -> Run:
    run = start(plan)
    runs.advance(run.pk, page=refuse)
    run.refresh_from_db()
    return run


def test_it_waits_in_a_row_and_in_no_message(plan: Plan, django_capture_on_commit_callbacks: Any) -> None:
    run = start(plan)
    with django_capture_on_commit_callbacks() as messages:
        runs.advance(run.pk, page=refuse)
    assert messages == []
    row = Parked.objects.get()
    assert (row.task, row.kwargs, row.lane, row.state) == ("sync.advance", {"run_id": run.pk}, "bulk", "waiting")
    assert row.key.endswith(f":{LOCATION}")


def test_a_long_outage_of_the_store_of_permits_is_no_failure_of_the_run(plan: Plan) -> None:
    def away(operation: str, **_: Any) -> Page:
        permit = MissingPermit("66a0419a0dffa47fb5f8b22e-sync", LOCATION, "bulk", "store")
        raise StoreUnavailable("the quota store does not answer", retry_after=5.0, permit=permit)

    run = start(plan)
    for _ in range(MOST_ATTEMPTS + 1):
        runs.advance(run.pk, page=away)
    run.refresh_from_db()
    assert (run.status, run.attempts) == ("running", 0)
    assert Parked.objects.get().kwargs == {"run_id": run.pk}


def test_the_dispatcher_leaves_it_alone_and_its_message_goes_on_with_it(plan: Plan) -> None:
    run = parked(plan)
    assert runs.take_due(100, clock.now()) == []
    runs.advance(run.pk, page=of(30).page)
    run.refresh_from_db()
    assert (run.status, run.seen, run.attempts) == ("complete", 30, 0)


def test_the_dispatcher_finds_it_when_its_parked_task_is_lost(plan: Plan) -> None:
    run = parked(plan)
    Parked.objects.all().delete()
    time_passes(Run, PARKED)
    assert runs.take_due(100, clock.now()) == []
    time_passes(Run, timedelta(seconds=4))
    assert runs.take_due(100, clock.now()) == [run.pk]


def test_a_refusal_that_does_not_say_for_what_waits_for_its_time(plan: Plan) -> None:
    def anonymous(operation: str, **_: Any) -> Page:
        raise QuotaExhausted("no free slot", retry_after=3.0)

    run = start(plan)
    runs.advance(run.pk, page=anonymous)
    run.refresh_from_db()
    assert run.lease_owner == ""
    assert run.due_at > clock.now() + timedelta(seconds=2)
    assert runs.take_due(100, clock.now()) == []
    time_passes(Run, timedelta(seconds=3))
    assert runs.take_due(100, clock.now()) == [run.pk]
    assert not Parked.objects.exists()
