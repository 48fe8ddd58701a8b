"""The gateway's messages: upkeep of its statistics, every ten minutes."""

from __future__ import annotations

from integrations.core import clock
from integrations.core.celery_tasks import task
from integrations.gateway.stats import upkeep


@task("gateway.tidy")
def tidy(**_: object) -> None:
    upkeep.tidy(clock.now())
