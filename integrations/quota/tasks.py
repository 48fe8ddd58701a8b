"""The quota's messages: what beat asks for every ten minutes."""

from __future__ import annotations

from integrations.core import clock
from integrations.core.celery_tasks import task
from integrations.quota import usage
from integrations.quota.permits import forecast


@task("quota.forecast")
def look_ahead(**_: object) -> None:
    forecast.tell(clock.now())


@task("quota.tidy")
def tidy(**_: object) -> None:
    usage.tidy(clock.now())
