"""Simultaneous deliveries and workers, on real connections."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Barrier
from time import sleep as wait
from typing import Any

import pytest
from django.db import connection, connections

from integrations.core import clock
from integrations.core.celery_tasks import enqueue
from integrations.tenants.models import App
from integrations.webhooks import inbox, mailbox
from integrations.webhooks.handlers import Handler
from integrations.webhooks.inbox import Receipt
from integrations.webhooks.models import Event, Mailbox
from tests.support.waiting import TIMEOUT, wait_until
from tests.webhooks.conftest import contact, sign

pytestmark = pytest.mark.django_db(transaction=True)
On = Callable[[str, Handler], None]
THREADS = 8
_HELD_UP = 20260401  # an advisory lock that nobody else takes
LOCKED_FOR = 0.1  # seconds: a delivery tries again meanwhile


def accept(payload: dict[str, Any]) -> Receipt:
    raw = json.dumps(payload).encode()
    return inbox.accept(None, raw, {"X-GHL-Signature": sign(raw)})


def together(work: Callable[[int], Any], number: int = THREADS) -> list[Any]:
    """Run `work(0) … work(number - 1)` in as many threads, started at the same moment."""
    start = Barrier(number)

    def run(index: int) -> Any:
        start.wait(TIMEOUT)
        return work(index)

    with ThreadPoolExecutor(number) as pool:
        return [future.result(TIMEOUT) for future in [pool.submit(_closing(run), index) for index in range(number)]]


def test_of_simultaneous_copies_one_is_stored(app: App) -> None:
    for payload in map(contact, range(5)):
        receipts = together(partial(lambda copy, _: accept(copy), payload))
        assert sum(receipt.mailbox_id is not None for receipt in receipts) == 1
    assert Event.objects.count() == 5


def test_a_tenants_first_events_share_one_mailbox(app: App) -> None:
    receipts = together(lambda index: accept(contact(index)))
    assert {receipt.mailbox_id for receipt in receipts} == {Mailbox.objects.get().pk}
    assert Event.objects.count() == THREADS


def test_simultaneous_workers_handle_each_event_once_and_in_order(
    app: App, stored: Callable[..., Event], on: On
) -> None:
    order: list[int] = []
    on("Tested", lambda event: order.append(event.payload["second"]))
    box = {stored(second).mailbox_id for second in range(30)}.pop()
    assert sum(together(lambda _: mailbox.drain(box))) == 30
    assert order == list(range(30))


def test_an_event_stored_while_its_worker_goes_to_sleep_is_not_forgotten(app: App, on: On) -> None:
    """Threads deliver and drain as they like; afterwards a mailbox with a pending event is always due."""
    on("ContactUpdate", lambda event: None)
    accept(contact(0))
    box = Mailbox.objects.get().id

    def deliver_and_drain(index: int) -> None:
        for number in range(12):
            accept(contact(1000 * (index + 1) + number))
            mailbox.drain(box)

    together(deliver_and_drain, 4)
    pending = Event.objects.filter(status=Event.Status.PENDING).count()
    assert pending == 0 or Mailbox.objects.get().due_at is not None
    mailbox.drain(box)
    assert not Event.objects.filter(status=Event.Status.PENDING).exists()
    assert Mailbox.objects.get().due_at is None


def test_a_delivery_waits_for_the_release_and_then_wakes_the_mailbox(app: App) -> None:
    """The race itself: the worker has looked and found nothing, the event comes before it has noted that."""
    accept(contact(1))
    box = Mailbox.objects.get()
    with _another_session() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute("SELECT FROM webhooks_mailbox WHERE id = %s FOR UPDATE", [box.id])
        late = pool.submit(_closing(accept), contact(2))
        wait(LOCKED_FOR)
        assert not late.done()
        cursor.execute("UPDATE webhooks_mailbox SET due_at = NULL WHERE id = %s", [box.id])
        cursor.execute("COMMIT")
        assert late.result(TIMEOUT).mailbox_id == box.id
    assert Mailbox.objects.get().due_at is not None


def test_a_delivery_that_began_before_the_release_wakes_the_mailbox(app: App) -> None:
    """Its statement sees the rows as they were at its start, when the mailbox was due, and locks it after the release.

    The statement is held up between the two by a view in the place of the table that it reads first.
    """
    accept(contact(1))
    box = Mailbox.objects.get()
    with _held_up() as held_up, _another_session() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_HELD_UP])
        late = pool.submit(_closing(held_up), contact(2))
        wait_until(lambda: _count("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
        assert mailbox.drain(box.id) == 1
        box.refresh_from_db()
        assert box.due_at is None
        cursor.execute("COMMIT")
        assert late.result(TIMEOUT).mailbox_id == box.id
    box.refresh_from_db()
    assert box.due_at is not None


def test_a_worker_does_not_put_a_mailbox_to_sleep_while_an_event_is_being_stored(app: App) -> None:
    """The same race the other way round: the delivery has seen that the mailbox is due, and commits after the look."""
    accept(contact(1))
    box = Mailbox.objects.get()
    with _another_session() as cursor:
        cursor.execute("SELECT FROM webhooks_mailbox WHERE id = %s FOR KEY SHARE", [box.id])
        assert mailbox.drain(box.id) == 1
        box.refresh_from_db()
        assert (box.lease_until, box.due_at is None) == (None, False)
    assert mailbox.drain(box.id) == 0
    box.refresh_from_db()
    assert box.due_at is None


def test_a_worker_that_holds_its_mailbox_holds_up_no_delivery(app: App) -> None:
    """A worker that froze after its fence: its lock may last as long as its session."""
    accept(contact(1))
    box = Mailbox.objects.get()
    with _another_session() as cursor:
        cursor.execute("UPDATE webhooks_mailbox SET lease_owner = 'frozen' WHERE id = %s", [box.id])
        assert accept(contact(2)).mailbox_id == box.id
        assert mailbox.drain(box.id) == 0, "nor another worker, which leaves the mailbox to it"
    assert Event.objects.count() == 2


def test_a_forgotten_mailbox_is_found(app: App) -> None:
    accept(contact(1))
    Mailbox.objects.update(due_at=None)
    now = clock.now()
    assert (mailbox.make_forgotten_due(now), mailbox.make_forgotten_due(now)) == (1, 0)
    assert Mailbox.objects.get().due_at == now


@contextmanager
def _held_up() -> Iterator[Callable[[dict[str, Any]], Receipt]]:
    """`accept`, which waits for the advisory lock `_HELD_UP` after its statement has begun."""

    def accept_late(payload: dict[str, Any]) -> Receipt:
        with connection.cursor() as cursor:
            cursor.execute("SET search_path = held_up, public")
        return accept(payload)

    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE SCHEMA held_up; CREATE VIEW held_up.tenants_app AS"
            f" SELECT app.* FROM tenants_app AS app, (SELECT pg_advisory_xact_lock_shared({_HELD_UP})) AS held"
        )
        try:
            yield accept_late
        finally:
            cursor.execute("DROP SCHEMA held_up CASCADE")


def _count(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.fetchone()[0])


@contextmanager
def _another_session() -> Iterator[Any]:
    """A cursor of a connection of its own, inside a transaction that is rolled back unless the test commits."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            yield cursor
            cursor.execute("ROLLBACK")
    finally:
        other.close()


def test_a_request_thread_reaches_the_broker(app: App, sent: Callable[[], list[Any]]) -> None:
    """Celery keeps its current app per thread; without a default one, threads would use Celery's default broker."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_closing(partial(enqueue, "webhooks.drain", mailbox_id=7))).result(TIMEOUT)
    assert sent() == [("webhooks.drain", {"mailbox_id": 7})]


def _closing(work: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any) -> Any:
        try:
            return work(*args)
        finally:
            connections.close_all()

    return run
