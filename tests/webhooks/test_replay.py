from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from integrations.core import audit, clock
from integrations.core.errors import BadRequest
from integrations.core.models import AuditEntry
from integrations.webhooks import mailbox
from integrations.webhooks.handlers import Handler
from integrations.webhooks.management.commands.replay import moment
from integrations.webhooks.models import Event, Mailbox
from integrations.webhooks.replay import Selection, replay, select
from tests.webhooks.conftest import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]
On = Callable[[str, Handler], None]
Stored = Callable[..., Event]


@pytest.fixture
def settled(stored: Stored) -> list[Event]:
    """Three locations with an event each, handled long ago, the second one poisoned; nothing is due."""
    events = []
    for second, location in enumerate(("one", "two", "three")):
        event = stored(
            second,
            tenant=f"location:{location}",
            type="Tested" if location != "three" else "Other",
            received_at=NOW - timedelta(days=3 - second),
            processed_at=NOW - timedelta(days=1),
            status="poisoned" if location == "two" else "done",
            attempts=10,
            error_code="handler_bug",
            error="KeyError",
        )
        events.append(event)
    Mailbox.objects.update(due_at=None)
    return events


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (Selection(types=("Tested",)), {"one", "two"}),
        (Selection(types=("Tested", "Other")), {"one", "two", "three"}),
        (Selection(types=("Tested",), location="two"), {"two"}),
        (Selection(since=NOW - timedelta(days=2)), {"two", "three"}),
        (Selection(since=NOW - timedelta(days=2), types=("Tested",)), {"two"}),
        (Selection(ids=("location:one-0-0",)), {"one"}),
        (Selection(ids=("location:one-0-0", "nonsense", "9" * 30)), {"one"}),
    ],
)
def test_the_selection_narrows(settled: list[Event], selection: Selection, chosen: set[str]) -> None:
    tenants = select(selection).values_list("mailbox__tenant", flat=True)
    assert {tenant.removeprefix("location:") for tenant in tenants} == chosen


def test_row_numbers_are_ids_too(settled: list[Event]) -> None:
    assert select(Selection(ids=(str(settled[1].id),))).get() == settled[1]


@pytest.mark.parametrize("selection", [Selection(), Selection(location="one")])
def test_nobody_replays_everything_by_accident(selection: Selection) -> None:
    with pytest.raises(BadRequest):
        select(selection)


def test_a_replayed_event_is_handled_again_as_if_new(settled: list[Event], on: On) -> None:
    seen: list[int] = []
    on("Tested", lambda event: seen.append(event.id))
    poisoned = settled[1]
    done = replay(select(Selection(ids=(poisoned.webhook_id,))), actor="tester", ids=["x"])
    assert (done.events, done.mailboxes) == (1, [poisoned.mailbox_id])
    poisoned.refresh_from_db()
    assert (poisoned.status, poisoned.attempts, poisoned.processed_at) == ("pending", 0, None)
    assert (poisoned.error_code, poisoned.error) == ("", "")
    assert mailbox.take_due(100, clock.now()) == [poisoned.mailbox_id]
    assert mailbox.drain(poisoned.mailbox_id) == 1
    assert seen == [poisoned.id]


def test_who_replayed_what_is_in_the_audit_trail(settled: list[Event]) -> None:
    replay(select(Selection(types=("Tested",))), actor="tester", types=["Tested"])
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.subject) == ("webhooks.replay", "tester", "2 events")
    assert entry.detail == {"types": ["Tested"]}
    assert audit.verify() is None


def test_a_replay_of_nothing_leaves_no_trace(settled: list[Event]) -> None:
    assert replay(select(Selection(types=("Nothing",))), actor="tester").events == 0
    assert not AuditEntry.objects.exists()


def run(*arguments: str) -> str:
    output = io.StringIO()
    call_command("replay", *arguments, stdout=output)
    return output.getvalue()


def test_the_command_says_what_it_did(settled: list[Event]) -> None:
    assert run("--since", "2d") == "2 events in 2 mailboxes will be processed again\n"
    assert json.loads(run("--type", "Tested", "--location", "one", "--json")) == {"events": 1, "mailboxes": 1}
    assert json.loads(run("--type", "Nothing", "--json")) == {"events": 0, "mailboxes": 0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say which events: by id, by type or since when (--id, --type, --since)"),
        (["--id", "nonsense"], "no such event is stored here"),
        (["--since", "last week"], "neither a date nor something like 30m, 2h or 7d"),
    ],
)
def test_the_command_fails_with_a_clear_line(settled: list[Event], arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", NOW - timedelta(minutes=30)),
        ("2h", NOW - timedelta(hours=2)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-03-30", datetime(2026, 3, 30, tzinfo=UTC)),
        ("2026-03-30T05:57:15+02:00", datetime(2026, 3, 30, 3, 57, 15, tzinfo=UTC)),
    ],
)
def test_since_is_a_date_or_how_long_ago(text: str, expected: datetime) -> None:
    assert moment(text) == expected


def test_since_never_overflows() -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        moment("999999d")
