"""Remembers who opened a page inside HighLevel, so that operators see the people of a tenant on its page."""

from __future__ import annotations

from datetime import datetime

from integrations.console.embed.sso_session import EmbeddedUser
from integrations.installs.models import EmbeddedVisit


def remember(user: EmbeddedUser, now: datetime) -> None:
    """Note the visit of a verified user: one statement, and one row for each user of a tenant."""
    EmbeddedVisit.objects.bulk_create(
        [
            EmbeddedVisit(
                app_id=user.app_id,
                level=user.tenant.user_type,
                tenant_id=user.tenant.id,
                user_id=user.user_id,
                is_admin=user.is_admin,
                is_agency=user.is_agency,
                first_at=now,
                last_at=now,
            )
        ],
        update_conflicts=True,
        unique_fields=["app", "level", "tenant_id", "user_id"],
        update_fields=["is_admin", "is_agency", "last_at"],
    )
