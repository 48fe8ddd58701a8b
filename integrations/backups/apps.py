"""Django app of backups."""

from __future__ import annotations

from django.apps import AppConfig


class BackupsConfig(AppConfig):
    """App config of the room `backups`."""

    name = "integrations.backups"
    label = "backups"
    verbose_name = "Backups"
