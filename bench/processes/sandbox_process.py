"""The sandbox in a process of its own, for benchmarks, and the app installed on its locations."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from bench.processes.workers import until
from integrations.core import clock
from integrations.core.tenant import UserType
from integrations.sandbox.options import Options
from integrations.tenants.models import App, Installation
from integrations.tokens import store
from tests.plugin.vendor import Vendor, location_grant, make_app


@contextmanager
def sandbox(options: Options) -> Iterator[Vendor]:
    """Run the sandbox; yields it once it answers."""
    low, high = options.latency_ms
    flags = f"--port {options.port} --locations {options.locations} --contacts {options.contacts}"
    more = f"--limit {options.limit} --daily {options.daily} --latency-ms {low:.0f}-{high:.0f}"
    command = [sys.executable, "-m", "integrations.sandbox", *flags.split(), *more.split()]
    redirects = [part for uri in options.redirect_uris for part in ("--redirect-uri", uri)]
    process = subprocess.Popen([*command, *redirects], stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{options.port}"
    try:
        if not until(lambda: _answers(f"{url}/sandbox/state"), 300.0):
            raise RuntimeError("the sandbox did not start")
        yield Vendor(url, options)
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=30).is_success
    except httpx2.TransportError:
        return False


def install(vendor: Vendor) -> tuple[App, list[str]]:
    """Create the app and install it on every location. Returns the app and the location ids."""
    app = make_app(vendor)
    locations = vendor.locations
    for location in locations:
        now = clock.now()
        store.save_grant(store.location(app, location), location_grant(vendor, app, location), now=now)
        Installation.objects.create(
            app=app,
            user_type=UserType.LOCATION,
            resource_id=location,
            status=Installation.Status.INSTALLED,
            origin=Installation.Origin.APP,
            status_at=now,
            created_at=now,
        )
    return app, locations


def counted(vendor: Vendor) -> tuple[int, int]:
    """The vendor's numbers of requests and of refusals with 429."""
    quota = vendor.state()["quota"].values()
    return sum(one["requests"] for one in quota), sum(one["rejected_429"] for one in quota)
