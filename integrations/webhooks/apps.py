"""Django app of webhooks: registers its mailboxes with the dispatcher, and imports `handlers.py` of every app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class WebhooksConfig(AppConfig):
    """App config of the room `webhooks`."""

    name = "integrations.webhooks"
    label = "webhooks"

    def ready(self) -> None:
        """Register the mailboxes, and import `handlers.py` of every app. Models are loaded only now."""
        from integrations.core import dispatch  # noqa: PLC0415
        from integrations.webhooks import tasks  # noqa: PLC0415

        dispatch.register(tasks.SOURCE)
        autodiscover_modules("handlers")
