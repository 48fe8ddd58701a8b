"""Django app of the demo, a development tool: installed only with DEBUG."""

from __future__ import annotations

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """App config of the demo."""

    name = "integrations.demo"
    label = "demo"
