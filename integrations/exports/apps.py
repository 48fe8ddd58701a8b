"""Django app config of the exports room: registers with the dispatcher."""

from __future__ import annotations

from django.apps import AppConfig


class ExportsConfig(AppConfig):
    """App config of the exports."""

    name = "integrations.exports"
    label = "exports"
    verbose_name = "Exports"

    def ready(self) -> None:
        """Register the due source of the runs."""
        from integrations.core import dispatch  # noqa: PLC0415 - models are not loaded before this
        from integrations.exports import tasks  # noqa: PLC0415

        dispatch.register(tasks.SOURCE)
