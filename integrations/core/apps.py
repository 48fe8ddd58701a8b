"""Django app config of the core room: audit trail, error tree, dispatcher, durable runs."""

from __future__ import annotations

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """App config; the core room registers nothing itself."""

    name = "integrations.core"
    label = "core"
    verbose_name = "Operations"
