"""Issues and consumes the OAuth `state` (RFC 6749 section 10.12): one use, ten minutes, one browser.

One conditional UPDATE consumes it, so of two callbacks with the same state exactly one succeeds. Only the browser that
it was issued to consumes it: another one that knows the state changes nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from integrations.core.errors import StateInvalid
from integrations.installs.models import InstallState
from integrations.tenants.models import App, Installation

LIFETIME = timedelta(minutes=10)
START_AGAIN = "start the installation again from the install page"


def issue(app: App, *, browser: str, claimant: str, now: datetime, installation: Installation | None = None) -> str:
    """A new state for this app and browser; `claimant` is the signed-in operator, or empty.

    `installation`: the one that a consent link asks for its scopes.
    """
    state = secrets.token_urlsafe(32)
    InstallState.objects.create(
        digest=_digest(state),
        browser=_digest(browser),
        app=app,
        claimant=claimant,
        installation=installation,
        created_at=now,
        expires_at=now + LIFETIME,
    )
    InstallState.objects.filter(expires_at__lt=now - timedelta(days=1)).delete()
    return state


def consume(state: str, *, browser: str, now: datetime) -> InstallState:
    """Use the state up. Raises StateInvalid: unknown, of another browser, used, or expired."""
    row = InstallState.objects.select_related("app", "installation__app").filter(digest=_digest(state)).first()
    if row is None:
        raise StateInvalid(f"this installation was not started here: {START_AGAIN}")
    if not browser or not secrets.compare_digest(bytes(row.browser), _digest(browser)):
        raise StateInvalid(f"the installation was started in another browser: {START_AGAIN}")
    if not InstallState.objects.filter(pk=row.pk, consumed_at__isnull=True).update(consumed_at=now):
        raise StateInvalid(
            f"this installation link was used before: if it succeeded nothing is left to do, otherwise {START_AGAIN}"
        )
    if row.expires_at < now:
        raise StateInvalid(f"the installation took longer than ten minutes: {START_AGAIN}")
    return row


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
