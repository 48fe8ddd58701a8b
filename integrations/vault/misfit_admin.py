"""`DiscardsMisfits`: the way out of an admin list for rows that are refused for their MAC (`vault.signed_tables`)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import action

from integrations.core.admin import ReadOnlyAdmin, operator
from integrations.vault import signed_tables


class DiscardsMisfits(ReadOnlyAdmin):
    """Adds the action `discard`. Operators need the permission to delete rows of the table."""

    asks: Collection[str] = ("discard",)

    def has_discard_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may discard rows that are not of this application."""
        return request.user.has_perm(f"{self.opts.app_label}.delete_{self.opts.model_name}")

    def applies_to(self, row: Any, action: str) -> bool:
        """A row that another program wrote can be discarded and nothing else; any other row has its other actions."""
        return signed_tables.is_ours(row) == (action != "discard")

    @action(description="Discard: this application did not write it", permissions=["discard"])
    def discard(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete the rows that another program wrote or changed. The others stay."""
        chosen = [row.pk for row in queryset]
        gone = signed_tables.discard(self.opts.label, chosen, actor=operator(request))
        level = messages.SUCCESS if gone else messages.WARNING
        noun = self.opts.verbose_name if len(gone) == 1 else self.opts.verbose_name_plural
        self.message_user(request, f"{len(gone)} {noun} that another program wrote were discarded.", level)
