"""Admin filter for credentials that need attention; the dashboard counts the same rows and links to this list."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from integrations.core import clock
from integrations.tokens.models import Credential


def needs_attention(now: datetime) -> Q:
    """Condition of the rows: suspended, needing a reconnect, or active but already expired."""
    expired = Q(state=Credential.State.ACTIVE, expires_at__lt=now)
    return expired | Q(state__in=[Credential.State.SUSPENDED, Credential.State.NEEDS_RECONNECT])


class NeedsAttention(admin.SimpleListFilter):
    """List filter: suspended, expired or needing a reconnect."""

    title = "attention"
    parameter_name = "need"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The one choice of the filter."""
        return [("yes", "suspended, expired or needing a reconnect")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Credential]) -> QuerySet[Credential]:
        """The rows of `needs_attention` when chosen, else all."""
        return queryset.filter(needs_attention(clock.now())) if self.value() == "yes" else queryset
