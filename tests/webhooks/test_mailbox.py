"""One worker, one mailbox: order, retries, poison, and the turn's end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection

from integrations.core import clock
from integrations.core.errors import GrantRevoked, InstallPending, PayloadAnomalous
from integrations.core.observing import log_scope
from integrations.tenants.models import App, Location
from integrations.webhooks import handlers, lease, mailbox, settle
from integrations.webhooks.handlers import Handler
from integrations.webhooks.models import Event, Mailbox

pytestmark = pytest.mark.django_db
On = Callable[[str, Handler], None]
Stored = Callable[..., Event]
START = datetime(2026, 4, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def travel() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


class Handling:
    """A handler that notes what it saw, and fails for the events in `failures`."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.failures: dict[int, Exception] = {}

    def __call__(self, event: Event) -> None:
        second = event.payload["second"]
        self.seen.append(second)
        if second in self.failures:
            raise self.failures[second]


@pytest.fixture
def handling(on: On) -> Handling:
    handler = Handling()
    on("Tested", handler)
    return handler


def test_events_are_handled_in_the_vendors_order_whatever_order_they_came_in(
    stored: Stored, handling: Handling
) -> None:
    for second in (3, 1, 2, 1):
        event = stored(second)
    assert mailbox.drain(event.mailbox_id) == 4
    assert handling.seen == [1, 1, 2, 3]
    assert set(Event.objects.values_list("status", "attempts", "processed_at")) == {("done", 1, START)}
    assert Mailbox.objects.values_list("due_at", "lease_owner", "lease_until").get() == (None, "", None)


def test_lines_of_a_handler_have_its_tenant_and_event(stored: Stored, on: On) -> None:
    found: list[dict[str, Any]] = []
    on("Tested", lambda event: found.append(dict(log_scope.current())))
    events = [stored(1), stored(2, attempts=1)]  # in a batch, and alone
    mailbox.drain(events[0].mailbox_id)
    assert found == [{"tenant": "location:loc1", "webhook_id": event.webhook_id} for event in events]


def test_events_without_a_handler_are_marked_as_such(stored: Stored) -> None:
    event = stored(type="LCEmailStats")
    stored(type="SomethingNew")
    mailbox.drain(event.mailbox_id)
    assert set(Event.objects.values_list("status", flat=True)) == {"ignored"}


def test_every_handler_of_a_type_is_called_once_in_the_order_of_registration(stored: Stored, on: On) -> None:
    calls: list[str] = []

    def first(event: Event) -> None:
        calls.append("first")

    def second(event: Event) -> None:
        calls.append("second")

    for handler in (first, second, first):
        on("Tested", handler)
    mailbox.drain(stored().mailbox_id)
    assert calls == ["first", "second"]


def test_a_passing_failure_holds_the_mailbox_back_until_it_is_due(
    stored: Stored, handling: Handling, travel: time_machine.Traveller
) -> None:
    handling.failures[1] = InstallPending("the callback has not come yet")
    failing, behind = stored(1), stored(2)
    box = failing.mailbox_id
    assert mailbox.drain(box) == 0
    failing.refresh_from_db()
    assert (failing.status, failing.attempts, failing.error_code) == ("pending", 1, "install_pending")
    assert failing.error == "the callback has not come yet"
    assert START < failing.due_at <= START + timedelta(seconds=2)
    assert Mailbox.objects.get().due_at == failing.due_at
    assert mailbox.drain(box) == 0
    assert handling.seen == [1]
    assert mailbox.take_due(100, clock.now()) == []

    travel.move_to(failing.due_at)
    assert mailbox.take_due(100, clock.now()) == [box]
    del handling.failures[1]
    assert mailbox.drain(box) == 2
    assert handling.seen == [1, 1, 2]
    failing.refresh_from_db()
    behind.refresh_from_db()
    assert (failing.status, failing.attempts, failing.error_code, failing.error) == ("done", 2, "", "")
    assert (behind.status, behind.attempts) == ("done", 1)


def test_the_wait_grows_and_keeps_to_what_the_error_asks_for(
    stored: Stored, handling: Handling, travel: time_machine.Traveller
) -> None:
    handling.failures[1] = InstallPending("ask again in ten minutes", retry_after=600)
    event = stored(1)
    mailbox.drain(event.mailbox_id)
    event.refresh_from_db()
    assert event.due_at == START + timedelta(minutes=10)


def test_an_event_whose_retries_are_used_up_steps_aside(
    stored: Stored, handling: Handling, travel: time_machine.Traveller
) -> None:
    handling.failures[1] = InstallPending("never ready")
    failing, behind = stored(1), stored(2)
    for _ in range(settle.ATTEMPTS):
        travel.move_to(Mailbox.objects.get().due_at)
        mailbox.drain(failing.mailbox_id)
    failing.refresh_from_db()
    behind.refresh_from_db()
    assert (failing.status, failing.attempts, failing.error_code) == ("poisoned", 10, "install_pending")
    assert failing.processed_at == clock.now()
    assert behind.status == "done"
    assert handling.seen == [1] * settle.ATTEMPTS + [2]
    attempts = list(failing.failed_attempts.order_by("pk"))
    assert [one.number for one in attempts] == list(range(1, settle.ATTEMPTS + 1))
    assert {one.error_code for one in attempts} == {"install_pending"}
    assert [one.next_at is None for one in attempts] == [False] * (settle.ATTEMPTS - 1) + [True]
    assert clock.now() - START < timedelta(minutes=15)


@pytest.mark.parametrize("error", [GrantRevoked("install again"), PayloadAnomalous("names no tenant")])
def test_what_repeating_cannot_help_steps_aside_at_once(stored: Stored, handling: Handling, error: Exception) -> None:
    handling.failures[1] = error
    failing, behind = stored(1), stored(2)
    assert mailbox.drain(failing.mailbox_id) == 2
    failing.refresh_from_db()
    assert (failing.status, failing.error) == ("poisoned", str(error))
    assert Event.objects.get(pk=behind.pk).status == "done"


def test_a_handlers_bug_is_retried_and_its_text_is_not_shown(
    stored: Stored, handling: Handling, caplog: pytest.LogCaptureFixture
) -> None:
    handling.failures[1] = KeyError("a-secret-that-a-library-put-here")
    event = stored(1)
    mailbox.drain(event.mailbox_id)
    event.refresh_from_db()
    assert (event.status, event.error_code) == ("pending", "handler_bug")
    assert event.error.startswith("KeyError in __call__, line ")
    assert "secret" not in event.error


def test_what_a_failed_handler_did_is_undone(stored: Stored, on: On) -> None:
    def half(event: Event) -> None:
        Location.objects.create(id="half", created_at=clock.now())
        raise GrantRevoked("after the first step")

    on("Tested", half)
    mailbox.drain(stored().mailbox_id)
    assert not Location.objects.exists()
    assert Event.objects.get().status == "poisoned"


def test_a_failing_handler_undoes_nothing_of_the_others(stored: Stored, on: On) -> None:
    def bug(event: Event) -> None:
        Location.objects.create(id="bug", created_at=clock.now())
        raise KeyError("a job's mistake")

    def note(event: Event) -> None:
        Location.objects.get_or_create(id="noted", defaults={"created_at": clock.now()})

    on("Tested", bug)
    on("Tested", note)
    mailbox.drain(stored().mailbox_id)
    assert set(Location.objects.values_list("id", flat=True)) == {"noted"}
    assert (Event.objects.get().status, Event.objects.get().error_code) == ("pending", "handler_bug")


def test_one_message_is_sent_until_it_counts_as_lost(stored: Stored, travel: time_machine.Traveller) -> None:
    box = stored(1).mailbox_id
    travel.move_to(START + timedelta(seconds=5))
    assert mailbox.take_due(100, clock.now()) == [box]
    assert mailbox.take_due(100, clock.now()) == [], "its message is on the way"
    travel.move_to(START + timedelta(seconds=6) + lease.LOST_AFTER)
    assert mailbox.take_due(100, clock.now()) == [box], "or was lost"


def test_a_broken_statement_in_a_handler_poisons_nothing_but_its_own_transaction(stored: Stored, on: On) -> None:
    def clumsy(event: Event) -> None:
        if event.payload["second"] == 1:
            Location.objects.create(id="x" * 65, created_at=clock.now())

    on("Tested", clumsy)
    failing = stored(1)
    mailbox.drain(failing.mailbox_id)
    failing.refresh_from_db()
    assert (failing.status, failing.attempts, failing.error[:9]) == ("pending", 1, "DataError")


def test_a_turn_that_is_over_leaves_the_mailbox_due(
    stored: Stored, handling: Handling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(mailbox, "BATCH", 3)
    box = {stored(second).mailbox_id for second in range(4)}.pop()
    assert mailbox.drain(box) == 1, "the time is over after the first event"
    assert Mailbox.objects.get().lease_until is None
    assert mailbox.take_due(100, clock.now()) == [box]
    assert [mailbox.drain(box) for _ in range(3)] == [1, 1, 1]
    assert Mailbox.objects.get().due_at is None
    assert handling.seen == [0, 1, 2, 3]


def test_a_turn_ends_by_time_too(stored: Stored, on: On, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "TURN_SECONDS", 0.05)
    on("Tested", lambda event: time.sleep(0.06))
    box = {stored(second).mailbox_id for second in range(3)}.pop()
    assert mailbox.drain(box) == 1


def test_a_failing_tenant_does_not_hold_up_another(stored: Stored, handling: Handling) -> None:
    handling.failures[1] = InstallPending("not yet")
    failing, fine = stored(1, tenant="location:one"), stored(2, tenant="location:two")
    mailbox.drain(failing.mailbox_id)
    assert mailbox.take_due(100, clock.now()) == [fine.mailbox_id]
    assert mailbox.drain(fine.mailbox_id) == 1


def test_an_event_that_comes_late_goes_before_the_ones_of_later_batches(
    stored: Stored, on: On, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def handler(event: Event) -> None:
        seen.append(event.payload["second"])
        if len(seen) == 1:
            stored(5)

    monkeypatch.setattr(mailbox, "BATCH", 2)
    on("Tested", handler)
    box = stored(1).mailbox_id
    for second in (3, 9):
        stored(second)
    mailbox.drain(box)
    assert seen == [1, 3, 5, 9]


def test_the_events_of_a_batch_share_one_transaction_and_one_of_each_statement(
    stored: Stored, handling: Handling, django_assert_max_num_queries: Any
) -> None:
    box = {stored(second).mailbox_id for second in range(40)}.pop()
    with django_assert_max_num_queries(12):
        assert mailbox.drain(box) == 40
    assert handling.seen == list(range(40))
    assert set(Event.objects.values_list("status", "attempts")) == {("done", 1)}


class Batches(Handling):
    """A handler that takes a whole batch at once too."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[int]] = []

    def together(self, events: Sequence[Event]) -> None:
        self.batches.append([event.payload["second"] for event in events])
        for event in events:
            Location.objects.create(id=f"together-{event.payload['second']}", created_at=clock.now())
            if event.payload["second"] in self.failures:
                raise self.failures[event.payload["second"]]


@pytest.fixture
def batches(on: On) -> Batches:
    handler = Batches()
    handlers.on("Tested", handler, batch=handler.together)
    return handler


def test_a_handler_of_batches_gets_the_events_at_once_and_in_order(stored: Stored, batches: Batches, on: On) -> None:
    each: list[int] = []
    on("Tested", lambda event: each.append(event.payload["second"]))
    for second in (2, 0, 1):
        box = stored(second).mailbox_id
    assert mailbox.drain(box) == 3
    assert (batches.batches, batches.seen, each) == ([[0, 1, 2]], [], [0, 1, 2])


def test_a_batch_that_fails_at_once_is_handled_event_by_event(stored: Stored, batches: Batches) -> None:
    batches.failures[2] = GrantRevoked("install again")
    for second in range(4):
        box = stored(second).mailbox_id
    assert mailbox.drain(box) == 4
    assert batches.seen[:3] == [0, 1, 2], "the guilty one is found by a second pass"
    statuses = list(Event.objects.order_by("occurred_at").values_list("status", flat=True))
    assert statuses == ["done", "done", "poisoned", "done"]
    assert set(Location.objects.values_list("id", flat=True)) == {f"together-{second}" for second in (0, 1, 3)}


def test_one_failure_in_a_batch_costs_the_others_nothing_but_a_repetition(stored: Stored, handling: Handling) -> None:
    handling.failures[2] = GrantRevoked("install again")
    for second in range(5):
        box = stored(second).mailbox_id
    assert mailbox.drain(box) == 5
    assert handling.seen == [0, 1, 2, 0, 1, 2, 3, 4]
    assert list(Event.objects.order_by("occurred_at").values_list("status", flat=True)) == [
        *["done"] * 2,
        "poisoned",
        *["done"] * 2,
    ]


def test_a_postponed_event_holds_up_those_behind_it_and_not_those_before(stored: Stored, handling: Handling) -> None:
    handling.failures[2] = InstallPending("not yet")
    for second in range(5):
        box = stored(second).mailbox_id
    assert mailbox.drain(box) == 2
    assert list(Event.objects.order_by("occurred_at").values_list("status", flat=True)) == [
        *["done"] * 2,
        *["pending"] * 3,
    ]


def test_a_handler_with_locks_that_others_need_has_its_own_transaction(stored: Stored, on: On) -> None:
    outside = len(connection.savepoint_ids)
    depths: list[int] = []
    handlers.on("Alone", lambda event: depths.append(len(connection.savepoint_ids) - outside), own_transaction=True)
    on("Tested", lambda event: depths.append(len(connection.savepoint_ids) - outside))
    for second, kind in enumerate(("Tested", "Alone", "Tested")):
        box = stored(second, type=kind).mailbox_id
    assert mailbox.drain(box) == 3
    assert depths == [1, 2, 1], "a savepoint around the handler itself, as after a failure"


def test_a_batch_with_slow_handlers_is_committed_as_far_as_it_is(
    stored: Stored, on: On, travel: time_machine.Traveller
) -> None:
    done_before: list[int] = []

    def slow(event: Event) -> None:
        done_before.append(Event.objects.filter(status="done").count())
        travel.shift(settle.BATCH_TIME / 2)

    on("Tested", slow)
    box = {stored(second).mailbox_id for second in range(5)}.pop()
    assert mailbox.drain(box) == 5
    assert done_before == [0, 0, 2, 2, 4]


def test_the_turn_of_a_busy_tenant_takes_its_whole_backlog(
    stored: Stored, handling: Handling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "BATCH", 3)
    box = {stored(second).mailbox_id for second in range(20)}.pop()
    assert mailbox.drain(box) == 20
    assert handling.seen == list(range(20))


def test_a_mailbox_is_due_since_its_oldest_event_and_not_since_the_next_one(
    stored: Stored, on: On, travel: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor's order is not that of arrival: what comes late goes first, and does not make the others younger."""
    monkeypatch.setattr(mailbox, "TURN_SECONDS", 0.0)
    on("Tested", lambda event: None)
    box = stored(9).mailbox_id
    oldest = clock.now()
    travel.shift(60)
    stored(1), stored(2)
    mailbox.drain(box)
    assert Mailbox.objects.get().due_at == oldest
    other = stored(0, tenant="location:other")
    Mailbox.objects.filter(id=other.mailbox_id).update(due_at=clock.now() - timedelta(seconds=30))
    assert mailbox.take_due(2, clock.now()) == [box, other.mailbox_id]


def test_a_worker_goes_on_with_the_mailboxes_that_have_waited_longest(
    stored: Stored, on: On, travel: time_machine.Traveller
) -> None:
    seen: list[str] = []
    on("Tested", lambda event: seen.append(event.mailbox.tenant))
    for name in ("late", "sent", "early", "latest"):
        stored(0, tenant=name)
    start = clock.now()
    for name, seconds in {"early": -3, "late": -2, "latest": -1, "sent": 5, "leased": -9}.items():
        box, _ = Mailbox.objects.get_or_create(app=App.objects.get(), tenant=name)
        Mailbox.objects.filter(id=box.pk).update(due_at=start + timedelta(seconds=seconds))
    Mailbox.objects.filter(tenant="leased").update(lease_until=start + timedelta(seconds=9), lease_owner="another")
    assert mailbox.drain_others(60.0) == 3
    assert seen == ["early", "late", "latest"], "not the one whose message is on its way, nor the one of another worker"
    assert set(Mailbox.objects.exclude(due_at=None).values_list("tenant", flat=True)) == {"sent", "leased"}


def test_a_worker_goes_on_for_a_limited_time_and_not_while_its_process_ends(
    stored: Stored, on: On, monkeypatch: pytest.MonkeyPatch
) -> None:
    on("Tested", lambda event: None)
    for number in range(3):
        stored(0, tenant=f"location:{number}")
    assert mailbox.drain_others(0.0) == 0
    monkeypatch.setattr(mailbox.stopping, "is_requested", lambda: True)
    assert mailbox.drain_others(60.0) == 0
    monkeypatch.undo()
    assert mailbox.drain_others(60.0) == 3


def test_after_a_while_a_turn_ends_for_a_tenant_that_has_waited_longer(
    stored: Stored, handling: Handling, travel: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "SHARE_SECONDS", 0.0)
    monkeypatch.setattr(mailbox, "BATCH", 1)
    busy = {stored(second, tenant="location:busy").mailbox_id for second in range(4)}.pop()
    assert mailbox.drain(busy) == 4, "no other tenant waits"
    patient = stored(0, tenant="location:patient").mailbox_id
    travel.shift(1)
    for second in range(4):
        stored(second, tenant="location:busy")
    assert mailbox.drain(busy) == 1
    Mailbox.objects.filter(id=busy).update(due_at=clock.now())
    assert mailbox.take_due(2, clock.now()) == [patient, busy]


def test_install_events_reach_the_install_room_with_the_vendors_moment(
    app: App, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    for name in ("installed", "uninstalled"):
        monkeypatch.setattr(
            f"integrations.installs.events.{name}",
            lambda app, payload, at, event_id, name=name: calls.append((name, app, payload, at, event_id)),
        )
    first = stored(1, type="UNINSTALL")
    second = stored(2, type="INSTALL")
    mailbox.drain(first.mailbox_id)
    assert calls == [
        ("uninstalled", app, first.payload, first.occurred_at, first.webhook_id),
        ("installed", app, second.payload, second.occurred_at, second.webhook_id),
    ]
