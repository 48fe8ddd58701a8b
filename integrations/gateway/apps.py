"""App config of the gateway room: calls to the vendor's API and statistics about them."""

from __future__ import annotations

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    """The gateway as a Django app."""

    name = "integrations.gateway"
    label = "gateway"
