"""Django app of the console: operator pages, the page inside HighLevel, health and metrics."""

from __future__ import annotations

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "integrations.console"
    label = "console"
