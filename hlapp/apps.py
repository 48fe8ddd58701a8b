"""App config of the project: loads the Celery app in every process that sets Django up.

A process without it would send its tasks to Celery's default broker.
"""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """Django app of the project package itself."""

    name = "hlapp"
    label = "project"

    def ready(self) -> None:
        """Make the project's Celery app the default of this process."""
        import_module("hlapp.celery").app.set_default()
