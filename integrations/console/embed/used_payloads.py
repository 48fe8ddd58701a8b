"""Lets each payload of page SSO open one session only.

A payload has neither a date nor a nonce (FACTS 5), so a copy of it would open sessions until the shared secret changes.
Its salt is random and part of the key that encrypts it: it cannot be changed to keep a payload that decrypts. So the
salt is the nonce. It is remembered for REMEMBERED; the browser asks for a new payload whenever it needs a session.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from integrations.core.errors import SignatureInvalid
from integrations.core.sql import batched_deletion
from integrations.installs.models import UsedPayload
from integrations.tenants.models import App

REMEMBERED = timedelta(hours=24)
_AT_ONCE = 100  # old rows that one request deletes


def use(app: App, salt: bytes, now: datetime) -> None:
    """Use the payload with this salt up. Raises SignatureInvalid when it was used before. Of two at once, one wins."""
    old = UsedPayload.objects.filter(used_at__lt=now - REMEMBERED)
    batched_deletion.delete_batch(old, _AT_ONCE)  # waits for none of a request that waits for a row of its tenant
    try:
        with transaction.atomic():
            UsedPayload.objects.create(app=app, salt=salt, used_at=now)
    except IntegrityError:
        raise SignatureInvalid("this user data was used before: open the page again", app=app.client_id) from None
