"""Django app of installations: OAuth pages, events, reconciler, claim, uninstall."""

from __future__ import annotations

from django.apps import AppConfig


class InstallsConfig(AppConfig):
    """App config of the room `installs`."""

    name = "integrations.installs"
    label = "installs"
    verbose_name = "Installing"

    def ready(self) -> None:
        """Register how spooled grants are completed, and due installations with the dispatcher."""
        from integrations.core import dispatch  # noqa: PLC0415
        from integrations.installs import complete, tasks  # noqa: PLC0415
        from integrations.tokens.spool import spool  # noqa: PLC0415

        spool.register(complete.KIND, complete.complete_spooled)
        dispatch.register(tasks.SOURCE)
