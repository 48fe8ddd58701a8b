"""Issues and consumes the OAuth `state` (RFC 6749 section 10.12): one use, ten minutes, one browser.

One conditional UPDATE consumes it, so of two callbacks with the same state exactly one succeeds. Only the browser that
it was issued to consumes it: another one that knows the state changes nothing. In a flood a state is signed instead of
stored, so that strangers can fill no table and close no door; its row is written when it comes back.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import datetime, timedelta

from django.core.signing import BadSignature

from integrations.core import signed as signatures
from integrations.core.errors import StateInvalid
from integrations.core.sql import batched_deletion
from integrations.installs.models import InstallState
from integrations.tenants.models import App, Installation

LIFETIME = timedelta(minutes=10)
_AT_ONCE = 100  # old states that one request deletes
START_AGAIN = "start the installation again from the install page"
_SALT = "installs.state"


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
    old = InstallState.objects.filter(expires_at__lt=now - timedelta(days=1))
    batched_deletion.delete_batch(old, _AT_ONCE)  # waits for none that another session has locked
    return state


def issue_signed(app: App, *, browser: str, installation: Installation | None = None) -> str:
    """A new state without a row, for a browser that nobody has signed in from."""
    bound = base64.b64encode(_digest(browser)).decode()
    value = [app.pk, installation.pk if installation else None, bound, secrets.token_urlsafe(12)]
    return signatures.dumps(value, salt=_SALT)


def began_here(state: str | None, *, browser: str, now: datetime) -> bool:
    """Whether `consume` would accept the state of this browser. Uses nothing up."""
    row = _found(state, now=now) if state and browser else None
    return row is not None and row.consumed_at is None and row.expires_at >= now and _is_bound(row, browser)


def consume(state: str, *, browser: str, now: datetime) -> InstallState:
    """Use the state up. Raises StateInvalid: unknown, of another browser, used, or expired."""
    row = _found(state, now=now)
    if row is None:
        raise StateInvalid(f"this installation was not started here: {START_AGAIN}")
    if not browser or not _is_bound(row, browser):
        raise StateInvalid(f"the installation was started in another browser: {START_AGAIN}")
    if row._state.adding:  # noqa: SLF001 - documented by Django
        InstallState.objects.bulk_create([row], ignore_conflicts=True)  # the same callback may come twice at once
    if not InstallState.objects.filter(digest=row.digest, consumed_at__isnull=True).update(consumed_at=now):
        raise StateInvalid(
            f"this installation link was used before: if it succeeded nothing is left to do, otherwise {START_AGAIN}"
        )
    if row.expires_at < now:
        raise StateInvalid(f"the installation took longer than ten minutes: {START_AGAIN}")
    return row


def _found(state: str, *, now: datetime) -> InstallState | None:
    """The row of a state; for a signed one that is new a row that is not stored. None for all others."""
    rows = InstallState.objects.select_related("app", "installation__app")
    return rows.filter(digest=_digest(state)).first() or _signed(state, now=now)


def _signed(state: str, *, now: datetime) -> InstallState | None:
    try:
        app, asked, bound, _ = signatures.loads(state, salt=_SALT, max_age=LIFETIME)
    except (BadSignature, ValueError, TypeError):
        return None
    of = App.objects.filter(pk=app).first()
    row = Installation.objects.select_related("app").filter(pk=asked).first()
    if of is None or (row is None and asked is not None):
        return None  # deleted since
    return InstallState(
        digest=_digest(state),
        browser=base64.b64decode(bound),
        app=of,
        installation=row,
        created_at=now,
        expires_at=now + LIFETIME,
    )


def _is_bound(row: InstallState, browser: str) -> bool:
    return secrets.compare_digest(bytes(row.browser), _digest(browser))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
