"""Django app of the console: operator pages, the page inside HighLevel, health and metrics."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class ConsoleConfig(AppConfig):
    """App config of the room `console`."""

    name = "integrations.console"
    label = "console"
    verbose_name = "Console"

    def ready(self) -> None:
        """Import `navigation.py` of every app, which adds entries to the sidebar; let the dispatcher find due work."""
        from integrations.console import record_writers, tasks  # noqa: PLC0415 - models are not loaded before this
        from integrations.core import dispatch  # noqa: PLC0415

        autodiscover_modules("navigation")
        dispatch.register(tasks.SOURCE)
        dispatch.register(tasks.ALERTS)
        record_writers.register()
