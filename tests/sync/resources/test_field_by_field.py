"""Contacts and opportunities in both dialects: the copy equals the vendor's own rows to the last field.

The sandbox plays these two by code, with searches, cursors and filters. The rows are asked for in another way than runs
do: newest first, or unsorted, and in pages of another size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from django.db.models import F

from hlapp.testing.vendor import install_everywhere
from integrations.core import clock
from integrations.gateway import client
from integrations.highlevel.catalogue.event_types import event_types
from integrations.sync import runs, webhook_handlers
from integrations.sync.models import Plan, Record, Run
from integrations.sync.resources import RESOURCES
from integrations.tenants.models import App
from integrations.webhooks.models import Event
from tests.plugin.vendor import SCOPES, make_app, run_vendor
from tests.sync.conftest import start, wake

COUNT = 130
ASKED = {
    "contacts": {"pageLimit": 50, "sort": [{"field": "dateAdded", "direction": "desc"}]},
    "opportunities": {"limit": 30, "query": ""},
}
Row = dict[str, Any]


@dataclass
class Kept:
    """One resource of the sandbox's location, and its copy."""

    app: App
    location: str
    name: str

    def call(self, operation: str, **arguments: Any) -> Any:
        return client.call(f"{self.name}.{operation}", app=self.app, location=self.location, **arguments).json

    def truth(self) -> dict[str, Row]:
        """The vendor's rows as they are now, without what is not stored."""
        resource = RESOURCES[self.name]
        body = {"locationId": self.location, **ASKED[self.name]}
        found = client.pages(resource.operation, app=self.app, location=self.location, body=body)
        return {row["id"]: resource.payload(row) for page in found for row in page.items}

    def copy(self) -> dict[str, Row]:
        return dict(Record.objects.filter(resource=self.name, deleted_at=None).values_list("record_id", "payload"))

    def run(self, **fields: Any) -> Run:
        """The plan's next run to its end."""
        plan, _ = Plan.objects.get_or_create(
            app=self.app, location_id=self.location, resource=self.name, defaults={"created_at": clock.now()}
        )
        started = start(plan, **fields)
        for _ in range(30):
            wake(started)
            runs.advance(started.pk)
            started.refresh_from_db()
            if started.status != Run.Status.RUNNING:
                break
        assert (started.status, started.error) == ("complete", "")
        return started

    def webhook(self, event_type: str, row: Row) -> set[str]:
        """The event about this row, with the fields that the vendor's page names; how the copy calls these."""
        backwards = {of_row: of_event for of_event, of_row in RESOURCES[self.name].renames.items()}
        names = set(event_types()[event_type].fields) - {"type"}
        said = {backwards.get(name, name): value for name, value in row.items() if backwards.get(name, name) in names}
        now = clock.now()
        payload = {**said, "type": event_type, "locationId": self.location, "timestamp": now.isoformat()}
        webhook_handlers.apply(Event(app=self.app, type=event_type, payload=payload, occurred_at=now))
        return {name for name in row if backwards.get(name, name) in said}


@pytest.fixture(params=["v2", "v3"])
def installed(request: Any, db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[App, str]]:
    """An app of the dialect on the sandbox's only location, whose quota would let it take minutes."""
    monkeypatch.setattr(client, "permitted", lambda *_, **__: nullcontext(Mock()))
    for sandbox in run_vendor(contacts=COUNT, locations=1, seed=8_200, limit=100_000, daily=10_000_000):
        app = make_app(sandbox, scopes=f"{SCOPES} opportunities.write")
        _, location = install_everywhere(sandbox, app)
        App.objects.filter(pk=app.pk).update(dialect=request.param)
        app.refresh_from_db()
        yield app, location


@pytest.mark.slow
def test_contacts_and_opportunities_are_equal_field_by_field(installed: tuple[App, str]) -> None:
    contacts, deals = (Kept(*installed, name) for name in ("contacts", "opportunities"))
    for kept in (contacts, deals):
        kept.run()
        assert kept.copy() == kept.truth()
    assert len(contacts.copy()) == COUNT
    deal = next(iter(deals.truth().values()))
    edits = {
        "contacts": lambda record_id: contacts.call(
            "update-contact", params={"contactId": record_id}, body={"firstName": "Changed", "city": "Graz"}
        ),
        "opportunities": lambda record_id: deals.call(
            "update-opportunity", params={"id": record_id}, body={"monetaryValue": 987_654, "name": "Changed"}
        ),
    }
    made = {
        "contacts": {"firstName": "New", "email": "new@example.com", "tags": ["fresh"]},
        "opportunities": {name: deal[name] for name in ("pipelineId", "pipelineStageId", "contactId", "status")}
        | {"name": "A new deal"},
    }
    for kept, one, id_name in ((contacts, "Contact", "contactId"), (deals, "Opportunity", "id")):
        single = kept.name.removesuffix("s").replace("opportunitie", "opportunity")
        changed, gone, by_run, *_ = sorted(kept.copy())
        for record_id in (changed, by_run):
            edits[kept.name](record_id)
        kept.call(f"create-{single}", body={"locationId": kept.location, **made[kept.name]})
        kept.call(f"delete-{single}", params={id_name: gone})
        before, truth = kept.copy(), kept.truth()
        (new,) = truth.keys() - before.keys()

        said = kept.webhook(f"{one}Update", truth[changed])
        now_there = kept.copy()[changed]
        assert {name: now_there[name] for name in said} == {name: truth[changed][name] for name in said}
        assert {name: now_there[name] for name in before[changed].keys() - said} == {
            name: before[changed][name] for name in before[changed].keys() - said
        }
        said = kept.webhook(f"{one}Create", truth[new])
        assert {name: kept.copy()[new][name] for name in said} == {name: truth[new][name] for name in said}
        kept.webhook(f"{one}Delete", before[gone])
        assert kept.copy().keys() == truth.keys()

        hour = timedelta(hours=1)  # what events said lies back, so that a listing that was read after them counts
        earlier = {name: F(name) - hour for name in ("version_at", "alive_at", "deleted_at")}
        Record.objects.filter(resource=kept.name).update(**earlier)
        assert kept.run().kind == Run.Kind.INCREMENTAL
        assert kept.copy() == kept.truth(), "the edit without a webhook, too"
        edits[kept.name](new)
        Record.objects.filter(resource=kept.name).update(**earlier)
        assert kept.run(full_due_at=None).kind == Run.Kind.FULL
        assert kept.copy() == kept.truth()
