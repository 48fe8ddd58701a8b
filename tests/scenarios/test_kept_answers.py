"""What HighLevel said to a refused call stays with whatever made it: outbox entry, row of an upsert, webhook's handler.

Each creates a contact that is there already. A caller decides by the answer's `meta.matchingField`, an operator copies
the report for HighLevel's support, and both are found by the trace id.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from integrations.core import clock
from integrations.gateway.facade import v2
from integrations.outbox import outbox
from integrations.outbox import runs as outbox_runs
from integrations.outbox.models import Entry, TenantOutbox
from integrations.outbox.models import Run as OutboxRun
from integrations.problems import failure_sources
from integrations.quota.permits.lanes import Lane
from integrations.upserts import bulk_upsert
from integrations.upserts.models import UpsertRow
from integrations.webhooks import handlers, mailbox
from integrations.webhooks.models import Event, FailedAttempt, Mailbox
from tests.jobs.conftest import app, location, vendor
from tests.operators.conftest import SignIn, sign_in
from tests.upserts.conftest import Loader, loader

__all__ = ["app", "loader", "location", "sign_in", "vendor"]

CREATE = "contacts.create-contact"
pytestmark = pytest.mark.django_db


@pytest.fixture
def twin(loader: Loader) -> dict[str, str]:
    """The body of a contact that the vendor has already."""
    (contact,) = loader.sync(1)
    return {"email": contact["email"], "firstName": "Other"}


def from_outbox(loader: Loader, twin: dict[str, str]) -> tuple[Any, str]:
    entry = outbox.put(CREATE, app=loader.app, location=loader.location, entity="twin", key="twin", body=twin)
    TenantOutbox.objects.update(due_at=clock.now())
    outbox_runs.start_due(clock.now())
    outbox_runs.advance(OutboxRun.objects.latest("pk").pk)
    (printed,) = _command("outbox", "entries", "--state", "rejected")
    row = Entry.objects.get(pk=entry.pk)
    assert (printed["vendor_answer"], printed["trace_id"]) == (row.vendor_answer, row.trace_id)
    return row, f"/admin/outbox/entry/{row.pk}/change/"


def from_upsert(loader: Loader, twin: dict[str, str]) -> tuple[Any, str]:
    loader.finish(upsert := loader.start([twin], CREATE))
    (result,) = bulk_upsert.results(upsert)
    row = UpsertRow.objects.get(upsert=upsert)
    assert (result.outcome, result.answer, result.trace_id) == ("refused", row.vendor_answer, row.trace_id)
    assert "matchingField" in list(bulk_upsert.result_csv(upsert))[1]
    return row, f"/admin/upserts/upsertrow/{row.pk}/change/"


def from_webhook(loader: Loader, twin: dict[str, str]) -> tuple[Any, str]:
    api = v2.Api(loader.app, location=loader.location, lane=Lane.EVENTS)

    def create(event: Event) -> None:
        api.contacts.create_contact(body=event.payload["twin"])

    handlers.on("TwinSeen", create)
    now = clock.now()
    box = Mailbox.objects.create(app=loader.app, tenant=f"location:{loader.location}", due_at=now)
    given = {"webhook_id": "w1", "type": "TwinSeen", "payload": {"twin": twin}}
    moments = {"occurred_at": now, "received_at": now, "due_at": now}
    event = Event.objects.create(app=loader.app, mailbox=box, **given, **moments)
    mailbox.drain(box.pk)
    event.refresh_from_db()
    assert (event.status, event.error_code) == ("poisoned", "request_rejected")
    row = FailedAttempt.objects.get(event=event)
    (source,) = (one for one in failure_sources.SOURCES if one.name == "attempts of events")
    assert [source.failure(one).trace_id for one in source.rows()] == [row.trace_id]
    return row, f"/admin/webhooks/event/{event.pk}/change/"


@pytest.mark.parametrize("make", [from_outbox, from_upsert, from_webhook], ids=["outbox", "upsert", "webhook"])
def test_a_refusal_is_kept_with_all_that_highlevel_said(
    make: Callable[[Loader, dict[str, str]], tuple[Any, str]],
    loader: Loader,
    twin: dict[str, str],
    sign_in: SignIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handlers, "HANDLERS", dict(handlers.HANDLERS))
    row, page = make(loader, twin)
    kept = row.vendor_answer
    assert (kept["status"], kept["body"]["meta"]["matchingField"]) == (400, "email")
    assert row.error_code == "request_rejected"
    assert row.trace_id == kept["trace_id"] != ""

    operator: Client = sign_in("operator")
    shown = operator.get(page).content.decode()
    for words in ("matchingField", f"Trace id: {row.trace_id}", "not allow duplicated contacts", "HTTP status: 400"):
        assert words in shown, words
    found = operator.get("/admin/search/", {"s": row.trace_id, "extended": "1"}).content.decode()
    assert "Found 1 result" in found, found
    support = _command("support", row.trace_id)
    assert f"Trace id: {row.trace_id}" in support["report"]


def _command(*words: str) -> Any:
    out = io.StringIO()
    call_command(*words, "--json", stdout=out)
    return json.loads(out.getvalue())
