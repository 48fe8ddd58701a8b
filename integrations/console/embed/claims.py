"""Claims unclaimed installations for an administrator who opens the app's page inside HighLevel.

An install that was started in the marketplace comes without a `state`, so nothing ties it to a person. It works in the
background at once, but only operators see it until it is claimed (`installs.claim`). A verified administrator of the
location may claim it. An agency's administrator may claim the company as well.
"""

from __future__ import annotations

from datetime import datetime

from integrations.console.embed.sso_session import EmbeddedUser
from integrations.core.tenant import UserType
from integrations.installs.claim import claim
from integrations.tenants.models import Installation


def claim_for(user: EmbeddedUser, now: datetime) -> int:
    """Claim the unclaimed installations that `user` administers. Returns how many were claimed."""
    if not user.is_admin:
        return 0
    tenants = [(UserType.LOCATION, user.location_id)]
    if user.is_agency:
        tenants.append((UserType.COMPANY, user.company_id))
    found = [_unclaimed(user, *tenant) for tenant in tenants]
    return sum(claim(row, by=f"user {user.user_id}", now=now) for row in found if row)


def _unclaimed(user: EmbeddedUser, user_type: UserType, resource_id: str) -> Installation | None:
    rows = Installation.objects.unclaimed().select_related("app").filter(app_id=user.app_id)
    return rows.filter(user_type=user_type, resource_id=resource_id).first()
