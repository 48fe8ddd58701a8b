"""Who may claim by opening our page: an admin of the very place, and an agency's admin the company as well.

Installs started from the marketplace arrive without a `state`, so nothing ties them to a person. They work in the
background at once and stay hidden until somebody proves to belong to them (`installs.claim`); this is that proof.
"""

from __future__ import annotations

from datetime import datetime

from integrations.console.embed.sso_session import Visitor
from integrations.installs.claim import claim
from integrations.tenants.models import Installation, UserType


def by_visitor(visitor: Visitor, now: datetime) -> int:
    """Claim what is `visitor`'s to claim and nobody's yet; how many installations that were."""
    if not visitor.is_admin:
        return 0
    places = [(UserType.LOCATION, visitor.location_id)]
    if visitor.is_agency:
        places.append((UserType.COMPANY, visitor.company_id))
    found = [_unclaimed(visitor, *place) for place in places]
    return sum(claim(row, by=f"user {visitor.user_id}", now=now) for row in found if row)


def _unclaimed(visitor: Visitor, user_type: UserType, resource_id: str) -> Installation | None:
    rows = Installation.objects.select_related("app").filter(app_id=visitor.app_id, claimed_at__isnull=True)
    rows = rows.exclude(status=Installation.Status.UNINSTALLED)
    return rows.filter(user_type=user_type, resource_id=resource_id).first()
