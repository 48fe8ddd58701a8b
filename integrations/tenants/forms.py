"""Admin form of a marketplace app. Secrets are write-only: their fields are always empty when the form is shown."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import UnfoldAdminPasswordWidget

from integrations.core import clock
from integrations.core.errors import DestinationRefused
from integrations.core.secret import Secret
from integrations.highlevel.http import destinations
from integrations.highlevel.oauth import client as oauth
from integrations.tenants import marketplace
from integrations.tenants.models import App

_NEW_ADDRESS = (
    "The API address has changed: enter the client secret again. It is stored for one address, and nothing is sent to "
    "another."
)
_KEEP = "Never shown. Leave empty to keep the stored one."


class AppForm(forms.ModelForm):  # type: ignore[type-arg]
    """Form of an app, with fields for its secrets, which `save` seals."""

    client_secret = forms.CharField(
        required=False, strip=True, max_length=500, widget=UnfoldAdminPasswordWidget, help_text=_KEEP
    )
    shared_secret = forms.CharField(
        required=False,
        strip=True,
        max_length=500,
        widget=UnfoldAdminPasswordWidget,
        help_text=f"Decrypts the user data of page SSO. {_KEEP}",
    )

    class Meta:
        model = App
        fields = (
            "name",
            "client_id",
            "highlevel_id",
            "version_id",
            "dialect",
            "scopes",
            "api_url",
            "marketplace_url",
            "install_url",
            "white_label_urls",
        )
        labels = {
            "client_id": "Client id",
            "highlevel_id": "App id",
            "api_url": "API",
            "marketplace_url": "Marketplace",
            "install_url": "Install link",
            "white_label_urls": "More marketplaces",
        }
        help_texts = {
            "client_id": "From the developer portal: the app id, a dash and a suffix.",
            "highlevel_id": "Empty: the part of the client id before its first dash.",
            "version_id": "Empty: the app id.",
            "install_url": "The whole link from the portal. Empty: made from marketplace, scopes and version.",
            "white_label_urls": "Hosts for white-label agencies, such as https://marketplace.leadconnectorhq.com.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "highlevel_id" in self.fields:  # an operator who may only look has a form without fields
            self.fields["highlevel_id"].required = False
        self.initial.setdefault("api_url", settings.HIGHLEVEL_API_URL)
        self.initial.setdefault("marketplace_url", settings.HIGHLEVEL_MARKETPLACE_URL)

    @property
    def secrets_changed(self) -> bool:
        """Whether a secret was entered; for the audit entry."""
        return bool(self.cleaned_data.get("client_secret") or self.cleaned_data.get("shared_secret"))

    @property
    def columns_written(self) -> set[str]:
        """The columns that `save` may write; those of secrets only when one was entered."""
        return {*AppForm.Meta.fields} | (marketplace.SECRET_COLUMNS if self.secrets_changed else set())

    def clean(self) -> dict[str, Any]:
        """Require a client secret where none is stored for the address, and derive an empty app id and version id."""
        fields: dict[str, Any] = super().clean() or {}
        for name in ("api_url", "marketplace_url"):
            self._require_allowed(name, fields.get(name))
        self._require_allowed("install_url", (fields.get("install_url") or "").partition("?")[0])
        if oauth.is_of_another_app(fields.get("install_url") or "", fields.get("client_id", "")):
            self.add_error("install_url", "This is the link of another app: it names another client id.")
        for url in (fields.get("white_label_urls") or "").split():
            self._require_allowed("white_label_urls", url)
        if self.instance.pk and "api_url" in self.changed_data and not fields.get("client_secret"):
            self.add_error("client_secret", _NEW_ADDRESS)
        elif not self.instance.client_secret_sealed and not fields.get("client_secret"):
            lost = "The key that sealed it is lost: enter it again." if self.instance.pk else ""
            self.add_error("client_secret", lost or "A new app needs its client secret.")
        fields["highlevel_id"] = fields.get("highlevel_id") or fields.get("client_id", "").partition("-")[0]
        fields["version_id"] = fields.get("version_id") or fields["highlevel_id"]
        return fields

    def _require_allowed(self, name: str, url: str | None) -> None:
        if url:
            try:
                destinations.require(url)
            except DestinationRefused as error:
                self.add_error(name, str(error))

    def save(self, commit: bool = True) -> App:
        """Seal the entered secrets and save. New secrets end a halt, because they cure it."""
        app: App = super().save(commit=False)
        if not app.pk:
            app.created_at = clock.now()
        if self.secrets_changed:
            self._seal(app)
        if commit:
            app.save()
        return app

    def _seal(self, app: App) -> None:
        entered = {name: Secret(self.cleaned_data.get(name) or "") for name in ("client_secret", "shared_secret")}
        client, shared = entered["client_secret"], entered["shared_secret"] or None
        if app.pk:
            client = client or marketplace.identity(app).client_secret
            shared = shared or marketplace.shared_secret(app)
        marketplace.set_secrets(app, client_secret=client, shared_secret=shared)
