"""Admin mixin with which operators enter, test and delete entered tokens on the credentials' pages."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import action

from integrations.core import texts
from integrations.core.admin import operator
from integrations.core.errors import IntegrationError
from integrations.gateway.support import panel
from integrations.gateway.support.advice_on_refusal import help_with
from integrations.highlevel.support import plan_access
from integrations.installs.entered import advice, connection
from integrations.installs.entered.forms import TokenForm
from integrations.tenants import agency_plan
from integrations.tenants.credential_kinds import STATIC
from integrations.tokens.entered_tokens import entry
from integrations.tokens.models import Credential

_FIELDS = ((None, {"fields": ("app", "kind", ("user_type", "resource_id"), "pasted")}),)


class ManualTokens:
    """Mixin of the admin of `Credential`, before a read-only base: only adding has a form.

    Above the form is what operators need to know before they enter a token, below it what to do when one does not work
    (`entered.advice`).
    """

    change_form_before_template = "admin/tokens/entering.html"
    change_form_after_template = "admin/tokens/troubles.html"

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> Any:
        """The form, between the notes about what can be entered and those about what can go wrong."""
        notes = (*advice.CHOICE, *advice.BEFORE)
        entering = {"plans": plan_access.PLANS, "plans_source": plan_access.PLANS_SOURCE, "notes": notes}
        context = {**(extra_context or {}), "entering": entering, "troubles": advice.AFTER}
        return super().add_view(request, form_url, context)  # type: ignore[misc]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """The page of a credential; for an entered token with the notes about what can go wrong."""
        context = dict(extra_context or {})
        if Credential.objects.filter(pk=texts.whole(unquote(object_id)) or 0, kind__in=STATIC).exists():
            context["troubles"] = advice.AFTER
        return super().change_view(request, object_id, form_url, context)  # type: ignore[misc]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> Any:
        """The page: with the plan of the account that the form names, and after a refusal with what to do about it."""
        form = context["adminform"].form
        if "entering" in context and (named := form.named()) is not None:
            context["entering"]["own_plan"] = agency_plan.words(named.app, named.tenant)
        refused = getattr(form, "refused", None)
        if refused is not None and (found := help_with(refused)):
            context["refusal"] = panel.html(found)
        return super().render_change_form(request, context, **kwargs)  # type: ignore[misc]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Operators who may add credentials may enter tokens."""
        return request.user.has_perm("tokens.add_credential")

    def has_remove_permission(self, request: HttpRequest) -> bool:
        """Operators who may delete credentials may give tokens up."""
        return request.user.has_perm("tokens.delete_credential")

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """The token form for adding; the read-only one otherwise."""
        return TokenForm if obj is None else super().get_form(request, obj, **kwargs)  # type: ignore[misc]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The token form's fields for adding; the read-only ones otherwise."""
        return _FIELDS if obj is None else super().get_fieldsets(request, obj)  # type: ignore[misc]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """None for adding; all otherwise."""
        return () if obj is None else super().get_readonly_fields(request, obj)  # type: ignore[misc]

    def save_form(self, request: HttpRequest, form: TokenForm, change: bool) -> Credential:
        """Store the examined token with its installation. Returns its credential."""
        kind = form.cleaned_data["kind"]
        return connection.keep(form.key, form.token, kind=kind, actor=operator(request)).credential

    def save_model(self, request: HttpRequest, obj: Credential, form: Any, change: bool) -> None:
        """Does nothing: `save_form` has stored the token already."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Does nothing: a credential has no related rows to save."""

    @action(description="Test with HighLevel (tokens entered by hand)", permissions=["operate"])  # type: ignore[untyped-decorator]
    def test_token(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        """Test the selected entered tokens with HighLevel, and show a message for each."""
        for row in _entered(queryset):
            try:
                entry.check(row, actor=operator(request))
            except IntegrationError as error:
                messages.error(request, f"{row}: {error}. The page of the credential has the next steps.")
            else:
                messages.success(request, f"{row}: HighLevel accepts it.")

    @action(description="Give up as compromised (tokens entered by hand)", permissions=["remove"])  # type: ignore[untyped-decorator]
    def give_up(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        """Delete the selected entered tokens, because others may know them."""
        for row in _entered(queryset):
            entry.give_up(row, actor=operator(request))
            messages.warning(request, f"{row}: {entry.COMPROMISED}.")

    @action(description="Disconnect (tokens entered by hand)", permissions=["remove"])  # type: ignore[untyped-decorator]
    def disconnect(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        """Delete the selected entered tokens and end the installations that work with them."""
        for row in _entered(queryset):
            try:
                connection.disconnect(row.key, actor=operator(request))
            except IntegrationError as error:
                messages.error(request, f"{row}: {error}")
            else:
                messages.warning(request, f"{row.tenant} is disconnected. {connection.STILL_VALID}.")


def _entered(queryset: QuerySet[Credential]) -> QuerySet[Credential]:
    return queryset.select_related("app").filter(kind__in=STATIC)
