"""Where tasks wait: one row each, in order, claimed by turns; and how a worker treats what it is handed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis
from celery import current_app
from django.db import connection, transaction

from integrations.core import celery_tasks, clock
from integrations.core.errors import (
    MissingPermit,
    NoPermit,
    QuotaExhausted,
    Retryable,
    StoreUnavailable,
    Unreachable,
    VendorAnswer,
    VendorThrottled,
)
from integrations.quota.models import Parked
from integrations.quota.parking import queue
from integrations.quota.parking.parked_rows import ParkedRows
from integrations.quota.parking.task_wrapper import ParkingWrapper
from integrations.quota.permits import governor, process_memory, queries, scripts, tickets
from integrations.quota.permits.lanes import Lane
from tests.quota.parked import APP, KEY, RESOURCE, Leader, leading, message, opened, park, states

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clean_redis")]


@pytest.fixture
def leader() -> Iterator[Leader]:
    with leading() as leader:
        yield leader


def refusal() -> QuotaExhausted:
    return NoPermit("no free slot", retry_after=2.0, permit=MissingPermit(APP, RESOURCE, "bulk", "burst"))


def refusal_of_the_vendor() -> QuotaExhausted:
    permit = MissingPermit(APP, RESOURCE, "bulk")
    return VendorThrottled("used up", retry_after=2.0, permit=permit, vendor=VendorAnswer(status=429))


def test_what_is_parked_already_is_not_parked_twice() -> None:
    park(1)
    first = Parked.objects.get()
    assert queue.park("tests.spend", {"number": 1}, refusal())
    again = Parked.objects.get()
    assert (again.pk, again.place_at, again.state) == (first.pk, first.place_at, "waiting")


def test_a_row_belongs_to_the_transaction_of_the_caller_that_parks() -> None:
    with transaction.atomic():
        park(1)
        transaction.set_rollback(True)
    assert states() == {}


@pytest.mark.parametrize("kind", [NoPermit, VendorThrottled, StoreUnavailable])
def test_a_refusal_that_names_no_permit_is_not_parked(kind: type[Retryable]) -> None:
    assert not queue.park("tests.spend", {"number": 1}, kind("no free slot", retry_after=2.0))
    assert states() == {}


def test_arguments_that_are_no_identifiers_are_not_parked() -> None:
    assert not queue.park("tests.spend", {"number": 1, "text": "x" * 3000}, refusal())


def test_the_vendors_own_wait_is_kept_and_ours_is_left_to_the_leader(leader: Leader) -> None:
    opened()
    queue.park("tests.spend", {"number": 1}, refusal_of_the_vendor())
    queue.park("tests.spend", {"number": 2}, refusal())
    assert leader.round() == [2]
    due_in = leader.hand_out.rows.due([KEY])[0].hint
    assert 1.0 < due_in <= 2.0


def test_parking_is_notified_at_once_and_only_when_it_is_committed() -> None:
    rows = ParkedRows()
    rows.listen()
    with transaction.atomic():
        park(1, Lane.EVENTS)
        assert rows.notices(0.05) == []
    (notice,) = rows.notices(1.0)
    assert (notice.key, notice.rank, notice.hint) == (KEY, 1, 0.0)
    rows.close()


def test_a_stale_message_starts_nothing(leader: Leader) -> None:
    opened()
    park(1)
    leader.round()
    Parked.objects.update(state="waiting")  # its worker was thought dead
    leader.round()
    old, new = leader.sent
    waiting = ParkingWrapper()
    with waiting.running(*message(old)) as wanted:
        assert not wanted
    with waiting.running(*message(new)) as wanted:
        assert wanted
        assert states() == {1: "running"}
        with waiting.running(*message(new)) as again:
            assert not again, "the broker delivered it a second time"
    assert states() == {}


def test_a_task_that_fails_has_ended_too(leader: Leader) -> None:
    opened()
    park(1)
    leader.round()
    with pytest.raises(Unreachable), ParkingWrapper().running(*message(leader.sent[0])):
        raise Unreachable("no answer")
    assert states() == {}


def test_a_process_that_ends_leaves_its_row_to_come_back(leader: Leader) -> None:
    opened()
    park(1)
    leader.round()
    with pytest.raises(SystemExit), ParkingWrapper().running(*message(leader.sent[0])):
        raise SystemExit
    assert states() == {1: "running"}
    assert leader.hand_out.rows.lapsed() == set()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE quota_parked SET back_at = now() - interval '1 second'")
    assert leader.hand_out.rows.lapsed() == {KEY}
    assert states() == {1: "waiting"}


def test_the_ticket_buys_the_first_call_and_no_other(leader: Leader) -> None:
    opened(3)  # one slot is used up, the ticket takes another
    park(1)
    leader.round()
    free = tickets.acquire(APP, RESOURCE, lane=Lane.INTERACTIVE, timeout=5.0)
    with pytest.raises(QuotaExhausted):
        governor.acquire(APP, RESOURCE, lane=Lane.BULK, timeout=5.0, max_wait=0.0)
    with ParkingWrapper().running(*message(leader.sent[0])):
        permit = tickets.acquire(APP, RESOURCE, lane=Lane.BULK, timeout=5.0)
        assert permit.slot == leader.sent[0][2].slot != free.slot
        with pytest.raises(QuotaExhausted):
            tickets.acquire(APP, RESOURCE, lane=Lane.BULK, timeout=5.0)


def test_a_ticket_for_another_resource_is_kept_and_given_back(leader: Leader) -> None:
    opened(3)
    opened(3, resource="another")
    park(1)
    leader.round()
    with ParkingWrapper().running(*message(leader.sent[0])):
        assert tickets.acquire(APP, "another", lane=Lane.BULK, timeout=5.0).key != KEY
    assert governor.acquire(APP, RESOURCE, lane=Lane.INTERACTIVE, timeout=5.0, max_wait=0.2).key == KEY


def test_a_ticket_is_redeemed_once_and_not_after_the_store_lost_its_state(
    leader: Leader, clean_redis: redis.Redis
) -> None:
    opened()
    park(1)
    park(2)
    leader.round()
    (_, _, first), (_, _, second) = leader.sent
    assert tickets.redeem(first, timeout=5.0) is not None
    assert tickets.redeem(first, timeout=5.0) is None
    scripts.clear()
    assert tickets.redeem(second, timeout=5.0) is None
    process_memory.reset()
    opened()
    assert tickets.redeem(second, timeout=5.0) is None


def test_a_ticket_is_not_used_before_its_slot_is_free(leader: Leader) -> None:
    """Two slots, one of them cooling: the second ticket starts when it is cold, however early its message comes."""
    settled = opened(2, interval_ms=1000)
    clock.sleep(0.75)
    park(1, Lane.INTERACTIVE)
    park(2, Lane.INTERACTIVE)
    assert leader.round() == [1, 2]
    assert tickets.redeem(leader.sent[1][2], timeout=5.0) is not None
    assert clock.monotonic() - settled >= 0.999


def test_a_released_ticket_still_waits_for_its_start(leader: Leader) -> None:
    settled = opened(2, interval_ms=1000)
    clock.sleep(0.75)
    park(1, Lane.INTERACTIVE)
    park(2, Lane.INTERACTIVE)
    leader.round()
    tickets.release(leader.sent[1][2])
    governor.acquire(APP, RESOURCE, lane=Lane.INTERACTIVE, timeout=5.0, max_wait=2.0)
    assert clock.monotonic() - settled >= 0.999


def test_a_released_ticket_is_the_days_again(leader: Leader) -> None:
    opened(daily_limit=1000, daily_remaining=500)
    before = queries.snapshot(APP, RESOURCE)
    park(1)
    leader.round()
    assert queries.snapshot(APP, RESOURCE).day_remaining == (before.day_remaining or 0) - 1
    tickets.release(leader.sent[0][2])
    assert queries.snapshot(APP, RESOURCE) == before


def test_a_task_with_a_lost_ticket_keeps_its_position(leader: Leader) -> None:
    opened()
    park(1)
    leader.round()
    place = Parked.objects.get().place_at
    with ParkingWrapper().running(*message(leader.sent[0])):
        queue.park("tests.spend", {"number": 1}, refusal())
    row = Parked.objects.get()
    assert (row.state, row.place_at) == ("waiting", place)


def test_a_task_that_had_its_call_goes_to_the_end(leader: Leader) -> None:
    opened()
    park(1)
    leader.round()
    place = Parked.objects.get().place_at
    with ParkingWrapper().running(*message(leader.sent[0])):
        tickets.acquire(APP, RESOURCE, lane=Lane.BULK, timeout=5.0)
        queue.park("tests.spend", {"number": 1}, refusal())
    assert Parked.objects.get().place_at > place


def test_a_job_that_is_refused_is_parked_and_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    @celery_tasks.task("tests.refused")
    def refused(*, number: int) -> None:
        raise refusal()

    monkeypatch.setattr(current_app, "send_task", lambda *_, **__: pytest.fail("nothing is to be sent"))
    current_app.tasks["tests.refused"].apply(kwargs={"number": 7})
    assert states() == {7: "waiting"}
    Parked.objects.all().delete()
    with pytest.raises(QuotaExhausted):
        refused(number=8)  # no message would come back for a task that is called directly
    assert states() == {}


def test_a_task_that_finds_the_store_away_is_parked_where_it_stood(
    leader: Leader, store_unavailable: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    @celery_tasks.task("tests.away")
    def away(*, number: int, **_: object) -> None:
        tickets.acquire(APP, RESOURCE, lane=Lane.BULK, timeout=5.0)

    opened()
    queue.enqueue("tests.away", app=APP, resource=RESOURCE, number=7)
    leader.round()
    place = Parked.objects.get().place_at
    monkeypatch.setattr(current_app, "send_task", lambda *_, **__: pytest.fail("nothing is to be sent"))
    store_unavailable()
    current_app.tasks["tests.away"].apply(kwargs={"number": 7}, headers=message(leader.sent[0])[2])
    row = Parked.objects.get()
    assert (row.state, row.reason, row.place_at) == ("waiting", "store", place)


def test_the_order_and_the_end_of_waiting_are_an_operators_too(leader: Leader) -> None:
    opened()
    for number in (1, 2, 3):
        park(number)
    assert len(queue.move_to_front(Parked.objects.filter(kwargs__number=3))) == 1
    assert len(queue.drop(Parked.objects.filter(kwargs__number=1))) == 1
    assert leader.round() == [3, 2]
