"""App config of the gateway room: calls to the vendor's API and statistics about them."""

from __future__ import annotations

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    """The gateway as a Django app."""

    name = "integrations.gateway"
    label = "gateway"
    verbose_name = "API"

    def ready(self) -> None:
        """Register the sealed requests of failed calls with the vault."""
        from integrations.gateway.stats import sent_request  # noqa: PLC0415 - models are not loaded before this

        sent_request.register()
