"""The gateway's messages: upkeep of its statistics, every ten minutes."""

from __future__ import annotations

from integrations.core import clock
from integrations.core.jobs import job
from integrations.gateway.stats import upkeep


@job("gateway.tidy")
def tidy(**_: object) -> None:
    upkeep.tidy(clock.now())
