"""App config of the highlevel room: the vendor's protocol. It has no models."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings

from integrations.highlevel.http import destinations


class HighLevelConfig(AppConfig):
    """The vendor's protocol as a Django app."""

    name = "integrations.highlevel"
    label = "highlevel"
    verbose_name = "HighLevel protocol"

    def ready(self) -> None:
        """Let the settings say which hosts secrets may be sent to."""
        destinations.use(_allowed)


def _allowed() -> destinations.AllowedHosts:
    return destinations.AllowedHosts(tuple(settings.HIGHLEVEL_ALLOWED_HOSTS), plain_http=settings.DEBUG)
