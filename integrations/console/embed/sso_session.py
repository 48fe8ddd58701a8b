"""Page SSO: authenticates the user of the page inside HighLevel, and issues a short-lived signed ticket.

The proof is the encrypted user data that the parent frame hands to our page. It is neither signed nor dated (FACTS 5).
So the ids in it must also fit an installation of ours (the location must belong to the user's company), and it opens
one session only (`used_payloads`). The user then gets a ticket, signed and timestamped by Django, which the page's
script keeps in memory and sends as a bearer token.

It is no cookie. Browsers block or partition third-party cookies in frames. A reload asks the parent frame again anyway.
And a token that the browser does not send by itself leaves no room for CSRF.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta

from django.core.signing import BadSignature, SignatureExpired

from integrations.console.embed import used_payloads
from integrations.core import clock, signed
from integrations.core.errors import InstallGone, InstallPending, SignatureInvalid
from integrations.core.tenant import Tenant, UserType
from integrations.highlevel import sso
from integrations.highlevel.sso import SsoUser
from integrations.tenants import marketplace
from integrations.tenants.models import App, Installation

TICKET_LIFE = timedelta(minutes=15)
_SALT = "integrations.console.embed.sso_session"


@dataclass(frozen=True, slots=True)
class EmbeddedUser:
    """An authenticated user of one tenant: of a location, or of a whole company when `location_id` is empty."""

    app_id: int
    company_id: str
    location_id: str
    user_id: str
    is_admin: bool
    is_agency: bool

    @property
    def tenant(self) -> Tenant:
        """The location that the user is in, else the company."""
        return Tenant.location(self.location_id) if self.location_id else Tenant.company(self.company_id)


def authenticate(app: App, payload: str) -> EmbeddedUser:
    """Decrypt `payload`, check its user against the installations of `app`, and use the payload up.

    Raises SignatureInvalid (the payload does not decrypt or was used, the company or the type of user does not fit),
    InstallGone (the app is not installed there), and InstallPending while the company of the location is unknown.
    """
    secret = marketplace.shared_secret(app)
    if secret is None:
        raise SignatureInvalid("this app has no shared secret, so it cannot verify any user", app=app.client_id)
    user = sso.decrypt(payload, secret)
    if user.active_location:
        _check_location(app, user, user.active_location)
    else:
        _check_company(app, user)
    used_payloads.use(app, sso.salt_of(payload), clock.now())
    return EmbeddedUser(
        app_id=app.pk,
        company_id=user.company_id,
        location_id=user.active_location or "",
        user_id=user.user_id,
        is_admin=user.role == "admin",
        is_agency=user.type == "agency",
    )


def issue_ticket(user: EmbeddedUser) -> str:
    """A bearer token for `user` that expires after TICKET_LIFE."""
    return signed.dumps(asdict(user), salt=_SALT)


def read_ticket(ticket: str) -> EmbeddedUser:
    """The user of a ticket. Raises SignatureInvalid when the ticket is forged, malformed or expired."""
    try:
        return EmbeddedUser(**signed.loads(ticket, salt=_SALT, max_age=TICKET_LIFE))
    except SignatureExpired:
        raise SignatureInvalid("the ticket has expired") from None
    except (BadSignature, ValueError):  # ValueError: signed with our key, but without a timestamp
        raise SignatureInvalid("the ticket was not issued here") from None


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
        raise SignatureInvalid("a user of type location came without a location", company=user.company_id)
    installed = Installation.objects.installed().filter(app=app, company_id=user.company_id)
    if not installed.exists():
        raise InstallGone("the app is not installed in this company", company=user.company_id)


def _company_of(installation: Installation) -> str:
    location = installation.location
    return installation.company_id or (location.company_id if location else None) or ""
