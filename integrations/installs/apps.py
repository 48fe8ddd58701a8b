from __future__ import annotations

from django.apps import AppConfig


class InstallsConfig(AppConfig):
    name = "integrations.installs"
    label = "installs"

    def ready(self) -> None:
        # Models are not loaded before this.
        from integrations.installs import complete  # noqa: PLC0415
        from integrations.tokens.spool import spool  # noqa: PLC0415

        spool.register(complete.KIND, complete.finish)
