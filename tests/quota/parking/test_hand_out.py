"""Rounds of the thread that sends parked tasks: the order, when it asks, and that no failed step loses a task."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import redis
from django.db import connection
from kombu.exceptions import OperationalError
from pytest_django import Settings

from integrations.core import clock
from integrations.quota.models import Parked
from integrations.quota.parking import hand_out, parked_rows
from integrations.quota.parking.due_times import LONGEST, DueTimeHeap
from integrations.quota.parking.hand_out import MOST_UNSTARTED
from integrations.quota.parking.parked_rows import HEADS
from integrations.quota.permits import governor, scripts
from integrations.quota.permits.lanes import Lane
from tests.quota.parked import APP, KEY, RESOURCE, Leader, leading, opened, park, states

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clean_redis")]


@pytest.fixture
def leader() -> Iterator[Leader]:
    with leading() as leader:
        yield leader


def test_tasks_go_in_the_order_they_came(leader: Leader) -> None:
    opened()
    for number in range(5):
        park(number)
    assert leader.round() == [0, 1, 2, 3, 4]


def test_the_lanes_above_overtake(leader: Leader) -> None:
    opened()
    park(1, Lane.BULK)
    park(2, Lane.EVENTS)
    park(3, Lane.INTERACTIVE)
    assert leader.round() == [3, 2, 1]


def test_no_lane_waits_for_ever(leader: Leader) -> None:
    """A bulk task of a minute ago stands before an interactive one of now."""
    opened()
    park(1, Lane.BULK)
    Parked.objects.update(place_at=clock.now())
    park(2, Lane.INTERACTIVE)
    assert leader.round() == [1, 2]


def test_a_queue_that_lost_its_patience_sends_one_ahead_and_not_all(leader: Leader) -> None:
    opened()
    for number in range(2 * HEADS):
        park(number, Lane.BULK)
    Parked.objects.update(place_at=clock.now())
    park(100, Lane.INTERACTIVE)
    park(101, Lane.EVENTS)
    assert leader.round()[:4] == [0, 100, 101, 1]


def test_no_more_than_there_are_permits_and_the_rest_when_they_come(leader: Leader) -> None:
    settled = opened(10)
    for number in range(20):
        park(number)
    assert leader.round() == list(range(9)), "one slot is the first call's"
    asked, next_at = clock.monotonic(), leader.hand_out.next_at()
    assert next_at is not None
    assert settled + 0.3 < next_at < asked + 1.0, "asked again shortly before a slot is free, not before"


def test_a_refused_lane_does_not_hold_up_the_ones_above(leader: Leader) -> None:
    """The day has nothing left for bulk work, but for the others it has."""
    opened(daily_limit=1000, daily_remaining=200, daily_reset_ms=80_000_000)
    park(1, Lane.BULK)
    Parked.objects.update(place_at=clock.now())
    park(2, Lane.INTERACTIVE)
    began = clock.monotonic()
    assert leader.round() == [2]
    next_at = leader.hand_out.next_at()
    assert next_at is not None
    assert began + 1.0 < next_at <= clock.monotonic() + LONGEST


def test_the_appointment_of_a_refused_lane_hides_no_task_that_was_not_due_yet(leader: Leader) -> None:
    opened(daily_limit=1000, daily_remaining=200, daily_reset_ms=80_000_000)
    park(1, Lane.BULK)
    park(2, Lane.INTERACTIVE)
    Parked.objects.filter(lane="interactive").update(due_at=clock.now() + timedelta(seconds=5))
    assert leader.round() == []
    leader.hand_out.catch_up()
    next_at = leader.hand_out.next_at()
    assert next_at is not None
    assert next_at - clock.monotonic() <= 5


def test_one_tenants_queue_does_not_delay_anothers(leader: Leader) -> None:
    opened(5)
    opened(5, resource="another")
    for number in range(100):
        park(number)
    park(1000, resource="another")
    assert 1000 in leader.round(RESOURCE, "another")


def test_many_are_asked_in_one_round_trip_whatever_their_lanes(leader: Leader, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = scripts.run_all

    def run_all(calls: Any) -> Any:
        asked.append(len(calls))
        return real(calls)

    names = ["one", "two", "three"]
    for number, name in enumerate(names):
        opened(resource=name)
        park(number, Lane.EVENTS, resource=name)
        park(number + 10, Lane.BULK, resource=name)
    governor.send_reports()
    monkeypatch.setattr(scripts, "run_all", run_all)
    assert sorted(leader.round(*names)) == [0, 1, 2, 10, 11, 12]
    assert asked == [3, 3], "events of all, then bulk work of all"


def test_a_state_that_is_broken_costs_its_own_tenant_only(leader: Leader, clean_redis: redis.Redis) -> None:
    opened()
    clean_redis.set(scripts.keys(f"{APP}:broken")[1], "no hash")
    park(1, resource="broken")
    park(2)
    assert leader.round("broken", RESOURCE) == [2]


def test_a_server_that_forgot_its_scripts_learns_them_again(leader: Leader, clean_redis: redis.Redis) -> None:
    opened()
    opened(resource="another")
    park(1)
    park(2, resource="another")
    clean_redis.script_flush()
    assert sorted(leader.round(RESOURCE, "another")) == [1, 2]


def test_a_resource_with_many_is_asked_until_it_is_empty(leader: Leader) -> None:
    opened(100)
    for number in range(HEADS + 10):
        park(number)
    assert leader.until_all(HEADS + 10) == list(range(HEADS + 10))
    assert leader.hand_out.next_at() is None, "an idle resource costs nothing"


def test_crowded_workers_are_handed_interactive_tasks_only(leader: Leader) -> None:
    opened(100)
    park(1)
    park(2, Lane.INTERACTIVE)
    leader.hand_out.rows.unstarted_count = lambda: MOST_UNSTARTED  # type: ignore[method-assign]
    assert leader.round() == [2]
    leader.hand_out.rows.unstarted_count = lambda: 0  # type: ignore[method-assign]
    assert leader.round() == [1]


def test_a_round_is_shared_by_those_in_it(leader: Leader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hand_out, "MOST_UNSTARTED", 6)
    for number, name in enumerate(("one", "two", "three")):
        opened(resource=name)
        for task in range(5):
            park(10 * number + task, resource=name)
    assert sorted(leader.round("one", "two", "three")) == [0, 1, 10, 11, 20, 21]
    next_at = leader.hand_out.next_at()
    assert next_at is not None
    assert next_at <= clock.monotonic() + 0.5, "and then each resource has its turn again"


def test_a_broker_that_is_away_puts_them_back_and_gives_the_tickets_back(leader: Leader) -> None:
    def away(*_: object) -> None:
        raise OperationalError

    opened(10)
    for number in range(5):
        park(number)
    sending, leader.hand_out._send = leader.hand_out._send, away
    leader.round()
    assert set(states().values()) == {"waiting"}
    assert "broker" in leader.hand_out.trouble
    leader.hand_out._send = sending
    assert leader.round() == [0, 1, 2, 3, 4], "no slot and no position is lost"
    assert leader.hand_out.trouble == ""


def test_a_store_that_is_away_costs_waiting_only(leader: Leader, settings: Settings) -> None:
    opened()
    park(1)
    url = settings.REDIS_URL
    try:
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        scripts.reset()
        assert leader.round() == []
        assert "store" in leader.hand_out.trouble
    finally:
        settings.REDIS_URL = url
        scripts.reset()
    assert states() == {1: "waiting"}
    assert leader.round() == [1]


def test_killed_between_reserving_and_claiming(leader: Leader, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tickets lapse: a window and five seconds after their start others have the slots."""
    opened(5)
    park(1)
    monkeypatch.setattr(leader.hand_out, "_claim", lambda reserved: None)
    leader.round()
    assert states() == {1: "waiting"}
    with leading() as successor:
        successor.hand_out.catch_up()
        assert successor.until_all(1) == [1]


def test_killed_between_claiming_and_sending(leader: Leader) -> None:
    opened()
    park(1)
    leader.hand_out.agenda.ask(KEY, clock.monotonic())
    keys = leader.hand_out.agenda.due(clock.monotonic(), 1)
    leader.hand_out._serve(keys)
    assert states() == {1: "handed"}
    with leading() as successor:
        assert successor.round() == [], "its message might be on its way"
        assert successor.hand_out.rows.lapsed() == set()
        Parked.objects.update(back_at=clock.now())
        assert successor.hand_out.rows.lapsed() == {KEY}
        assert successor.round() == [1]


def test_two_leaders_hand_out_once(leader: Leader) -> None:
    opened()
    for number in range(10):
        park(number)
    with leading() as other:
        leader.hand_out.agenda.ask(KEY, clock.monotonic())
        mine = leader.hand_out.rows.heads([KEY])
        assert other.round() == list(range(10))
        leader.hand_out.rows.heads = lambda keys: mine  # type: ignore[method-assign]
        assert leader.round() == []


def test_a_locked_row_holds_up_no_other(leader: Leader) -> None:
    """A transaction that does not end has locked two rows."""
    opened()
    for number in range(4):
        park(number)
    other = psycopg.connect(**parked_rows._parameters())
    with other, other.transaction():
        other.execute("SELECT FROM quota_parked WHERE (kwargs->>'number')::int < 2 FOR UPDATE")
        assert leader.round() == [2, 3]
        with connection.cursor() as cursor:
            cursor.execute("UPDATE quota_parked SET back_at = now() - interval '1 s' WHERE state = 'handed'")
        other.execute("SELECT FROM quota_parked WHERE (kwargs->>'number')::int = 3 FOR UPDATE")
        leader.hand_out.rows.lapsed()
        assert states() == {0: "waiting", 1: "waiting", 2: "waiting", 3: "handed"}
    other.close()
    assert leader.round() == [0, 1, 2]


def test_a_task_of_a_refused_lane_waits_for_the_appointment() -> None:
    agenda = DueTimeHeap()
    agenda.ask("a", 10.0, rank=Lane.BULK.rank)
    agenda.parked("a", Lane.BULK.rank, 1.0)
    assert agenda.next_at() == 10.0
    agenda.parked("a", Lane.INTERACTIVE.rank, 1.0)
    assert (agenda.next_at(), agenda.due(1.0, 5)) == (1.0, ["a"])


def test_the_longest_overdue_are_asked_first() -> None:
    agenda = DueTimeHeap()
    for number in range(5):
        agenda.ask(str(number), 10.0 - number)
    assert agenda.due(9.0, 2) == ["4", "3"]
    agenda.forget("2")
    assert agenda.due(20.0, 9) == ["1", "0"]
