from __future__ import annotations

from django.apps import AppConfig


class InstallsConfig(AppConfig):
    name = "integrations.installs"
    label = "installs"

    def ready(self) -> None:
        # Models are not loaded before this.
        from integrations.core import dispatch  # noqa: PLC0415
        from integrations.installs import complete, tasks  # noqa: PLC0415
        from integrations.tokens.spool import spool  # noqa: PLC0415

        spool.register(complete.KIND, complete.finish)
        dispatch.register(tasks.SOURCE)
