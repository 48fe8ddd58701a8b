"""Uninstalls the app where the embedded user is an administrator: at HighLevel first, then here.

A location's administrator ends the location's installation, an agency's administrator on the company's page that of the
agency with all its locations (FACTS 1.9). Without the scope `oauth.write`, or when HighLevel refuses, nothing changes,
and the page says where in the account an app is uninstalled.
"""

from __future__ import annotations

from django.core.exceptions import PermissionDenied

from integrations.console.embed import embedded_access
from integrations.console.embed.sso_session import EmbeddedUser
from integrations.core import audit, clock
from integrations.core.errors import InstallGone
from integrations.core.tenant import UserType
from integrations.gateway import client as gateway
from integrations.installs import uninstall
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import Installation

OPERATION = "marketplace.uninstall-application"
_REASON = "An administrator of the account uninstalled it on the app's page."  # HighLevel wants one


def may_end(user: EmbeddedUser, row: Installation | None) -> bool:
    """Whether this user may end this installation from the page. An entered token cannot be ended so."""
    if row is None or not row.is_installed or not row.abilities.reported or not user.is_admin:
        return False
    return user.is_agency or row.user_type == UserType.LOCATION


def end(user: EmbeddedUser) -> None:
    """Uninstall the app from the user's tenant. Raises InstallGone, PermissionDenied, and what a call raises."""
    now = embedded_access.standing(user)
    row = now.installation
    if not now.is_installed or row is None:
        raise InstallGone(f"the app is not installed on {user.tenant}")
    if not now.is_claimed or not may_end(user, row):
        raise PermissionDenied("only administrators may uninstall the app")
    actor, kind = f"user {user.user_id}", row.tenant.kind
    audit.record("install.uninstall_requested", actor=actor, subject=row.tenant.audit_subject, app=row.app.highlevel_id)
    gateway.call(
        OPERATION,
        app=row.app,
        location=row.resource_id if kind == "location" else None,
        company=row.resource_id if kind == "company" else None,
        params={"appId": row.app.highlevel_id},
        body={f"{kind}Id": row.resource_id, "reason": _REASON},
        lane=Lane.INTERACTIVE,
    )
    uninstall.removed(row, at=clock.now(), actor=actor)
