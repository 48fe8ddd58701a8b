"""The consent link of one installation: the page where this account, and no other, is asked to grant scopes again.

The link is signed and expires. It opens nothing: it names the account and begins the vendor's consent, which asks the
person for a login.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core import signing
from django.urls import reverse

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.tenants.models import Installation

LIFETIME = timedelta(days=7)
_SALT = "integrations.tokens.operators.consent_link"
_NEW_ONE = "ask the people who run this app for a new one"


@dataclass(frozen=True, slots=True)
class ConsentLink:
    """A link that was read: its installation, and when it was made and ends."""

    installation: Installation
    made_at: datetime
    expires_at: datetime


def path(row: Installation, *, now: datetime | None = None) -> str:
    """The link's path. It is valid for `LIFETIME`, and for this install only: not for a later one of the account."""
    made = int((now or clock.now()).timestamp())
    return reverse("install_again", args=[signing.dumps([row.pk, row.generation, made], salt=_SALT)])


def url(row: Installation) -> str:
    """The link as an absolute URL."""
    return settings.PUBLIC_URL + path(row)


def read(signed: str, *, now: datetime) -> ConsentLink:
    """Read a link. Raises BadRequest when it is forged, has expired, or its installation ended or began anew."""
    try:
        pk, generation, made = signing.loads(signed, salt=_SALT)
        made_at = datetime.fromtimestamp(made, tz=now.tzinfo)
    except (signing.BadSignature, ValueError, TypeError):
        raise BadRequest(f"this link was not made here, or is incomplete: {_NEW_ONE}") from None
    if now >= made_at + LIFETIME:
        raise BadRequest(f"this link has expired: {_NEW_ONE}")
    rows = Installation.objects.select_related("app", "company", "location").not_uninstalled()
    row = rows.filter(pk=pk, generation=generation).first()
    if row is None:
        raise BadRequest("the app is not installed there any more: install it again from the install page")
    return ConsentLink(row, made_at, made_at + LIFETIME)
