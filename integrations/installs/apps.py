from __future__ import annotations

from django.apps import AppConfig


class InstallsConfig(AppConfig):
    name = "integrations.installs"
    label = "installs"
