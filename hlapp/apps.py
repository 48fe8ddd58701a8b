"""App config of the project: loads the Celery app in every process that sets Django up, and registers system checks.

A process without it would send its tasks to Celery's default broker.
"""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class ProjectConfig(AppConfig):
    """Django app of the project package itself."""

    name = "hlapp"
    label = "project"

    def ready(self) -> None:
        """Make the project's Celery app the default of this process, and import every app's `checks.py`."""
        import_module("hlapp.celery").app.set_default()
        autodiscover_modules("checks")
