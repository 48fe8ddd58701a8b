from __future__ import annotations

from django.apps import AppConfig


class SyncConfig(AppConfig):
    name = "integrations.sync"
    label = "sync"

    def ready(self) -> None:
        from integrations.sync import changes  # noqa: PLC0415 - models are not loaded before this

        changes.register()
