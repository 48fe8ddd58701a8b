"""Loads the Celery app in every process that sets Django up: one that lacks it would send its messages nowhere."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "hlapp"
    label = "project"

    def ready(self) -> None:
        import_module("hlapp.celery").app.set_default()
