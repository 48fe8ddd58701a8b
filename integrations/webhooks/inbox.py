"""Receives a webhook: verifies the signature, parses the body and stores the event once, before the view answers.

One SQL statement does everything and is its own transaction. It commits before the caller answers 200, and a duplicate
costs two index look-ups and writes nothing. The statement also finds the app and makes the mailbox due; separate
queries for both would cost as much again as the event itself. The mailbox's row lock protects the new due time from a
worker that just finishes the mailbox (`mailbox._release` takes the same lock before it looks for more). The fixed order
of locks, mailbox before event, keeps simultaneous copies of one event from deadlocking.

The vendor signs the events of all apps with one key, so a valid signature does not prove that an event is for our app.
An event is ours only if the app it names is, and that app is the one the URL belongs to.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import DataError, Error, connection

from integrations.core import clock
from integrations.core.errors import BadRequest, PayloadAnomalous, StoreUnavailable
from integrations.highlevel.signatures import WebhookKeys, load_keys, verify_webhook
from integrations.tenants import marketplace
from integrations.webhooks import envelope
from integrations.webhooks.envelope import Envelope

COME_BACK = 30.0  # seconds; the Retry-After for the vendor while the store is away

# It finds the same app as `_addressee`: by app id, then by client id, without a name the one of the settings.
_STORE = """
WITH app AS (
    SELECT id FROM tenants_app
    WHERE %(name)s IN ('', highlevel_id, client_id) AND %(named)s IN ('', highlevel_id, client_id)
    ORDER BY highlevel_id = %(name)s DESC, client_id = %(default)s DESC, id
    LIMIT 1
), box AS (
    INSERT INTO webhooks_mailbox AS box (app_id, tenant, due_at, lease_owner)
    SELECT app.id, %(tenant)s, %(now)s, '' FROM app
    WHERE NOT EXISTS (SELECT FROM webhooks_event WHERE app_id = app.id AND webhook_id = %(webhook_id)s)
    ON CONFLICT (app_id, tenant) DO UPDATE SET due_at = COALESCE(box.due_at, EXCLUDED.due_at)
    RETURNING id, app_id, due_at
), event AS (
    INSERT INTO webhooks_event (app_id, mailbox_id, webhook_id, type, occurred_at, received_at, payload,
                                status, attempts, due_at, error_code, error)
    SELECT box.app_id, box.id, %(webhook_id)s, %(type)s, %(occurred_at)s, %(now)s, %(payload)s::jsonb,
           'pending', 0, %(now)s, '', ''
    FROM box
    ON CONFLICT (app_id, webhook_id) DO NOTHING
    RETURNING mailbox_id
)
SELECT app.id, event.mailbox_id FROM app LEFT JOIN box ON TRUE LEFT JOIN event ON TRUE
"""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A stored webhook: its app and its mailbox. `mailbox_id` is None for a duplicate."""

    app_id: int
    mailbox_id: int | None


def accept(app_name: str | None, raw: bytes, headers: Mapping[str, str]) -> Receipt:
    """Store one webhook, unless it is stored already. Committed when this returns.

    `app_name` is the URL's part, an app id or client id; without it the event's own `appId` decides. Raises
    SignatureInvalid, PayloadAnomalous, and StoreUnavailable when the event could not be stored.
    """
    keys = _keys(tuple(settings.HIGHLEVEL_WEBHOOK_KEYS), settings.HIGHLEVEL_LEGACY_WEBHOOKS)
    verify_webhook(raw, headers, keys)
    now = clock.now()
    letter = envelope.read(raw, now)
    try:
        # No app in the first round: either none exists, or this process has yet to create the one of the settings.
        receipt = _store(app_name, letter, now) or _store(_addressee(app_name, letter), letter, now)
    except DataError as error:
        raise PayloadAnomalous("the webhook holds what a database cannot", type=letter.type) from error
    except Error as error:
        # Whatever the database's reason is (away, full, read-only after a failover), the vendor shall send it again.
        raise StoreUnavailable(
            "the event could not be stored", retry_after=COME_BACK, reason=type(error).__name__
        ) from error
    if receipt is None:
        raise StoreUnavailable("the app has just been removed", retry_after=COME_BACK)
    return receipt


@functools.lru_cache(maxsize=2)
def _keys(pems: tuple[str, ...], legacy: bool) -> WebhookKeys:
    """The parsed keys, cached per process and settings: parsing an RSA key costs more than the whole request."""
    return load_keys(pems, legacy)


def _addressee(app_name: str | None, letter: Envelope) -> str:
    """The client id of the app that the webhook is for. Raises PayloadAnomalous with the reason when it is not ours."""
    try:
        app = marketplace.find(app_name or letter.app_id or None)
    except BadRequest as error:
        raise PayloadAnomalous("the webhook is for an app that is not here", app=app_name or letter.app_id) from error
    if letter.app_id and letter.app_id not in (app.highlevel_id, app.client_id):
        raise PayloadAnomalous("the webhook is for another app than its URL", app=app_name, named=letter.app_id)
    return app.client_id


def _store(app_name: str | None, letter: Envelope, now: datetime) -> Receipt | None:
    """Insert the event and make its mailbox due. None when the app does not exist."""
    with connection.cursor() as cursor:
        cursor.execute(
            _STORE,
            {
                "name": app_name or letter.app_id,
                "named": letter.app_id,
                "default": settings.HIGHLEVEL_CLIENT_ID,
                "tenant": letter.tenant,
                "webhook_id": letter.webhook_id,
                "type": letter.type,
                "occurred_at": letter.occurred_at,
                "now": now,
                "payload": letter.text,
            },
        )
        row = cursor.fetchone()
    if row is None:
        return None
    return Receipt(*row)
