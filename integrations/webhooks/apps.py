"""Django app of webhooks.

It registers its mailboxes with the dispatcher and its signed table, and imports `handlers.py` of every app.
"""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class WebhooksConfig(AppConfig):
    """App config of the room `webhooks`."""

    name = "integrations.webhooks"
    label = "webhooks"
    verbose_name = "Events"

    def ready(self) -> None:
        """Register the mailboxes, and import `handlers.py` of every app. Models are loaded only now."""
        from integrations.core import dispatch  # noqa: PLC0415
        from integrations.webhooks import event_mac, tasks  # noqa: PLC0415

        dispatch.register(tasks.SOURCE)
        event_mac.register()
        autodiscover_modules("handlers")
