"""Leases of leader threads: one owner at a time for each name, and a thread that outlives its faults."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import OperationalError, connections

from integrations.core import clock, leader
from integrations.core.leader import LeaderThread
from integrations.core.models import LeaderLease
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

COUNTS = {"unstarted": 0, "trouble": ""}
TERM = timedelta(minutes=1)


def hold(owner: str, name: str = "work", *, sent: int = 0) -> bool:
    return LeaderLease.objects.hold(name, owner, TERM, sent=sent, **COUNTS)


def test_one_owner_leads_until_its_lease_runs_out() -> None:
    assert hold("first")
    assert not hold("second")
    assert hold("first", sent=4)
    row = LeaderLease.objects.get()
    assert (row.owner, row.sent) == ("first", 4)
    LeaderLease.objects.update(until=clock.now())
    assert hold("second")
    assert not hold("first")
    assert LeaderLease.objects.get().since > row.since


def test_a_released_lease_is_free_at_once() -> None:
    assert hold("first")
    LeaderLease.objects.release("work", "second")
    assert not hold("second"), "it was not the second's to release"
    LeaderLease.objects.release("work", "first")
    assert hold("second")


def test_leases_of_two_names_are_independent() -> None:
    assert hold("first", "parked tasks")
    assert hold("second", "dispatcher")
    LeaderLease.objects.release("parked tasks", "first")
    assert not hold("first", "dispatcher")


def test_the_lease_of_a_process_that_is_gone_is_free_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leader, "has_ended", {"gone": True, "alive": False}.__getitem__)
    thread = Faulty()
    hold("alive", Faulty.lease_name)
    assert not thread.hold()
    LeaderLease.objects.update(owner="gone")
    assert thread.hold()
    assert LeaderLease.objects.get().owner == thread.owner


class Faulty(LeaderThread):
    """Fails twice, then leads until it is stopped."""

    lease_name, term = "faulty", TERM

    def __init__(self) -> None:
        super().__init__()
        self.faults: Iterator[Exception] = iter([OperationalError("away"), RuntimeError("a bug")])

    def work(self) -> None:
        for fault in self.faults:
            raise fault
        self.hold(sent=1, trouble="x" * 300)
        self.stopping.wait()


def test_a_thread_outlives_its_faults_and_releases_its_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leader, "RENEW_SECONDS", 0.01)
    thread = Faulty()
    thread.start()
    try:
        wait_until(LeaderLease.objects.exists)
        row = LeaderLease.objects.get()
        assert (row.name, row.owner, row.sent, row.trouble) == ("faulty", thread.owner, 1, "x" * 200)
        assert row.until > clock.now()
    finally:
        thread.stop()
    assert LeaderLease.objects.get().until <= clock.now()
    connections.close_all()
