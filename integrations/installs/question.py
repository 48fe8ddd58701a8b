"""Asks the vendor whether the app is installed on one location: one call, and what follows from the answer.

Two sources answer. The list of the location's company, asked for this location alone, is the better one. A location
that is missing there may have moved, so the lists of other companies are asked before it ends. The location's own
access token is the other source: a live one names the location's company, which shows a transfer, and a token that the
vendor refuses before it expires was revoked. A refused refresh token alone proves nothing: the grant may be lost here
while the app is installed (after a restored backup all are), and then the location waits for a reconnect.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus

from integrations.core import clock
from integrations.core.errors import GrantRevoked, LocationInactive, RequestRejected, ScopeMissing
from integrations.core.tenant import UserType
from integrations.installs import register, vendor_list
from integrations.installs.register import Doubt
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import Installation
from integrations.tokens import seals, store
from integrations.tokens.access import probe
from integrations.tokens.models import Credential, CredentialKey
from integrations.tokens.refresh.claim_call_swap import refresh


class InstallStatus(Enum):
    """What the vendor's answers mean."""

    INSTALLED = "installed"
    GONE = "gone"
    MOVED = "moved to another company"
    CONTRADICTED = "missing from the list, while its token works"
    UNKNOWN = "neither source answered"


@dataclass(frozen=True, slots=True)
class LocationAnswer:
    """A verdict, for MOVED the new company, and the location's name if the vendor named it."""

    verdict: InstallStatus
    company_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class TokenState:
    """What the location's own token says. `alive` is None when it has none, or only an expired one."""

    alive: bool | None
    company_id: str = ""
    name: str = ""


def ask(row: Installation) -> LocationAnswer:
    """Ask about a location's installation. Raises the vendor's temporary errors and QuotaExhausted: ask again later."""
    listed = None if row.doubt == Doubt.VANISHED else _is_listed(row)
    if listed:
        return LocationAnswer(InstallStatus.INSTALLED)
    gone_from_list = listed is False or row.doubt == Doubt.VANISHED
    own = token_state(row, conclusive=not gone_from_list)
    if own.alive and own.company_id not in ("", row.company_id or ""):
        return LocationAnswer(InstallStatus.MOVED, own.company_id, own.name)
    if gone_from_list:
        return _missing(row, own)
    if not own.alive and (rival := _other_company(row)):
        return LocationAnswer(InstallStatus.MOVED, rival)
    if own.alive is None:
        # The UNINSTALL event, or the company's revoked grant, is the better evidence then.
        return LocationAnswer(
            InstallStatus.GONE if row.doubt in (Doubt.EVENT, Doubt.REVOKED) else InstallStatus.UNKNOWN
        )
    return LocationAnswer(InstallStatus.INSTALLED if own.alive else InstallStatus.GONE, name=own.name)


def token_state(row: Installation, *, conclusive: bool) -> TokenState:
    """What the tenant's own token says, by one call. With `conclusive` one that is refused or old is refreshed."""
    key = CredentialKey(row.app, row.tenant, row.abilities.api)
    credential = store.find(key)
    if credential is None or credential.state == Credential.State.REVOKED:
        return TokenState(alive=None)
    if credential.state == Credential.State.SUSPENDED:
        return TokenState(alive=True)  # the location is inactive, and the app still installed (FACTS 1.5)
    refused = False
    if credential.access_sealed is not None and (credential.expires_at is None or credential.expires_at > clock.now()):
        try:
            return _described(
                row, probe.check(key, seals.access_token(credential), kind=credential.kind, lane=Lane.EVENTS)
            )
        except LocationInactive:
            return TokenState(alive=True)
        except GrantRevoked:
            refused = True
    if not conclusive:
        return TokenState(alive=False if refused else None)
    if not credential.abilities.renews:
        return TokenState(alive=None)  # an operator entered it: it says nothing about the installation
    return _refreshed(credential, refused=refused)


def _refreshed(credential: Credential, *, refused: bool) -> TokenState:
    try:
        refresh(credential.pk, lane=Lane.EVENTS, expected_generation=credential.generation)
    except (GrantRevoked, RequestRejected, ScopeMissing):  # the last two: the company's token mints none
        return TokenState(alive=False if refused else None)
    except LocationInactive:
        pass
    return TokenState(alive=True)


def _missing(row: Installation, own: TokenState) -> LocationAnswer:
    """The verdict for a location that is missing from its company's list: it moved, or it is gone."""
    if rival := _other_company(row):
        return LocationAnswer(InstallStatus.MOVED, rival)
    if row.doubt == Doubt.VANISHED and own.alive is not False:
        return LocationAnswer(InstallStatus.CONTRADICTED)
    if (other := vendor_list.find_other_agency(row)) is not None:
        return LocationAnswer(InstallStatus.MOVED, other.resource_id)
    return LocationAnswer(InstallStatus.GONE)


def _other_company(row: Installation) -> str:
    """The id of a live company whose list had the location while it belonged to another one; empty without one."""
    rival = row.rival
    return rival.resource_id if rival is not None and rival.is_installed else ""


def _is_listed(row: Installation) -> bool | None:
    """Whether the company's list has the location; None when there is no list to read."""
    company = register.find_live(row.app, row.company_id)
    if company is None:
        return None
    try:
        return vendor_list.one(company, row.resource_id) is not None
    except vendor_list.UNREADABLE:
        return None
    except RequestRejected as error:  # a 401 that is not about the company's token
        if error.vendor.status != HTTPStatus.UNAUTHORIZED:
            raise
        return None


def _described(row: Installation, body: object) -> TokenState:
    """A working token, and what the vendor says of its location."""
    location = body.get("location") if row.user_type == UserType.LOCATION and isinstance(body, dict) else None
    fields = location if isinstance(location, dict) else {}
    company_id, name = (
        value if isinstance(value, str) else "" for value in (fields.get("companyId"), fields.get("name"))
    )
    return TokenState(alive=True, company_id=company_id, name=name)
