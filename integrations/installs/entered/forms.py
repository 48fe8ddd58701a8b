"""Admin form to enter or replace a private integration token or an API 1.0 key.

The token is write-only: its field is empty whenever the form is shown. The form parses and tests the token before it is
stored, and shows an error on the field.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from integrations.core import clock, texts
from integrations.core.errors import GrantRevoked, IntegrationError
from integrations.core.secret import Secret
from integrations.core.sensitive import sensitive
from integrations.core.tenant import Tenant, UserType
from integrations.gateway.support import refused_call
from integrations.gateway.support.refused_call import RefusedCall
from integrations.tenants.credential_kinds import STATIC, CredentialKind
from integrations.tenants.models import App
from integrations.tokens.entered_tokens import entry
from integrations.tokens.models import Credential, CredentialKey
from integrations.tokens.refresh import refused_entered_tokens

_KINDS = [(kind.value, CredentialKind(kind).label) for kind in STATIC]


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]
    """Form of an entered token. A valid form has the attributes `key` and `token`; `refused` is HighLevel's refusal."""

    app = forms.ModelChoiceField(App.objects.all(), widget=UnfoldAdminSelectWidget)
    kind = forms.ChoiceField(choices=_KINDS, widget=UnfoldAdminSelectWidget)
    user_type = forms.ChoiceField(
        label="For a", choices=UserType.choices, initial=UserType.LOCATION, widget=UnfoldAdminSelectWidget
    )
    resource_id = forms.CharField(label="Its id", max_length=64, widget=UnfoldAdminTextInputWidget)
    pasted = forms.CharField(
        label="Token or key",
        max_length=9000,
        required=False,
        widget=UnfoldAdminPasswordWidget,
        help_text=(
            "Never shown again. It is tested with HighLevel first; a token that is stored already is replaced, and "
            "calls under way finish with the old one."
        ),
    )

    class Meta:
        model = Credential
        fields = ("app", "kind", "user_type", "resource_id")

    key: CredentialKey
    token: Secret
    refused: RefusedCall | None = None

    def named(self) -> CredentialKey | None:
        """The app and the account that the form names, filled in or given by its address; None while it names none."""
        app, level, account = (self[name].value() for name in ("app", "user_type", "resource_id"))
        found = App.objects.filter(pk=texts.whole(str(app)) or 0).first()
        if found is None or not account or level not in UserType.values:
            return None
        return CredentialKey(found, Tenant(UserType(level), str(account)))

    def clean(self) -> dict[str, Any]:
        """Parse and probe the token; errors are shown on its field."""
        fields: dict[str, Any] = super().clean() or {}
        text = Secret(fields.pop("pasted", ""))
        if not self.errors:
            self.key = CredentialKey(fields["app"], Tenant(fields["user_type"], fields["resource_id"]))
            try:
                with sensitive():
                    self.token = entry.examined(self.key, text.reveal(), kind=fields["kind"])
            except IntegrationError as error:
                self.add_error("pasted", str(error))
                self.refused = _refused(error, self.key, fields["kind"])
        return fields

    def validate_unique(self) -> None:
        """Skip the check: a token that exists is replaced, not refused."""

    def validate_constraints(self) -> None:
        """Skip the check, as in `validate_unique`."""


def _refused(error: IntegrationError, key: CredentialKey, kind: str) -> RefusedCall | None:
    """The test of the token, if HighLevel refused it or did not answer. Its answer is in the error behind ours."""
    answered = error.__cause__ if isinstance(error.__cause__, IntegrationError) else error
    call = refused_call.of_error(answered, app=key.app, tenant=key.tenant, at=clock.now())
    if not call.sent:
        return None
    reason = refused_entered_tokens.REASONS[kind] if isinstance(error, GrantRevoked) else call.reason
    return replace(call, code=error.code, reason=reason, kind=kind, source="test of a token before it is stored")
