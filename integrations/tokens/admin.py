"""The operator's view of credentials: health, age, lease and reason.

The sealed columns are no fields here: of what they hold, only the id of the key that sealed it is shown.
"""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import action, display

from integrations.core import audit, clock
from integrations.core.admin import ReadOnlyAdmin
from integrations.core.ages import relative
from integrations.core.errors import SealBroken
from integrations.core.jobs import enqueue
from integrations.tokens.entering import EnteredTokens
from integrations.tokens.models import Credential
from integrations.vault.seal import key_id_of

_COLOURS = {
    Credential.State.ACTIVE: "success",
    Credential.State.SUSPENDED: "warning",
    Credential.State.NEEDS_RECONNECT: "danger",
    Credential.State.REVOKED: "default",
}
_SHORT = {
    Credential.State.ACTIVE: "active",
    Credential.State.SUSPENDED: "suspended",
    Credential.State.NEEDS_RECONNECT: "needs reconnect",
    Credential.State.REVOKED: "revoked",
}


@admin.register(Credential)
class CredentialAdmin(EnteredTokens, ReadOnlyAdmin):
    list_display = ("holder", "state_label", "token", "expires", "refresh_due", "last_error_code")
    list_filter = ("state", "user_type", "kind", "app", "last_error_code")
    list_select_related = ("app",)
    search_fields = ("resource_id", "company_id", "last_trace_id")
    search_help_text = "Location id, company id or trace id"
    ordering = ("-failures", "refresh_due_at")
    actions = ("refresh_now", "test_token", "give_up")
    fieldsets = (
        (None, {"fields": (("app", "kind"), ("user_type", "resource_id"), "company_id", ("state", "reason"))}),
        ("Token", {"fields": (("generation", "key_id"), ("expires_at", "refresh_due_at"), "refreshed_at", "scopes")}),
        ("Refresh under way", {"fields": (("lease_owner", "lease_until"), ("intent_generation", "intent_at"))}),
        (
            "Last trouble",
            {"fields": (("failures", "rejected_generation"), ("last_error_code", "last_trace_id"), "last_error")},
        ),
    )
    readonly_fields = ("key_id",)

    @display(description="state", ordering="state", label=_COLOURS)
    def state_label(self, row: Credential) -> tuple[str, str]:
        state = Credential.State(row.state)
        return state.value, _SHORT[state]

    @display(description="whose", ordering="resource_id", header=True)
    def holder(self, row: Credential) -> tuple[str, str]:
        return row.resource_id, f"{row.user_type}, {row.app}"

    @display(description="generation, key", ordering="generation")
    def token(self, row: Credential) -> str:
        return f"{row.generation}, {self.key_id(row)}"

    @display(description="expires", ordering="expires_at")
    def expires(self, row: Credential) -> str:
        return relative(row.expires_at, clock.now())

    @display(description="next refresh", ordering="refresh_due_at")
    def refresh_due(self, row: Credential) -> str:
        return relative(row.refresh_due_at, clock.now())

    @display(description="key id")
    def key_id(self, row: Credential) -> str:
        if row.access_sealed is None:
            return "no token"
        try:
            return key_id_of(bytes(row.access_sealed))
        except SealBroken:
            return "damaged"

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tokens.change_credential")

    @action(description="Refresh now", permissions=["operate"])
    def refresh_now(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        rows = list(queryset.exclude(state=Credential.State.REVOKED))
        for row in rows:
            enqueue("tokens.refresh", credential_id=row.pk, forced=True)
            audit.record(
                "token.refresh_requested",
                actor=f"operator {request.user.get_username()}",
                subject=f"{row.user_type}:{row.resource_id}",
            )
        self.message_user(request, f"{len(rows)} refreshes are on their way to a worker.", messages.SUCCESS)
