"""Who looks at the page inside the agency's iframe, and the short-lived ticket that says so.

The proof is the encrypted user data of the parent frame. It is neither signed nor dated (FACTS 5), so the ids in it
must also fit an installation of ours: the location has to belong to the company the user comes from. What a visitor
gets is a signed ticket of a quarter of an hour, held by the page's script and sent as a bearer token. Not a cookie:
browsers block third-party cookies in frames or partition them in their own ways, a reload asks the parent frame
again anyway, and without a cookie nobody can make the browser send it (no CSRF).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.core.signing import BadSignature, Signer

from integrations.core.errors import InstallGone, InstallPending, SignatureInvalid
from integrations.highlevel import sso
from integrations.highlevel.sso import SsoUser
from integrations.tenants import marketplace
from integrations.tenants.models import App, Installation, UserType

TICKET_LIFE = timedelta(minutes=15)
_SALT = "integrations.console.embed.sso_session"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A verified user of one place: of a location, or of a whole company when `location_id` is empty."""

    app_id: int
    company_id: str
    location_id: str
    user_id: str
    is_admin: bool
    is_agency: bool


def admit(app: App, payload: str) -> Visitor:
    """The user in `payload`, checked against the installations of `app`.

    Raises SignatureInvalid (payload, company or kind of user do not fit), InstallGone (not installed there), and
    InstallPending while it is not known yet which company the location belongs to.
    """
    secret = marketplace.shared_secret(app)
    if secret is None:
        raise SignatureInvalid("this app has no shared secret, so nobody can be recognised", app=app.client_id)
    user = sso.decrypt(payload, secret)
    if user.active_location:
        _check_location(app, user, user.active_location)
    else:
        _check_company(app, user)
    return Visitor(
        app_id=app.pk,
        company_id=user.company_id,
        location_id=user.active_location or "",
        user_id=user.user_id,
        is_admin=user.role == "admin",
        is_agency=user.type == "agency",
    )


def ticket(visitor: Visitor, now: datetime) -> str:
    """A bearer token for `visitor`, good for TICKET_LIFE from `now`."""
    until = int((now + TICKET_LIFE).timestamp())
    return Signer(salt=_SALT).sign_object({**asdict(visitor), "until": until})


def read(text: str, now: datetime) -> Visitor:
    """The visitor of a ticket. Raises SignatureInvalid when it is not ours or has run out."""
    try:
        fields = Signer(salt=_SALT).unsign_object(text)
    except (BadSignature, ValueError):
        raise SignatureInvalid("the ticket is not one of ours") from None
    if fields.pop("until") < now.timestamp():
        raise SignatureInvalid("the ticket has run out")
    return Visitor(**fields)


def _check_location(app: App, user: SsoUser, location_id: str) -> None:
    found = Installation.objects.select_related("location").filter(
        app=app, user_type=UserType.LOCATION, resource_id=location_id
    )
    installation = found.first()
    if installation is None or not installation.is_installed:
        raise InstallGone("the app is not installed on this location", location=location_id)
    company_id = _company_of(installation)
    if not company_id:
        raise InstallPending("the company of this location is not known yet", location=location_id)
    if company_id != user.company_id:
        raise SignatureInvalid("the user's company is not the location's", location=location_id)


def _check_company(app: App, user: SsoUser) -> None:
    if user.type != "agency":
        raise SignatureInvalid("a location's user came without a location", company=user.company_id)
    installed = Installation.objects.filter(app=app, company_id=user.company_id, status=Installation.Status.INSTALLED)
    if not installed.exists():
        raise InstallGone("the app is not installed in this company", company=user.company_id)


def _company_of(installation: Installation) -> str:
    location = installation.location
    return installation.company_id or (location.company_id if location else None) or ""
