"""Handler for `bench.chaos_webhooks`: one row per effect of an event, committed with the event's own mark."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from integrations.webhooks import handlers
from integrations.webhooks.models import Event

TYPES = ("ContactCreate", "ContactUpdate", "ContactDelete")
# When an event was stored: later than it was received, if the web had to wait for the database. `began`: when the
# transaction of the effect did, just after its worker had read the batch.
TABLES = """
CREATE TABLE chaos_effect (
    event_id bigint NOT NULL,
    began timestamptz NOT NULL DEFAULT now(),
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE chaos_stored (event_id bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE FUNCTION chaos_note_stored() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO chaos_stored (event_id) VALUES (NEW.id); RETURN NULL; END';
CREATE TRIGGER chaos_stored AFTER INSERT ON webhooks_event FOR EACH ROW EXECUTE FUNCTION chaos_note_stored();
"""
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
