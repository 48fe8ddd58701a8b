"""Rows whose answer was lost: never sent again unseen, decided by a look-up or a person, and what forgers can do."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.models import AuditEntry
from integrations.upserts import bulk_upsert, restored_rows, runs
from integrations.upserts.models import Upsert, UpsertRow
from integrations.upserts.row_queryset import UpsertRowQuerySet
from tests.upserts.conftest import PATH, Loader, expire_lease, later, people, phases, states

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """The worker's end."""


def die(*_: Any, **__: Any) -> None:
    raise Killed


@pytest.mark.parametrize("kind", ["lost", "close"])
def test_a_lost_answer_is_looked_up_and_decides_itself(
    loader: Loader, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The vendor acted on a `lost` one, and never saw one whose connection was closed at once."""
    upsert = loader.start(people("a", "b"))
    loader.vendor.fault(PATH, kind, times=1)
    assert (loader.turn(upsert).status, states(upsert)) == ("running", ["unknown", "waiting"])
    while states(upsert) != ["unknown", "done"]:
        run = loader.turn(upsert)
        assert run.status == "running"
    run = loader.turn(upsert)
    assert (run.due_at - clock.now()).total_seconds() > 30, "until no answer can come any more"
    with pytest.raises(BadRequest, match="may still come: decide in"):
        bulk_upsert.decide(upsert, 1, happened=True, by="operator ann")
    before = loader.sent()
    later(monkeypatch)
    assert (loader.finish(upsert).status, states(upsert)) == ("complete", ["done", "done"])
    assert loader.sent() == before + (kind == "close")
    assert loader.contact("a@bulk.example") is not None


def test_a_killed_worker_leaves_a_row_that_the_next_turn_finds(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    upsert = loader.start(people("a", "b"))
    with monkeypatch.context() as patched:
        patched.setattr(UpsertRowQuerySet, "done", die)
        with pytest.raises(Killed):
            loader.turn(upsert)
    assert states(upsert) == ["sent", "waiting"]
    expire_lease(upsert)
    later(monkeypatch)
    assert (loader.finish(upsert).status, states(upsert), loader.sent()) == ("complete", ["done", "done"], 2)
    found = UpsertRow.objects.get(number=1)
    assert found.record_id == (loader.contact("a@bulk.example") or {})["id"]


def test_a_call_that_must_not_be_made_twice_waits_for_a_person(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    loader.sync()
    upsert = loader.start(people("a"), "contacts.create-contact")
    loader.vendor.fault("/contacts/", "close", times=1)
    later(monkeypatch)
    assert (loader.turn(upsert).status, states(upsert)) == ("running", ["unknown"])
    assert (loader.finish(upsert).status, states(upsert)) == ("complete", ["unknown"])
    assert bulk_upsert.progress(upsert).unknown == 1
    bulk_upsert.decide(upsert, 1, happened=False, by="operator ann")
    assert (loader.finish(upsert).status, states(upsert)) == ("complete", ["done"])
    assert AuditEntry.objects.filter(action="upsert.did_not_happen", actor="operator ann").count() == 1
    with pytest.raises(BadRequest, match="row 1 is done, not unknown"):
        bulk_upsert.decide(upsert, 1, happened=True, by="operator ann")


def test_a_row_that_never_takes_effect_is_given_up(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    upsert = loader.start(people("a"))
    loader.vendor.fault(PATH, "status", times=None, status=500)
    later(monkeypatch)
    assert (loader.finish(upsert).status, states(upsert), loader.sent()) == ("complete", ["refused"], runs.MOST_SENDS)
    (result,) = bulk_upsert.results(upsert)
    assert "sent 3 times without effect" in result.why


def test_a_restore_stops_it_and_sends_nothing_twice(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    upsert = loader.start(people("a", "b"))
    with monkeypatch.context() as patched:
        patched.setattr(UpsertRowQuerySet, "done", die)
        with pytest.raises(Killed):
            loader.turn(upsert)
    creation = loader.start(people("c"), "contacts.create-contact")
    now = clock.now()
    assert restored_rows.hold(now, made_at=now, by="manage.py restore") == [upsert, creation]
    assert phases([upsert, creation]) == ["stopped", "stopped"]
    assert (states(upsert), states(creation)) == (["unknown", "waiting"], ["unknown"])
    assert runs.start_due(clock.now()) == []
    assert restored_rows.hold(now, made_at=now, by="manage.py restore") == [], "it can be repeated"
    later(monkeypatch)
    bulk_upsert.resume(upsert)
    assert (loader.finish(upsert).status, states(upsert), loader.sent()) == ("complete", ["done", "done"], 2)


def test_the_page_says_of_a_draft_that_does_not_open_why_it_has_no_price(loader: Loader, admin_client: Client) -> None:
    draft = loader.prepare(people("a"))
    Upsert.objects.filter(pk=draft).update(sealed=b"theirs")
    form = {"action": "price_again", "_selected_action": [draft]}
    answer = admin_client.post("/admin/upserts/upsert/", form, follow=True)
    assert answer.status_code == 200
    assert [str(one) for one in answer.context["messages"]], "in words"


def test_what_is_written_into_the_database_is_never_sent(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    upsert, draft = loader.start(people("a", "b")), loader.prepare(people("c"))
    first, second = UpsertRow.objects.filter(upsert=upsert).order_by("number")
    UpsertRow.objects.filter(pk=first.pk).update(body=second.body)  # moved
    UpsertRow.objects.create(upsert_id=upsert, number=3, body="bm90aGluZw==")  # inserted
    assert (loader.finish(upsert).status, states(upsert)) == ("complete", ["refused", "done", "refused"])
    assert AuditEntry.objects.filter(action="upsert.not_sealed").count() == 2
    Upsert.objects.filter(pk=draft).update(phase="started", due_at=clock.now())
    assert (loader.turn(draft).status, states(draft)) == ("failed", ["waiting"])
    held = loader.start(people("d"))
    loader.vendor.fault(PATH, "lost", times=1)
    while states(held) != ["unknown"]:
        loader.turn(held)
    UpsertRow.objects.filter(upsert=held).update(state="waiting")
    assert (loader.finish(held).status, states(held)) == ("complete", ["refused"])
    assert loader.sent() == 2
    assert loader.contact("c@bulk.example") is None
