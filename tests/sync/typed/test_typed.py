"""Typed queries on the synced copy: what they find, what they cost, and that each goes by its index."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from hlapp.api import records
from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.tenant import Tenant
from integrations.sync import records as copy
from integrations.sync.resources import RESOURCES, Change, searchable
from integrations.sync.typed import described_fields, record_selection, stub_text
from integrations.tenants.models import App
from tests.sync.conftest import LOCATION

HERE = Tenant.location(LOCATION)
FILL = """
INSERT INTO sync_record (app_id, location_id, resource, record_id, payload, version_at, updated_at)
SELECT %s, %s, resource, resource || n, jsonb_build_object('email', n || '@example.com', 'phone', '+1' || n,
    'contactId', 'c' || n, 'orderId', 'o' || n, 'tags', jsonb_build_array('t' || n)), now(), now() - n * interval '1h'
FROM generate_series(1, 2000) n, unnest(ARRAY['contacts', 'notes', 'order_fulfillments']) resource
"""


def keep(app: App, *rows: dict[str, Any], resource: str = "contacts", location: str = LOCATION) -> None:
    copy.merge(app.pk, location, resource, rows)


def contact(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"c{number}", "dateAdded": f"2026-01-0{number}T00:00:00.000Z", **fields}


def ids(found: Any) -> list[str]:
    return [row.id for row in found]


def fill(app: App) -> None:
    """Records of which each search finds few, and what the planner knows of them."""
    with connection.cursor() as cursor:
        cursor.execute(FILL, [app.pk, LOCATION])
        cursor.execute("ANALYZE sync_record")


def test_a_selection_finds_what_it_says(app: App) -> None:
    keep(
        app,
        contact(1, email="Ann@Example.com", phone="+15550001", tags=["vip", "lead"]),
        contact(2, email="bob@example.com", phone="+15550002", tags=["lead"]),
        contact(3, email=None, tags="no list", phone={"odd": 1}),
        {"id": "undated"},
    )
    keep(app, contact(4, email="ann@example.com", tags=["vip"]), location="another location")
    keep(app, {"id": "n1", "contactId": "c1"}, {"id": "n2", "contactId": "c2"}, resource="notes")
    mine = records.contacts.for_tenant(HERE, app)
    assert ids(mine.newest(25)) == ["c3", "c2", "c1", "undated"]
    assert ids(mine.newest(1)) == ["c3"]
    assert ids(mine.by_email("ANN@example.COM")) == ["c1"]
    assert ids(mine.by_phone("+15550002")) == ["c2"]
    assert ids(mine.tagged("vip").newest(5)) == ["c1"]
    assert ids(mine.tagged("lead").by_email("bob@example.com")) == ["c2"]
    assert ids(records.notes.for_tenant(HERE, app).of_contact("c2")) == ["n2"]
    assert mine.count() == 4
    assert mine.changed_since(clock.now() + timedelta(minutes=1)).count() == 0
    assert mine.changed_since(clock.now() - timedelta(minutes=1)).count() == 4
    copy.apply(app.pk, LOCATION, "contacts", Change("c1", {}, clock.now(), Change.Kind.DELETED))
    assert mine.by_email("ann@example.com").newest(5) == []
    assert mine.get("c1") is None
    assert (found := mine.get("c2")) is not None
    assert found.fields["email"] == "bob@example.com"
    assert records(app, LOCATION, "contacts").count() == 3


def test_the_newest_with_a_frequent_tag_are_read_in_order(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_selection, "_FREQUENT", 2)
    keep(app, *(contact(number, tags=["lead", *["odd"] * (number % 2)]) for number in range(1, 10)))
    odd = records.contacts.for_tenant(HERE, app).tagged("odd")
    assert ids(odd.newest(3)) == ["c9", "c7", "c5"]
    assert "raw" in type(odd.newest_rows(3)).__name__.lower()
    assert ids(odd.changed_since(clock.now() - timedelta(hours=1)).newest(9)) == ["c9", "c7", "c5", "c3", "c1"]


def test_each_search_goes_by_its_index(app: App) -> None:
    fill(app)
    mine, notes = records.contacts.for_tenant(HERE, app), records.notes.for_tenant(HERE, app)
    orders = records.order_fulfillments.for_tenant(HERE, app).rows()
    plans = {
        "record_newest": mine.rows().order_by(*searchable.NEWEST_FIRST)[:25],
        "record_by_email": mine.by_email("7@EXAMPLE.com").rows(),
        "record_by_phone": mine.by_phone("+17").rows(),
        "record_by_tag": mine.tagged("t7").rows(),
        "record_by_contact": notes.of_contact("c7").rows(),
        "record_by_parent": orders.filter(searchable.below("orderId", ["o7", "o8"])),
        "record_changed": mine.changed_since(clock.now() - timedelta(hours=5)).rows(),
    }
    assert {name: name in rows.explain() for name, rows in plans.items()} == dict.fromkeys(plans, True)
    assert [len(rows) for rows in plans.values()] == [25, 1, 1, 1, 1, 2, 4]


def test_texts_of_any_length_are_stored_and_found(app: App) -> None:
    """An index entry has at most 2,704 bytes, compressed."""
    letters = random.Random(1)
    long = "".join(chr(letters.randrange(0x4E00, 0x9F00)) for _ in range(9_000))
    keep(
        app,
        contact(1, email=long, phone=long, firstName=long, tags=[long], dateAdded=long, contactId=long, orderId=long),
    )
    mine = records.contacts.for_tenant(HERE, app)
    found = [mine.by_email(long), mine.by_phone(long), mine.tagged(long), mine.of_contact(long)]
    assert [ids(one) for one in found] == [["c1"]] * 4
    assert mine.newest(1)[0].fields["phone"] == long


def test_custom_fields_have_their_names(app: App) -> None:
    keep(app, {"id": "f1", "name": "Birthday plan"}, resource="custom_fields")
    keep(app, contact(1, customFields=[{"id": "f1", "value": "cake"}, {"id": "f2", "fieldValueString": "x"}, "odd"]))
    keep(app, contact(2, customField=[{"id": "f1", "value": 3}]), contact(3, customFields=None))
    rows = {row.id: row.custom for row in records.contacts.for_tenant(HERE, app)}
    assert rows == {"c1": {"Birthday plan": "cake", "f2": "x"}, "c2": {"Birthday plan": 3}, "c3": {}}


def test_what_cannot_be_selected_says_why(app: App) -> None:
    with pytest.raises(BadRequest, match="for_tenant"):
        records.contacts.newest(1)
    with pytest.raises(BadRequest, match="one of its locations"):
        records.contacts.for_tenant(Tenant.company("agency"), app)
    with pytest.raises(AttributeError, match="sync resources"):
        _ = records.no_such_resource


def test_the_stub_is_that_of_the_catalogue() -> None:
    assert stub_text.FILE.read_text() == stub_text.text(), "run `manage.py records stub`"
    contacts = described_fields.of(RESOURCES["contacts"])
    assert (contacts["email"], contacts["tags"], contacts["dnd"]) == ("string", "string[]", "boolean")
    assert "opportunities" not in contacts, "a field that is not stored"
    described = [name for name, resource in RESOURCES.items() if described_fields.of(resource)]
    assert len(described) > 60
