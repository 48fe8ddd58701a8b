"""Django app config of the outbox room: registers with the dispatcher."""

from __future__ import annotations

from django.apps import AppConfig


class OutboxConfig(AppConfig):
    """App config of the outbox."""

    name = "integrations.outbox"
    label = "outbox"

    def ready(self) -> None:
        """Register the due source of the runs, and the seals of entries with the vault."""
        from integrations.core import dispatch  # noqa: PLC0415 - models are not loaded before this
        from integrations.outbox import entry_seal, tasks  # noqa: PLC0415

        entry_seal.register()
        dispatch.register(tasks.SOURCE)
