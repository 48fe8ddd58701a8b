"""Workers that die or stall while they hold a mailbox."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Event as Flag
from typing import Any

import psycopg
import pytest
import time_machine
from django.db import connections

from integrations.core import clock
from integrations.core.dispatch import Sender
from integrations.core.errors import StoreUnavailable
from integrations.core.lease_owner import new_owner
from integrations.tenants.models import Location
from integrations.webhooks import handlers, mailbox, tasks
from integrations.webhooks import lease as leases
from integrations.webhooks.handlers import Handler
from integrations.webhooks.models import Event, Mailbox
from tests.plugin.dispatch import send_due
from tests.support.processes import running
from tests.support.waiting import TIMEOUT

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parent.parent.parent
On = Callable[[str, Handler], None]
Stored = Callable[..., Event]


def handled() -> set[str]:
    return set(Location.objects.values_list("id", flat=True))


def note(event: Event) -> None:
    Location.objects.create(id=f"handled-{event.payload['second']}", created_at=clock.now())


def test_a_mailbox_is_held_by_one_worker_until_its_term_is_over(stored: Stored) -> None:
    box = stored().mailbox_id
    first = leases.claim(box)
    assert first is not None
    assert leases.claim(box) is None
    assert mailbox.drain(box) == 0
    assert mailbox.take_due(100, clock.now()) == []
    with time_machine.travel(clock.now() + leases.LEASE_TERM):
        assert mailbox.take_due(100, clock.now()) == [box]
        assert leases.claim(box) is not None
        with pytest.raises(leases.LeaseLost):
            leases.fence(first)


def die_over(second: int) -> Handler:
    def die(event: Event) -> None:
        if event.payload["second"] == second:
            raise SystemExit  # nothing of ours is run after it

    return die


def test_of_a_batch_that_kills_its_workers_only_the_guilty_event_steps_aside(stored: Stored, on: On) -> None:
    on("Tested", die_over(3))
    events = [stored(second) for second in range(6)]
    box = events[0].mailbox_id
    for _ in ("the batch", "alone once", "alone twice"):
        with pytest.raises(SystemExit):
            mailbox.drain(box)
        assert not Event.objects.exclude(status__in=("pending", "done")).exists()
        Mailbox.objects.update(lease_until=clock.now())
    assert mailbox.drain(box) == 2
    counted = list(Event.objects.order_by("occurred_at").values_list("status", "attempts", "error_code"))
    assert counted == [*[("done", 1, "")] * 3, ("poisoned", 1, "worker_died"), *[("done", 1, "")] * 2]
    assert Mailbox.objects.values_list("in_hand", "deaths").get() == (None, 0)


def test_an_outage_of_the_database_holds_up_no_mailbox_and_counts_against_no_event(stored: Stored, on: On) -> None:
    events = [stored(second) for second in range(3)]
    box = events[0].mailbox_id
    outages = 4

    def lose_the_database(event: Event) -> None:
        nonlocal outages
        if outages:
            outages -= 1
            # The server ends the session; the worker notices with its next statement.
            with psycopg.connect(**connections["default"].get_connection_params()) as other:
                mine = connections["default"].connection.info.backend_pid
                other.execute("SELECT pg_terminate_backend(%s)", [mine])

    on("Tested", lose_the_database)
    Mailbox.objects.update(alone=3)  # as after a worker's death
    for _ in range(outages):
        with pytest.raises(StoreUnavailable):
            mailbox.drain(box)
        connections["default"].close()
        assert Mailbox.objects.get().lease_owner, "the lease could not be released"
    assert mailbox.drain(box) == 3, "this worker's next claim released it"
    assert set(Event.objects.values_list("status", flat=True)) == {"done"}


def test_a_worker_killed_over_an_innocent_event_counts_against_none(stored: Stored, on: On) -> None:
    """Deaths from outside: each hits another event alone in hand, or a batch."""
    events = [stored(second) for second in range(6)]
    box = events[0].mailbox_id
    for second in (4, 0, 2, 5):
        handlers.HANDLERS["Tested"] = (die_over(second),)
        with pytest.raises(SystemExit):
            mailbox.drain(box)
        Mailbox.objects.update(lease_until=clock.now())
    on("Tested", note)
    handlers.HANDLERS["Tested"] = (note,)
    mailbox.drain(box)
    assert set(Event.objects.values_list("status", "attempts")) == {("done", 1)}


def test_after_the_events_of_a_dead_worker_are_settled_batches_go_on(
    stored: Stored, on: On, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "BATCH", 2)
    box = {stored(second).mailbox_id for second in range(5)}.pop()
    Mailbox.objects.update(lease_owner="dead", lease_until=clock.now())
    in_hand: list[int | None] = []
    on("Tested", lambda event: in_hand.append(Mailbox.objects.get().in_hand))
    assert mailbox.drain(box) == 5
    assert [event is not None for event in in_hand] == [True, True, False, False, False]


def test_every_batch_renews_the_lease(stored: Stored, on: On) -> None:
    terms = []
    on("Tested", lambda event: terms.append(Mailbox.objects.get().lease_until))
    start = clock.now()
    with time_machine.travel(start, tick=False) as travel:
        on("Tested", lambda event: travel.shift(40))
        for second in range(3):
            box = stored(second).mailbox_id
        assert mailbox.drain(box) == 3
    assert [term - start for term in terms if term] == [leases.LEASE_TERM + timedelta(seconds=40 * n) for n in range(3)]


def test_a_killed_workers_mailbox_is_found_and_its_event_handled_once(
    stored: Stored, on: On, sent: Callable[[], list[Any]]
) -> None:
    box = {stored(second).mailbox_id for second in (1, 2, 3)}.pop()
    with running("-m", "tests.webhooks.holder", str(box)) as worker:
        worker.hear("holding")
    assert worker.returncode == -signal.SIGKILL
    assert handled() == set(), "nothing of a batch is committed before all of it"
    assert Event.objects.filter(status="pending").count() == 3

    on("Tested", note)
    assert send_due() == 0
    assert sent() == []
    assert mailbox.drain(box) == 0
    with time_machine.travel(clock.now() + leases.LEASE_TERM):
        assert send_due() == 1
        assert sent() == [("webhooks.drain", {"mailbox_id": box})]
        tasks.drain(mailbox_id=box)
    assert handled() == {"handled-1", "handled-2", "handled-3"}
    counted = list(Event.objects.order_by("occurred_at").values_list("status", "attempts"))
    assert counted == [("done", 1)] * 3
    in_order = list(Location.objects.order_by("created_at").values_list("id", flat=True))
    assert in_order == ["handled-1", "handled-2", "handled-3"]


def test_the_leases_of_a_silent_process_end_and_no_others(stored: Stored) -> None:
    """As the dispatcher ends them. Their mailboxes are due since their oldest event."""
    mine, theirs = stored(1).mailbox_id, stored(2, "location:loc2").mailbox_id
    oldest = Event.objects.get(mailbox=mine).due_at
    assert mailbox.take_due(100, clock.now()) == [mine, theirs]
    first, other = leases.claim(mine), leases.claim(theirs)
    assert first is not None
    assert other is not None
    Mailbox.objects.filter(pk=theirs).update(lease_owner="elsewhere:12:abcdef:0123456789ab")
    silent = [new_owner(), "elsewhere:12:fedcba:0123456789ab"]
    Sender({"mailboxes": tasks.SOURCE}).take_over(silent, clock.now())
    assert Mailbox.objects.get(pk=mine).due_at == oldest
    assert mailbox.take_due(100, clock.now()) == [mine]
    taken = leases.claim(mine)
    assert taken is not None
    assert taken.orphaned
    assert leases.claim(theirs) is None
    with pytest.raises(leases.LeaseLost):
        leases.fence(first)


def test_what_a_silent_process_may_have_taken_from_the_broker_is_sent_again_once(stored: Stored) -> None:
    box, later = stored(1).mailbox_id, stored(2, "location:loc2").mailbox_id
    in_an_hour = clock.now() + timedelta(hours=1)
    Mailbox.objects.filter(pk=later).update(due_at=in_an_hour)
    oldest = Event.objects.get(mailbox=box).due_at
    sender, silent = Sender({"mailboxes": tasks.SOURCE}), [new_owner()]
    assert mailbox.take_due(100, clock.now()) == [box]
    sender.take_over(silent, clock.now())
    assert Mailbox.objects.get(pk=box).due_at == oldest
    assert Mailbox.objects.get(pk=later).due_at == in_an_hour
    assert mailbox.take_due(100, clock.now()) == [box]
    sender.take_over(silent, clock.now())
    assert mailbox.take_due(100, clock.now()) == []


def test_a_stalled_worker_does_not_finish_what_another_has_taken(stored: Stored, on: On) -> None:
    """The stalled one wakes up after its term: its own writes and its mark are rolled back, and it stops."""
    box = stored(1).mailbox_id
    stalled, wake = Flag(), Flag()
    workers: list[str] = []

    def handler(event: Event) -> None:
        workers.append("worker")
        mine = len(workers)
        if mine == 1:
            stalled.set()
            assert wake.wait(TIMEOUT)
        Location.objects.create(id=f"by-{mine}", created_at=clock.now())

    def drain() -> int:
        try:
            return mailbox.drain(box)
        finally:
            connections.close_all()

    on("Tested", handler)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(drain)
        assert stalled.wait(TIMEOUT)
        Mailbox.objects.update(lease_until=clock.now())
        assert mailbox.drain(box) == 1
        wake.set()
        assert first.result(TIMEOUT) == 0
    assert handled() == {"by-2"}
    assert Event.objects.values_list("status", "attempts").get() == ("done", 1)
    assert Mailbox.objects.values_list("lease_owner", "due_at").get() == ("", None)
