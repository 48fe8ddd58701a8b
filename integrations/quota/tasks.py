"""The quota's messages: what beat asks for every ten minutes."""

from __future__ import annotations

from integrations.core import clock
from integrations.core.jobs import job
from integrations.quota import usage
from integrations.quota.permits import forecast


@job("quota.forecast")
def look_ahead(**_: object) -> None:
    forecast.tell(clock.now())


@job("quota.tidy")
def tidy(**_: object) -> None:
    usage.tidy(clock.now())
