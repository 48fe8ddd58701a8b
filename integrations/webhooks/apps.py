"""Django app of webhooks: registers its mailboxes with the dispatcher."""

from __future__ import annotations

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """App config of the room `webhooks`."""

    name = "integrations.webhooks"
    label = "webhooks"

    def ready(self) -> None:
        """Register the mailboxes. Models are loaded only now, hence the late imports."""
        from integrations.core import dispatch  # noqa: PLC0415
        from integrations.webhooks import tasks  # noqa: PLC0415

        dispatch.register(tasks.SOURCE)
