from __future__ import annotations

from django.apps import AppConfig


class SyncConfig(AppConfig):
    name = "integrations.sync"
    label = "sync"

    def ready(self) -> None:
        # Models are not loaded before this.
        from integrations.core import dispatch  # noqa: PLC0415
        from integrations.sync import changes, tasks  # noqa: PLC0415

        changes.register()
        dispatch.register(tasks.SOURCE)
