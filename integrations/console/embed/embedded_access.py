"""Decides at each request what a user of a page inside HighLevel may reach at this moment.

The ticket says who the user is and lives for minutes. Meanwhile the app may be uninstalled, or the user dismissed. So
the installation, and the synced list of users if there is one, are read again at each request.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from integrations.console.embed import sso_session
from integrations.console.embed.sso_session import EmbeddedUser
from integrations.core.errors import SignatureInvalid
from integrations.core.tenant import UserType
from integrations.sync.models import Record
from integrations.tenants.installation_queryset import InstallationQuerySet
from integrations.tenants.models import Installation, Location


@dataclass(frozen=True, slots=True)
class TenantStanding:
    """The tenant's own installation (None without one), and whether the app is installed and claimed there.

    A company may have none of its own, while its locations have. A company's claim covers the locations of its bulk
    install.
    """

    installation: Installation | None
    is_installed: bool
    is_claimed: bool


def has_ticket(request: HttpRequest) -> bool:
    """Whether the request has credentials of any kind in its Authorization header."""
    return "Authorization" in request.headers


def user_of(request: HttpRequest) -> EmbeddedUser:
    """The user of the ticket in the Authorization header, and nowhere else: no browser sends it by itself.

    Raises SignatureInvalid without a ticket of ours, PermissionDenied for a dismissed user.
    """
    scheme, _, ticket = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer":
        raise SignatureInvalid("no ticket was sent")
    user = sso_session.read_ticket(ticket)
    check_not_dismissed(user)
    return user


def check_not_dismissed(user: EmbeddedUser) -> None:
    """Raises PermissionDenied when the synced list of users has deleted this one.

    Only a tombstone counts: a user whom the list never had may be new, and an agency's user may be in no list.
    """
    users = Record.objects.filter(app_id=user.app_id, resource="users", record_id=user.user_id)
    if user.location_id:
        users = users.filter(location_id=user.location_id)
    else:
        users = users.filter(location_id__in=Location.objects.filter(company_id=user.company_id).values("pk"))
    deletions = [deleted_at is not None for deleted_at in users.values_list("deleted_at", flat=True)]
    if deletions and all(deletions):
        raise PermissionDenied(f"user {user.user_id} was removed from {user.tenant}")


def standing(user: EmbeddedUser) -> TenantStanding:
    """How the user's tenant stands now."""
    tenant = user.tenant
    found = Installation.objects.select_related("app", "location", "company", "parent")
    row = found.filter(app_id=user.app_id, user_type=tenant.user_type, resource_id=tenant.id).first()
    installed = row is not None and row.is_installed
    if tenant.user_type is UserType.LOCATION:
        return TenantStanding(
            row, installed, row is not None and (row.claimed_at is not None or _is_parent_claimed(row))
        )
    return TenantStanding(row, installed or locations(user).exists(), row is None or row.claimed_at is not None)


def locations(user: EmbeddedUser) -> InstallationQuerySet:
    """The installations on locations of the user's company."""
    return Installation.objects.installed().locations().filter(app_id=user.app_id, company_id=user.company_id)


def _is_parent_claimed(row: Installation) -> bool:
    return row.parent is not None and row.parent.claimed_at is not None
