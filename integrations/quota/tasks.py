"""Celery tasks of the quota room, which beat sends every ten minutes: the forecast and the cleanup of usage rows."""

from __future__ import annotations

from integrations.core import clock
from integrations.core.celery_tasks import task
from integrations.quota import forecast, usage


@task("quota.forecast")
def send_forecasts(**_: object) -> None:
    """Send Redis the forecasts (`forecast.send`)."""
    forecast.send(clock.now())


@task("quota.tidy")
def merge_usage(**_: object) -> None:
    """Merge and delete old usage rows (`usage.merge_old`)."""
    usage.merge_old(clock.now())
