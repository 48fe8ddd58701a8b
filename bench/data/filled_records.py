"""A synced copy of many contacts, for benchmarks: about 1.2 kB each, over 20 locations, and a note for one in ten."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from integrations.sync.resources.dates import iso
from integrations.tenants.models import App

LOCATIONS = 20
NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
TEXT = [{"id": f"field{n:015}", "value": "some text of a form"} for n in range(15)]
COPY = """COPY sync_record (app_id, location_id, resource, record_id, payload, version_at, updated_at) FROM STDIN"""


def an_app() -> App:
    """The app of the records."""
    return App.objects.create(
        name="bench", client_id="bench", highlevel_id="bench", client_secret_sealed=b"", created_at=NOON
    )


def contact(number: int) -> tuple[str, dict[str, Any]]:
    """A contact and its location. One in 3 is tagged `customer`, one in 1,000 `vip`."""
    at = iso(NOON + timedelta(seconds=number))
    tags = ["lead", *["customer"] * (number % 3 == 0), *["vip"] * (number % 1000 == 7)]
    row = {
        "id": f"ocQHyuzHvysMo5{number:08}",
        "firstName": "John",
        "lastName": f"Deo {number}",
        "email": f"John.Deo.{number}@example.com",
        "phone": f"+1{number:010}",
        "address1": "3535 1st St N",
        "tags": tags,
        "customFields": TEXT,
        "dateAdded": at,
        "dateUpdated": at,
    }
    return f"location{number % LOCATIONS:012}", row


def _rows(app: App, count: int) -> Iterator[tuple[Any, ...]]:
    """The rows of the table: a contact, and one in ten has a note."""
    for number in range(count):
        place, row = contact(number)
        at = NOON + timedelta(seconds=number)
        yield app.pk, place, "contacts", row["id"], json.dumps(row), at, at
        if number % 10 == 0:
            note = {"id": f"note{number:016}", "contactId": row["id"], "body": "called back", "dateAdded": iso(at)}
            yield app.pk, place, "notes", note["id"], json.dumps(note), at, at


def fill(app: App, contacts: int) -> float:
    """COPY so many contacts into the table, with their notes; records per second."""
    started, count = time.perf_counter(), 0
    with connection.cursor() as cursor:
        with cursor.copy(COPY) as stream:
            for row in _rows(app, contacts):
                stream.write_row(row)
                count += 1
        took = time.perf_counter() - started
        cursor.execute("VACUUM ANALYZE sync_record")
    return count / took
