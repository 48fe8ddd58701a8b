"""The interactive job of `bench_lanes`, such as a button starts. Its workers import this module."""

from __future__ import annotations

import time
from typing import Any

from integrations.core.celery_tasks import task
from integrations.gateway import client
from integrations.quota.permits import scripts
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App

CLICKS = "bench:clicks"


@task("bench.click")
def click(*, location: str, phase: str, asked: float, **_: Any) -> None:
    """Call for the location, and store how long ago (monotonic, one machine) the job was requested."""
    call(App.objects.get(), location)
    scripts.client().rpush(f"{CLICKS}:{phase}", time.monotonic() - asked)


def call(app: App, location: str) -> None:
    """One interactive call for the location."""
    client.call("locations.get-location", app=app, location=location, lane=Lane.INTERACTIVE)
