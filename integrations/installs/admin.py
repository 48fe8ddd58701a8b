"""Admin pages of credentials: health, age, lease and reason. Entering a token here makes an installation.

The sealed columns are not shown, only the id of the vault key that sealed them.
"""

from __future__ import annotations

from datetime import datetime

from django.contrib import admin
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from unfold.decorators import display

from integrations.core import clock, masking
from integrations.core.admin import ReadOnlyAdmin
from integrations.core.ages import relative
from integrations.core.errors import SealBroken
from integrations.core.filters import ColumnValueLinksFilter
from integrations.gateway.support import panel
from integrations.gateway.support.advice_on_refusal import help_with
from integrations.gateway.support.refused_call import of_credential
from integrations.installs.entered.admin_mixin import ManualTokens
from integrations.tenants.credential_kinds import STATIC
from integrations.tenants.names import TenantNames
from integrations.tokens.admin_pages.admin_actions import TokenActions
from integrations.tokens.admin_pages.attention_filter import NeedsAttention
from integrations.tokens.admin_pages.commands import can_be_minted
from integrations.tokens.admin_pages.reconnect_link import reconnect_url
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


_LINK = '<a class="text-primary-600 dark:text-primary-500" style="overflow-wrap: anywhere" href="{0}">{0}</a>'


@admin.register(Credential)
class CredentialAdmin(TokenActions, ManualTokens, TenantNames, ReadOnlyAdmin):
    """List and page of credentials; read-only except for the operators' actions."""

    personal = {"reason": masking.text, "last_error": masking.text}

    class Media:
        css = {"all": ("site/entering.css", *panel.STYLES)}
        js = panel.SCRIPTS

    tenant_id_path = "resource_id"
    list_display_links = ("state_label",)  # the first column leads to the tenant
    list_display = (
        "tenant_heading",
        "user_type",
        "kind",
        "app",
        "state_label",
        "token",
        "expires",
        "refresh_due",
        "last_error_code",
    )
    list_filter = (NeedsAttention, "state", "user_type", "kind", "app", ("last_error_code", ColumnValueLinksFilter))
    list_select_related = ("app",)
    search_fields = ("resource_id", "company_id", "last_trace_id")
    search_help_text = "Name or id of a location or company, or a trace id"
    ordering = ("-failures", "refresh_due_at")
    actions = ("refresh_now", "mint_again", "suspend", "test_token", "give_up", "disconnect")
    actions_detail = ("refresh_this", "mint_this", "suspend_this")
    asks = ("give_up", "disconnect")
    on_page = ("test_token", "give_up", "disconnect")  # the others are dialogs there
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("tenant_link", "app", "kind"),
                    "state",
                    "reason",
                    "reconnect",
                    ("user_type", "resource_id", "company_id"),
                )
            },
        ),
        ("Token", {"fields": (("generation", "key_id"), ("expiry", "next_refresh"), "refreshed", "scopes")}),
        ("Refresh under way", {"fields": (("lease_owner", "lease"), ("intent_generation", "intent"))}),
        (
            "Last trouble",
            {
                "fields": (
                    ("last_error_code", "failed"),
                    ("last_trace_id", "failures"),
                    "last_error",
                    "what_to_do",
                    "rejected_generation",
                    "doubted_at",
                )
            },
        ),
    )
    readonly_fields = (
        "tenant_link",
        "reconnect",
        "key_id",
        "expiry",
        "next_refresh",
        "refreshed",
        "lease",
        "intent",
        "failed",
        "what_to_do",
    )

    def applies_to(self, row: Credential, action: str) -> bool:
        """Whether the credential is of the kind, and in the state, that the action is for."""
        is_suspended = row.state == Credential.State.SUSPENDED
        match action:
            case "refresh_now":
                return row.state != Credential.State.REVOKED and (row.abilities.renews or is_suspended)
            case "mint_again":
                return can_be_minted(row)
            case "suspend":
                return row.state == Credential.State.ACTIVE
        return row.kind in STATIC

    @display(description="state", ordering="state", label=_COLOURS)
    def state_label(self, row: Credential) -> tuple[str, str]:
        """The state as a short coloured label."""
        state = Credential.State(row.state)
        return state.value, _SHORT[state]

    @display(description="generation, key", ordering="generation")
    def token(self, row: Credential) -> str:
        """Generation and vault key id."""
        return f"{row.generation}, {self.key_id(row)}"

    @display(description="expires", ordering="expires_at")
    def expires(self, row: Credential) -> str | None:
        """Time until the access token expires."""
        return _distance(row.expires_at)

    @display(description="next refresh", ordering="refresh_due_at")
    def refresh_due(self, row: Credential) -> str | None:
        """Time until the next refresh."""
        return _distance(row.refresh_due_at)

    @display(description="expires")
    def expiry(self, row: Credential) -> str | None:
        """When the access token expires, and the time until then."""
        return _moment(row.expires_at)

    @display(description="next refresh")
    def next_refresh(self, row: Credential) -> str | None:
        """When the next refresh is due, and the time until then."""
        return _moment(row.refresh_due_at)

    @display(description="last refreshed")
    def refreshed(self, row: Credential) -> str | None:
        """When the last refresh succeeded, and how long ago."""
        return _moment(row.refreshed_at)

    @display(description="lease until")
    def lease(self, row: Credential) -> str | None:
        """When the refresh lease runs out."""
        return _moment(row.lease_until)

    @display(description="call begun")
    def intent(self, row: Credential) -> str | None:
        """When a refresh wrote its intent: the start of a call whose result is not stored yet."""
        return _moment(row.intent_at)

    @display(description="failed last")
    def failed(self, row: Credential) -> str | None:
        """When the last refresh failed, and how long ago."""
        return _moment(row.last_error_at)

    @display(description="what to do")
    def what_to_do(self, row: Credential) -> SafeString | str:
        """Steps, channels of the vendor's support, and the report to send."""
        return panel.html(help_with(of_credential(row))) if row.last_error_code else "–"

    @display(description="reconnect link")
    def reconnect(self, row: Credential) -> SafeString:
        """The link for the person who may install the app; for an entered token, that of our own form."""
        return format_html(_LINK, reconnect_url(row))

    @display(description="key id")
    def key_id(self, row: Credential) -> str:
        """The vault key id of the access token, "no token" or "damaged"."""
        if row.access_sealed is None:
            return "no token"
        try:
            return key_id_of(bytes(row.access_sealed))
        except SealBroken:
            return "damaged"


def _distance(at: datetime | None) -> str | None:
    return None if at is None else relative(at, clock.now())


def _moment(at: datetime | None) -> str | None:
    """The time, and its distance from now."""
    return None if at is None else f"{date_format(localtime(at), 'DATETIME_FORMAT')} ({_distance(at)})"
