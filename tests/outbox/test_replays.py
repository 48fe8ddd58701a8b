"""A done entry is made again by an operator, as another entry; and the lane in which an entry is sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError
from django.test import Client

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.models import AuditEntry
from integrations.outbox import replays
from integrations.outbox.models import Entry
from integrations.privacy import retention_sweep
from integrations.quota.permits import tickets
from integrations.quota.permits.lanes import Lane
from tests.jobs.conftest import app as app
from tests.jobs.conftest import location as location
from tests.jobs.conftest import vendor as vendor
from tests.outbox.test_outbox import Desk, command
from tests.outbox.test_outbox import desk as desk

pytestmark = pytest.mark.django_db


def test_a_done_entry_is_made_again_behind_the_others_and_its_key_stays_with_the_first(desk: Desk) -> None:
    first = desk.put("put 1")
    desk.work()
    desk.put("put 2")
    (shown,) = command("entries", "--state", "done")
    assert shown["body"] == {"body": "put 1"}

    (made,) = command("replay", str(first.pk))
    assert (made["key"], made["state"]) == (f"put 1 (again {first.pk})", "waiting")
    desk.work()

    assert (desk.notes(), desk.states()) == (["put 1", "put 2", "put 1"], ["done"] * 3)
    first.refresh_from_db()
    assert (first.key, first.answer["status"]) == ("put 1", 201)
    assert desk.put("put 1").pk == first.pk, "the app's own call is still done"
    entry = AuditEntry.objects.get(action="outbox.replayed")
    assert (entry.actor, entry.detail["entry"], entry.detail["again"]) == ("manage.py outbox", first.pk, made["id"])


def test_an_entry_is_replayed_once_and_then_its_replay_is(desk: Desk) -> None:
    first = desk.put("put 1")
    with pytest.raises(BadRequest, match="is waiting, not done"):
        replays.replay(first.pk, by="operator ann")
    desk.work()
    second = replays.replay(first.pk, by="operator ann")
    with pytest.raises(CommandError, match=f"was replayed as entry {second.pk}, which is waiting"):
        command("replay", str(first.pk))
    desk.work()
    replays.replay(second.pk, by="operator ann")
    desk.work()
    assert desk.notes() == ["put 1"] * 3


def test_a_call_is_kept_for_some_days_or_not_at_all(desk: Desk, settings: Any) -> None:
    entry = desk.put("put 1")
    desk.work()
    retention_sweep.tidy(clock.now())
    entry.refresh_from_db()
    assert entry.body == {"body": "put 1"}
    old = clock.now() - timedelta(days=settings.OUTBOX_REPLAY_DAYS, seconds=1)
    Entry.objects.update(settled_at=old)
    assert retention_sweep.tidy(clock.now())["calls of the outbox emptied"] == 1
    entry.refresh_from_db()
    assert (entry.state, entry.params, entry.body, entry.sealed) == ("done", {}, None, None)
    with pytest.raises(BadRequest, match="not kept any more"):
        replays.replay(entry.pk, by="operator ann")

    settings.OUTBOX_REPLAY_DAYS = 0
    other = desk.put("put 2")
    desk.work()
    other.refresh_from_db()
    assert (other.state, other.params, other.body, other.sealed) == ("done", {}, None, None)


def test_what_was_changed_in_the_database_is_not_replayed(desk: Desk) -> None:
    entry = desk.put("put 1")
    desk.work()
    Entry.objects.update(state="waiting")
    desk.work()
    assert (desk.states(), desk.notes()) == (["rejected"], ["put 1"]), "its seal says that it must not be sent"
    for forged in (
        {"body": {"body": "put by the attacker"}},
        {"operation": "contacts.delete-contact"},
        {"lane": "bulk"},
    ):
        Entry.objects.update(state="done", **forged)
        with pytest.raises(BadRequest, match="was not put by this application, or was changed"):
            replays.replay(entry.pk, by="operator ann")
    assert Entry.objects.count() == 1


def test_operators_replay_on_the_page(desk: Desk, client: Client) -> None:
    client.force_login(User.objects.create_superuser("root", password="a-long-password-1"))
    entry = desk.put("put 1")
    desk.work()
    chosen = {"action": "replay", "_selected_action": [entry.pk]}
    assert "Done for 1 entry." in client.post("/admin/outbox/entry/", chosen, follow=True).content.decode()
    assert "was replayed as entry" in client.post("/admin/outbox/entry/", chosen, follow=True).content.decode()
    desk.work()
    assert desk.notes() == ["put 1", "put 1"]


@pytest.mark.parametrize("lane", [Lane.BULK, Lane.EVENTS, Lane.INTERACTIVE])
def test_an_entry_is_sent_in_its_lane(desk: Desk, lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.put("put 1", lane=lane)
    lanes: list[Lane] = []
    acquire = tickets.acquire

    def noted(*arguments: Any, **how: Any) -> Any:
        lanes.append(how["lane"])
        return acquire(*arguments, **how)

    monkeypatch.setattr(tickets, "acquire", noted)
    desk.work()
    assert (desk.states(), lanes) == (["done"], [lane])
