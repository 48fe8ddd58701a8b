"""MAC of an event: a worker handles only what this application received and verified.

::

    key    HMAC (`vault.row_macs`) over mailbox, webhook id, type and both moments: no two events have the same one
    mac    SHA-256 over key, app and SHA-256 of the payload, as PostgreSQL writes it

The payload is stored as `jsonb`, and only PostgreSQL knows what it makes of the vendor's JSON. So the statement that
stores the event computes the MAC, with the key of this one event. A worker computes it again, from the text that it
then parses. A canonical form of the JSON in Python would cost an accepting process a fifth more.

The key of an event is in no row. Where the server's log has the values of statements, it is there: it serves to write
another payload for this event, and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from integrations.core.errors import SealBroken
from integrations.vault import row_macs, signed_tables
from integrations.vault.signed_tables import SignedTable
from integrations.webhooks.models import Event

_WAITS = Q(status__in=(Event.Status.PENDING, Event.Status.POISONED))
# For the statement that stores an event: `payload` is the stored value.
IN_SQL = "sha256(%(mac_key)s::bytea || int8send(app.id) || sha256(convert_to(given.payload::text, 'UTF8')))"


def key(tenant: str, webhook_id: str, kind: str, occurred_at: datetime, received_at: datetime) -> bytes:
    """The key of one event. Raises SealBroken for a wrong or missing key of the vault.

    No text of PostgreSQL contains the character between the parts.
    """
    moments = [at.astimezone(UTC).isoformat() for at in (occurred_at, received_at)]
    return row_macs.mac("\0".join(("webhook", tenant, webhook_id, kind, *moments)).encode())


def fits(event: Event, tenant: str, text: str) -> bool:
    """Whether this application stored the event in this tenant's mailbox. `text`: the payload from PostgreSQL."""
    return row_macs.passes(event.mac, _mac(event, tenant, text))


def prove(event: Event) -> None:
    """Raise SealBroken unless the event was read from its mailbox and fits."""
    if not event.is_ours:
        raise SealBroken(f"this event was not received by this application: {row_macs.NOT_OURS}")


def sign(events: Iterable[Event]) -> None:
    """Sign these events as they are stored now."""
    for event in _with_text(Event.objects.filter(pk__in=[event.pk for event in events])):
        Event.objects.filter(pk=event.pk).update(mac=_mac(event, event.mailbox.tenant, _text(event)))


def register() -> None:
    """Register the table with `vault.signed_tables`. Called once at start-up."""
    signed_tables.register(SignedTable(Event, _unsettled_or_unsigned, _lacks, counted=_unsettled, loaded=_with_text))


def _unsettled() -> QuerySet[Any]:
    return Event.objects.filter(_WAITS)


def _unsettled_or_unsigned() -> QuerySet[Any]:
    """Those that wait, and those of the release before, which may be replayed."""
    return Event.objects.filter(_WAITS | Q(mac=None))


def _with_text(events: QuerySet[Event]) -> QuerySet[Any]:
    return events.select_related("mailbox").annotate(text=Cast("payload", TextField()))


def _text(event: Any) -> str:
    return str(event.text)


def _mac(event: Event, tenant: str, text: str) -> bytes:
    found = key(tenant, event.webhook_id, event.type, event.occurred_at, event.received_at)
    app = event.app_id.to_bytes(8, "big", signed=True)
    return hashlib.sha256(found + app + hashlib.sha256(text.encode()).digest()).digest()


def _lacks(row: Event) -> dict[str, Any]:
    return row_macs.other({"mac": row.mac}, {"mac": _mac(row, row.mailbox.tenant, _text(row))})
