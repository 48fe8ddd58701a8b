"""Django app config of the jobs room: imports `jobs.py` of every installed app and registers with the dispatcher."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class JobsConfig(AppConfig):
    """App config of background jobs."""

    name = "integrations.jobs"
    label = "jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        """Import every installed app's `jobs.py`, which defines its background jobs, and register the due source."""
        # Models are not loaded before this.
        from integrations.core import dispatch  # noqa: PLC0415
        from integrations.jobs import events, macs, tasks, writes  # noqa: PLC0415
        from integrations.jobs.define import JOBS  # noqa: PLC0415
        from integrations.tokens import scope_gaps  # noqa: PLC0415

        autodiscover_modules("jobs")
        events.register()
        macs.register(writes.discarded)
        for job in JOBS.values():
            if job.scopes:
                scope_gaps.need(f"job {job.name}", job.level, job.scopes)
        dispatch.register(tasks.SOURCE)
        dispatch.register(tasks.INTERACTIVE_SOURCE)
