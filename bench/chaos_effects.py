"""Handler for `bench.chaos_webhooks`: one row per effect of an event, committed with the event's own mark."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from integrations.webhooks import handlers
from integrations.webhooks.models import Event

TYPES = ("ContactCreate", "ContactUpdate", "ContactDelete")
TABLE = "CREATE TABLE chaos_effect (event_id bigint NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp())"
_INSERT = "INSERT INTO chaos_effect (event_id) VALUES (%s)"


def note(event: Event) -> None:
    """Count one effect of the event."""
    note_all([event])


def note_all(events: Sequence[Event]) -> None:
    """Count one effect of each event."""
    with connection.cursor() as cursor:
        cursor.executemany(_INSERT, [[event.pk] for event in events])


for event_type in TYPES:
    handlers.on(event_type, note, batch=note_all)
