"""Django app config of the quota room: makes Celery tasks wait for permits as parked tasks."""

from __future__ import annotations

from django.apps import AppConfig


class QuotaConfig(AppConfig):
    """App config of permits and parked tasks."""

    name = "integrations.quota"
    label = "quota"
    verbose_name = "Quota"

    def ready(self) -> None:
        """Install the wrapper around every task, which parks a task that lacks a permit."""
        from integrations.core import celery_tasks  # noqa: PLC0415 - models are not loaded before this
        from integrations.quota.parking.task_wrapper import ParkingWrapper  # noqa: PLC0415

        celery_tasks.set_task_wrapper(ParkingWrapper())
