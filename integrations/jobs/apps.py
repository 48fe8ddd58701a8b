from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class JobsConfig(AppConfig):
    name = "integrations.jobs"
    label = "jobs"

    def ready(self) -> None:
        """Every installed app's `jobs.py` defines its background jobs when it is imported."""
        from integrations.jobs import events  # noqa: PLC0415 - models are not loaded before this

        autodiscover_modules("jobs")
        events.register()
