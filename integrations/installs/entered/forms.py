"""Admin form to enter or replace a private integration token or an API 1.0 key.

The token is write-only: its field is empty whenever the form is shown. The form parses and tests the token before it is
stored, and shows an error on the field.
"""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from integrations.core.errors import IntegrationError
from integrations.core.secret import Secret
from integrations.core.sensitive import sensitive
from integrations.core.tenant import Tenant, UserType
from integrations.tenants.credential_kinds import STATIC, CredentialKind
from integrations.tenants.models import App
from integrations.tokens.entered_tokens import entry
from integrations.tokens.models import Credential, CredentialKey

_KINDS = [(kind.value, CredentialKind(kind).label) for kind in STATIC]


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]
    """Form of an entered token. A valid form has the attributes `key` and `token`."""

    app = forms.ModelChoiceField(App.objects.all(), widget=UnfoldAdminSelectWidget)
    kind = forms.ChoiceField(choices=_KINDS, widget=UnfoldAdminSelectWidget)
    user_type = forms.ChoiceField(label="For a", choices=UserType.choices, widget=UnfoldAdminSelectWidget)
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
        return fields

    def validate_unique(self) -> None:
        """Skip the check: a token that exists is replaced, not refused."""

    def validate_constraints(self) -> None:
        """Skip the check, as in `validate_unique`."""
