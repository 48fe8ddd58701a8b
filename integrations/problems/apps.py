"""Django app config of the room of problems."""

from __future__ import annotations

from django.apps import AppConfig


class ProblemsConfig(AppConfig):
    """App config of the room `problems`."""

    name = "integrations.problems"
    label = "problems"
    verbose_name = "Problems"
