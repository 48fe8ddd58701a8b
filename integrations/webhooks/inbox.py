"""Receives a webhook: verifies the signature, parses the body and stores the event once, before the view answers.

One SQL statement does everything and is its own transaction. It commits before the caller answers 200, and a duplicate
writes nothing. The statement also finds the app and makes the mailbox due; separate queries for both would cost as much
again as the event itself.

Deliveries of one mailbox do not wait for each other, nor for the worker that drains it: each locks the mailbox's row
FOR KEY SHARE only, which an UPDATE of the row allows. A worker that finds nothing more to do locks the row FOR UPDATE
before it writes that the mailbox is not due (`lease.release`). So either it sees the event, or the delivery sees the
mailbox as not due and makes it due. What decides is the row as it is when it is locked (`known`). The UPDATE must not
compare `due_at` again: PostgreSQL would compare the row as it was when the statement began, and a mailbox that a worker
released in between would stay not due.

That lock is held for milliseconds, so a delivery tries again for up to `MAILBOX_WAIT_SECONDS`. When the wait for this
lock, or for the database, times out, further deliveries are refused at once for a while (`webhooks.breaker`).

The vendor signs the events of all apps with one key, so a valid signature does not prove that an event is for an app of
ours. The app that the event names decides; without a name, the app that the URL names; without both, the app of the
settings. A signed event for an app that is not here is answered 200 all the same and not stored: the vendor judges a
URL by its share of 2xx responses, and pauses all its events (FACTS 3.2).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DataError, Error, InterfaceError, OperationalError, connection
from psycopg.errors import LockNotAvailable

from integrations.core import clock, prepared
from integrations.core.errors import BadRequest, PayloadAnomalous, SealBroken, StoreUnavailable
from integrations.core.observing import log_scope, spans
from integrations.highlevel.signatures import WebhookKeys, load_keys, verify_webhook
from integrations.tenants import marketplace
from integrations.webhooks import envelope, event_mac, events_without_id
from integrations.webhooks.breaker import Breaker
from integrations.webhooks.envelope import Envelope
from integrations.webhooks.module_deliveries import Module

RETRY_AFTER_SECONDS = 30.0  # seconds; the Retry-After for the vendor while the store is unavailable
_FIRST_PAUSE = 0.005
MAILBOX_WAIT_SECONDS = 0.5  # seconds that a delivery waits for a worker that releases its mailbox
STORE = "store"  # the breaker's key of the database as a whole

# It finds the same app as `_find_app`: by app id, then by client id, without a name the one of the settings.
_STORE = f"""
WITH given AS MATERIALIZED (SELECT %(payload)s::jsonb AS payload), app AS (
    SELECT id FROM tenants_app
    WHERE %(name)s::text IN ('', highlevel_id, client_id)
    ORDER BY highlevel_id = %(name)s::text DESC, client_id = %(default)s::text DESC, id
    LIMIT 1
), known AS (
    SELECT id, due_at FROM webhooks_mailbox
    WHERE app_id = (SELECT id FROM app) AND tenant = %(tenant)s::text
    FOR KEY SHARE NOWAIT
), created AS (
    INSERT INTO webhooks_mailbox AS mailbox (app_id, tenant, due_at, lease_owner)
    SELECT app.id, %(tenant)s::text, %(now)s::timestamptz, '' FROM app WHERE NOT EXISTS (SELECT FROM known)
    ON CONFLICT (app_id, tenant) DO UPDATE SET due_at = COALESCE(mailbox.due_at, EXCLUDED.due_at)
    RETURNING id, due_at
), event AS (
    INSERT INTO webhooks_event (app_id, mailbox_id, webhook_id, type, occurred_at, received_at, payload,
                                status, attempts, due_at, error_code, error, trace_parent, mac)
    SELECT app.id, mailbox.id, %(webhook_id)s::text, %(type)s::text, %(occurred_at)s::timestamptz,
           %(now)s::timestamptz, given.payload, 'pending', 0, %(now)s::timestamptz, '', '', %(trace_parent)s::text,
           {event_mac.IN_SQL}
    FROM app, given, (SELECT id FROM known UNION ALL SELECT id FROM created) mailbox
    ON CONFLICT (app_id, webhook_id) DO NOTHING
    RETURNING mailbox_id
), woken AS (
    UPDATE webhooks_mailbox SET due_at = COALESCE(webhooks_mailbox.due_at, %(now)s::timestamptz) FROM known, event
    WHERE webhooks_mailbox.id = event.mailbox_id AND known.due_at IS NULL
)
SELECT app.id, event.mailbox_id FROM app LEFT JOIN event ON TRUE
"""  # noqa: S608 - an expression of ours


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a webhook: its app and its mailbox.

    `mailbox_id` is None for a duplicate. Both are None for an event of an app that is not here.
    """

    app_id: int | None
    mailbox_id: int | None


NO_SUCH_APP = Receipt(None, None)
breaker = Breaker()
os.register_at_fork(after_in_child=breaker.reset)  # a child has connections of its own


def accept(app_name: str | None, raw: bytes, headers: Mapping[str, str], module: Module | None = None) -> Receipt:
    """Verify the signature of one webhook and store it, as `store`. Raises SignatureInvalid, and what `store` raises.

    `app_name` is the URL's part, an app id or client id; it counts when the event names no app.
    """
    keys = _keys(tuple(settings.HIGHLEVEL_WEBHOOK_KEYS), settings.HIGHLEVEL_LEGACY_WEBHOOKS)
    verify_webhook(raw, headers, keys)
    return store(app_name, raw, module)


def store(app_name: str | None, raw: bytes, module: Module | None = None) -> Receipt:
    """Store one verified webhook, unless it is stored already. Committed when this returns.

    The URL of a `module` that needs a key names the app, whatever the payload says: an app's key opens its own modules
    only. Raises PayloadAnomalous, and StoreUnavailable when the event could not be stored.
    """
    now = clock.now()
    event = envelope.read(raw, now, module)
    ids = {"tenant": event.tenant, "webhook_id": event.webhook_id}
    log_scope.note(**ids)
    spans.note("POST /webhooks", type=event.type, **ids)
    name = event.app_id or app_name or ""
    mailbox = (name, event.tenant)
    if not (breaker.admits(mailbox) and breaker.admits(STORE)):
        raise StoreUnavailable("the store did not answer a moment ago", retry_after=RETRY_AFTER_SECONDS)
    started = clock.monotonic()
    try:
        receipt = _store_once(name, events_without_id.identify(event, now), now)
    except DataError as error:
        raise PayloadAnomalous(
            "the webhook contains characters that PostgreSQL cannot store", type=event.type
        ) from error
    except Error as error:
        # Whatever the database's reason is (away, full, read-only after a failover), the vendor shall send it again.
        breaker.failed(mailbox if _is_locked(error) else STORE, clock.monotonic() - started)
        raise StoreUnavailable(
            "the event could not be stored",
            retry_after=RETRY_AFTER_SECONDS,
            reason=type(error.__cause__ or error).__name__,
        ) from error
    breaker.answered(STORE)
    breaker.answered(mailbox)
    return receipt


def _store_once(name: str, event: Envelope, now: datetime) -> Receipt:
    """Store the event; create the app of the settings first if this process has yet to do it."""
    receipt = _store(name, event, now)
    if receipt is None:
        found = _find_app(name)
        receipt = NO_SUCH_APP if found is None else _store(found, event, now)
    if receipt is None:
        raise StoreUnavailable("the app has just been removed", retry_after=RETRY_AFTER_SECONDS)
    return receipt


def _is_locked(error: Error) -> bool:
    """Whether another session holds the mailbox's row, which concerns no other mailbox."""
    return isinstance(error.__cause__, LockNotAvailable)


@functools.lru_cache(maxsize=2)
def _keys(pems: tuple[str, ...], legacy: bool) -> WebhookKeys:
    """The parsed keys, cached per process and settings: parsing an RSA key costs more than the whole request."""
    return load_keys(pems, legacy)


def _find_app(name: str) -> str | None:
    """The client id of the app of this name; None when it is not here."""
    try:
        return marketplace.find(name or None).client_id
    except BadRequest:
        return None


def _store(name: str, event: Envelope, now: datetime) -> Receipt | None:
    """Insert the event and make its mailbox due. None when the app does not exist.

    A broken connection is replaced once, and a locked mailbox is tried again: however often the statement runs, it
    stores the event once.
    """
    values = {
        "name": name,
        "default": settings.HIGHLEVEL_CLIENT_ID,
        "tenant": event.tenant,
        "webhook_id": event.webhook_id,
        "type": event.type,
        "occurred_at": event.occurred_at,
        "now": now,
        "payload": event.text,
        "trace_parent": spans.parent(),
        "mac_key": _mac_key(event, now),
    }
    deadline, pause = clock.monotonic() + MAILBOX_WAIT_SECONDS, _FIRST_PAUSE
    replaced = False
    while True:
        try:
            row = _run(values)
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block or clock.monotonic() >= deadline:
                raise
            if _is_locked(error):
                clock.sleep(pause)
                pause *= 2
            elif not replaced and connection.connection is not None and connection.connection.closed:
                connection.close()
                replaced = True
            else:
                raise
        else:
            return None if row is None else Receipt(*row)


def _mac_key(event: Envelope, now: datetime) -> bytes:
    try:
        return event_mac.key(event.tenant, event.webhook_id, event.type, event.occurred_at, now)
    except SealBroken as error:
        raise StoreUnavailable("the vault has another key", retry_after=RETRY_AFTER_SECONDS) from error


def _run(values: dict[str, Any]) -> tuple[int, int | None] | None:
    with prepared.cursor() as cursor:
        cursor.execute(_STORE, values)
        row: tuple[int, int | None] | None = cursor.fetchone()
    return row
