"""What a row has of other objects: the vendor changes it without a new date of the row, so no run for changes shows it.

Such objects are not stored, however they come. Names that apps want are stored, and marked where apps look for them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.tenant import Tenant
from integrations.sync import records, webhook_handlers
from integrations.sync.models import Plan, Record
from integrations.sync.records import Merged
from integrations.sync.resources import ALL, RESOURCES
from integrations.sync.resources.dates import iso
from integrations.sync.typed import described_fields, stub_text
from integrations.tenants.models import App
from integrations.webhooks.models import Event, Mailbox
from tests.sync.conftest import LOCATION

CONTACT = {"id": "c1", "name": "Ann Before", "email": "ann@example.com", "tags": ["vip"]}
FOREIGN: dict[str, dict[str, Any]] = {
    "opportunities": {
        "contact": CONTACT,
        "relations": [{"associationId": "a", "recordId": "c1", "fullName": "Ann Before", "contactName": "Ann Before"}],
        "sort": [1, "o1"],
        "searchAfter": [1, "o1"],
    },
    "contacts": {"opportunities": [{"id": "o1", "status": "open"}], "searchAfter": [1, "c1"]},
}
OF_A_CONTACT = re.compile(r"contact(?!Ids?$)|contacts$|relations$|opportunities$|fullName$")
# Of the moment of a purchase or of an invoice, which a later change of the contact does not change.
SNAPSHOTS = {"contactSnapshot", "contactDetails"}
OWN = {"contactLimit"}  # of a plan of an agency
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def row(resource: str, **fields: Any) -> dict[str, Any]:
    return {"id": "r1", "name": "A roof", "updatedAt": iso(LONG_AGO), **fields}


def stored(resource: str) -> dict[str, Any]:
    return dict(Record.objects.get(resource=resource).payload)


def keep(app: App, resource: str, **fields: Any) -> Merged:
    return records.merge(app.pk, LOCATION, resource, [row(resource, **fields)], observed_at=clock.now())


@pytest.mark.parametrize("resource", FOREIGN)
def test_no_listing_brings_another_object(app: App, resource: str) -> None:
    keep(app, resource, contactId="c1", **FOREIGN[resource])
    assert stored(resource).keys() == {"id", "name", "updatedAt", "contactId"}


@pytest.mark.parametrize("resource", FOREIGN)
def test_its_change_is_no_change_of_the_row(app: App, resource: str) -> None:
    """The vendor has renamed the contact or won the opportunity; the row's own date stays."""
    keep(app, resource, **FOREIGN[resource])
    before = Record.objects.values_list("updated_at", "payload").get()
    renamed = {name: [{"id": "other", "fullName": "Ann After"}] for name in FOREIGN[resource]}
    found = keep(app, resource, **renamed)
    assert (found.inserted, found.updated, found.unchanged) == (0, 0, 1)
    assert Record.objects.values_list("updated_at", "payload").get() == before


@pytest.mark.parametrize(
    ("resource", "event_type"),
    [
        (name, event_type)
        for name in FOREIGN
        for event_type in sorted(RESOURCES[name].creates | RESOURCES[name].updates)
    ],
)
def test_no_event_brings_another_object(app: App, resource: str, event_type: str) -> None:
    Plan.objects.create(app=app, location_id=LOCATION, resource=resource, created_at=clock.now())
    now = clock.now()
    payload = {"type": event_type, "locationId": LOCATION, **row(resource, title=event_type), **FOREIGN[resource]}
    event = Event(
        app=app,
        mailbox=Mailbox(app=app, tenant=Tenant.location(LOCATION).mailbox_key),
        webhook_id="w1",
        type=event_type,
        payload=payload,
        occurred_at=now,
        received_at=now,
        due_at=now,
    )
    webhook_handlers.apply(event)
    assert stored(resource)["title"] == event_type
    assert not stored(resource).keys() & FOREIGN[resource].keys()


@pytest.mark.parametrize("resource", FOREIGN)
def test_no_answer_about_one_record_brings_another_object(app: App, resource: str) -> None:
    """A copy of a release that stored them, too: the next answer of the vendor's does not renew them."""
    keep(app, resource, title="before")
    mine = Record.objects.get()
    answer = row(resource, title="after", **FOREIGN[resource], updatedAt=iso(clock.now()))
    records.confirm(mine, answer, clock.now(), run_id=1)
    assert stored(resource)["title"] == "after"
    assert not stored(resource).keys() & FOREIGN[resource].keys()


def test_every_described_field_of_a_contact_is_left_out_or_marked() -> None:
    """In every resource, as the vendor's files describe it. A new one has to be looked at."""
    seen = set()
    for resource in ALL:
        fields = set(described_fields.of(resource))
        assert not fields & resource.noise, resource.name
        assert resource.copies <= fields, resource.name
        found = {name for name in fields if OF_A_CONTACT.match(name)} - SNAPSHOTS - OWN
        assert found <= resource.copies, resource.name
        seen |= {(resource.name, name) for name in resource.copies}
    assert ("conversations", "fullName") in seen
    assert ("orders", "contactName") in seen


def test_types_say_which_fields_are_copies() -> None:
    text = stub_text.FILE.read_text()
    [fields] = re.findall(r"class ConversationsFields.*?\n\n", text, re.DOTALL)
    marked = {line.partition(":")[0].strip() for line in fields.splitlines() if "another object's" in line}
    assert marked == RESOURCES["conversations"].copies
    [fields] = re.findall(r"class OpportunitiesFields.*?\n\n", text, re.DOTALL)
    assert not re.search(r"^ +(contact|relations|sort):", fields, re.MULTILINE)
    assert "contactId: str | None\n" in fields
