"""Django app config of the sync room: registers webhook handlers and the due source of the dispatcher."""

from __future__ import annotations

from django.apps import AppConfig


class SyncConfig(AppConfig):
    """App config of the sync."""

    name = "integrations.sync"
    label = "sync"

    def ready(self) -> None:
        """Register the handlers of data webhooks, and the runs with the dispatcher."""
        # Models are not loaded before this.
        from integrations.core import dispatch  # noqa: PLC0415
        from integrations.sync import tasks, webhook_handlers  # noqa: PLC0415

        webhook_handlers.register()
        dispatch.register(tasks.SOURCE)
