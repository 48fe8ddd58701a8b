"""Django app config of the outbox room: registers with the dispatcher."""

from __future__ import annotations

from django.apps import AppConfig


class OutboxConfig(AppConfig):
    """App config of the outbox."""

    name = "integrations.outbox"
    label = "outbox"
    verbose_name = "Outbox"

    def ready(self) -> None:
        """Register the due source of the runs, seals and MACs with the vault."""
        from integrations.core import dispatch  # noqa: PLC0415 - models are not loaded before this
        from integrations.outbox import entry_seal, entry_states, outbox_pauses, tasks  # noqa: PLC0415

        entry_seal.register(entry_states.discarded)
        outbox_pauses.register()
        dispatch.register(tasks.SOURCE)
