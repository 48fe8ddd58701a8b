from __future__ import annotations

from django.apps import AppConfig


class QuotaConfig(AppConfig):
    name = "integrations.quota"
    label = "quota"

    def ready(self) -> None:
        from integrations.core import celery_tasks  # noqa: PLC0415 - models are not loaded before this
        from integrations.quota.parking.task_wrapper import Waiting  # noqa: PLC0415

        celery_tasks.wait_with(Waiting())
