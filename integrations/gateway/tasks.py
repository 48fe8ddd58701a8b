"""Celery task of the gateway: maintenance of its statistics, every ten minutes."""

from __future__ import annotations

from integrations.core import clock
from integrations.core.celery_tasks import task
from integrations.gateway.stats import upkeep


@task("gateway.tidy")
def expire_statistics(**_: object) -> None:
    """Aggregate old usage rows and delete expired statistics (`stats.upkeep`)."""
    upkeep.expire(clock.now())
