from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class JobsConfig(AppConfig):
    name = "integrations.jobs"
    label = "jobs"

    def ready(self) -> None:
        """Every installed app's `jobs.py` defines its background jobs when it is imported."""
        # Models are not loaded before this.
        from integrations.core import dispatch  # noqa: PLC0415
        from integrations.jobs import events, tasks  # noqa: PLC0415

        autodiscover_modules("jobs")
        events.register()
        dispatch.register(tasks.SOURCE)
