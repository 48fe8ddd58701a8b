"""Admin mixin with which operators enter, test and delete manual tokens on the credentials' pages."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import action

from integrations.core.admin import operator
from integrations.core.errors import IntegrationError
from integrations.installs.entered import connection
from integrations.installs.entered.forms import TokenForm
from integrations.tenants.credential_kinds import STATIC
from integrations.tokens.manual_tokens import entry
from integrations.tokens.models import Credential

_FIELDS = ((None, {"fields": ("app", "kind", ("user_type", "resource_id"), "pasted")}),)


class ManualTokens:
    """Mixin of the admin of `Credential`, before a read-only base: only adding has a form."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Operators who may add credentials may enter tokens."""
        return request.user.has_perm("tokens.add_credential")

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
        """Test the selected manual tokens with HighLevel, and show a message for each."""
        for row in _entered(queryset):
            try:
                entry.check(row, actor=operator(request))
            except IntegrationError as error:
                messages.error(request, f"{row}: {error}")
            else:
                messages.success(request, f"{row}: HighLevel accepts it.")

    @action(description="Give up as compromised (tokens entered by hand)", permissions=["operate"])  # type: ignore[untyped-decorator]
    def give_up(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        """Delete the selected manual tokens, because others may know them."""
        for row in _entered(queryset):
            entry.give_up(row, actor=operator(request))
            messages.warning(request, f"{row}: {entry.COMPROMISED}.")

    @action(description="Disconnect (tokens entered by hand)", permissions=["operate"])  # type: ignore[untyped-decorator]
    def disconnect(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        """Delete the selected manual tokens and end the installations that work with them."""
        for row in _entered(queryset):
            try:
                connection.disconnect(row.key, actor=operator(request))
            except IntegrationError as error:
                messages.error(request, f"{row}: {error}")
            else:
                messages.warning(request, f"{row.tenant} is disconnected. {connection.STILL_VALID}.")


def _entered(queryset: QuerySet[Credential]) -> QuerySet[Credential]:
    return queryset.select_related("app").filter(kind__in=STATIC)
