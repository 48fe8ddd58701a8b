"""Django app config of the upserts room: registers with the dispatcher and the vault."""

from __future__ import annotations

from django.apps import AppConfig


class UpsertsConfig(AppConfig):
    """App config of bulk upserts."""

    name = "integrations.upserts"
    label = "upserts"
    verbose_name = "Bulk upserts"

    def ready(self) -> None:
        """Register the due source of the runs, and the sealed keys."""
        from integrations.core import dispatch  # noqa: PLC0415 - models are not loaded before this
        from integrations.upserts import tasks, upsert_key  # noqa: PLC0415

        upsert_key.register()
        dispatch.register(tasks.SOURCE)
