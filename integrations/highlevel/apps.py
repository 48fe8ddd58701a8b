"""App config of the highlevel room: the vendor's protocol. It has no models."""

from __future__ import annotations

from django.apps import AppConfig


class HighLevelConfig(AppConfig):
    """The vendor's protocol as a Django app."""

    name = "integrations.highlevel"
    label = "highlevel"
    verbose_name = "HighLevel protocol"
