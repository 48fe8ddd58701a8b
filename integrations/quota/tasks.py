"""Celery tasks of the quota room, which beat sends every ten minutes: the forecast and the cleanup of usage rows."""

from __future__ import annotations

from integrations.core import clock
from integrations.core.celery_tasks import task
from integrations.quota import usage
from integrations.quota.permits import forecast


@task("quota.forecast")
def look_ahead(**_: object) -> None:
    """Send Redis the forecasts (`forecast.tell`)."""
    forecast.tell(clock.now())


@task("quota.tidy")
def tidy(**_: object) -> None:
    """Merge and delete old usage rows (`usage.tidy`)."""
    usage.tidy(clock.now())
