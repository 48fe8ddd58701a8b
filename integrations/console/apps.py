"""Django app of the console: operator pages, the page inside HighLevel, health and metrics."""

from __future__ import annotations

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """App config of the room `console`."""

    name = "integrations.console"
    label = "console"
