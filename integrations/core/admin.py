"""The audit trail for operators, and the base of every admin page whose rows only machines write."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display

from integrations.core.models import AuditEntry


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]
    """Shows rows and changes none; the view permission is needed as everywhere."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor", "action", "subject", "summary")
    list_filter = ("action", "at")
    search_fields = ("subject", "actor", "action")
    search_help_text = "Subject (such as Location:<id>), actor or action"
    ordering = ("-id",)
    fields = (("at", "action"), ("actor", "subject"), "body", "chain")
    readonly_fields = ("body", "chain")

    @display(description="detail")
    def summary(self, entry: AuditEntry) -> str:
        return ", ".join(f"{key} {value}" for key, value in entry.detail.items() if value not in (None, ""))[:80]

    @display(description="detail")
    def body(self, entry: AuditEntry) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(entry.detail, indent=2, ensure_ascii=False, sort_keys=True))

    @display(description="hash, and the one before it")
    def chain(self, entry: AuditEntry) -> SafeString:
        return format_html("<code>{}</code><br><code>{}</code>", bytes(entry.hash).hex(), bytes(entry.previous).hex())
