"""The room as a Django app: it keeps no rows, it only brings the `catalogue` command."""

from __future__ import annotations

from django.apps import AppConfig


class HighLevelConfig(AppConfig):
    name = "integrations.highlevel"
    label = "highlevel"
    verbose_name = "HighLevel protocol"
