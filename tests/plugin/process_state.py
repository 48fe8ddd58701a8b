"""Process-wide state that tests reset: caches, counters, learned limits, connections. The one list of it.

Rows and Redis keys go with each test, and what the process knows of them has to go too, or the next test begins with
the knowledge of another. Each module has a function that a forked process calls for this; tests call the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pytest_django import Settings


def reset() -> None:
    """Forget what a new process does not know. Before every test."""
    from integrations.core import counters  # noqa: PLC0415 - models are not loaded before this
    from integrations.gateway.stats import kept_calls  # noqa: PLC0415
    from integrations.quota.permits import process_memory  # noqa: PLC0415
    from integrations.tenants import marketplace  # noqa: PLC0415
    from integrations.tokens import access_cache  # noqa: PLC0415
    from integrations.webhooks import inbox  # noqa: PLC0415

    marketplace.reset()  # the row of the settings' app is gone
    process_memory.reset()  # epochs and limits of quota that is gone from Redis
    access_cache.clear()  # tokens of credentials that are gone
    kept_calls.reset()  # how many failed calls were kept in this minute
    inbox.breaker.reset()  # mailboxes that did not answer
    counters.reset_all()  # what another test counted and did not write


def forget_connections() -> None:
    """The HTTP clients by base URL: a test's server has ended, and another server may get its port."""
    from integrations.highlevel.http import wire  # noqa: PLC0415 - not before Django is set up

    wire.reset()


@pytest.fixture
def store_unavailable(settings: Settings) -> Iterator[Callable[..., None]]:
    """A function that moves the quota store to `url`, where by default no server listens, until the test ends."""
    from integrations.quota.permits import scripts  # noqa: PLC0415 - not before Django is set up

    def go(url: str = "redis://127.0.0.1:1/0") -> None:
        settings.REDIS_URL = url
        scripts.reset()

    url = settings.REDIS_URL
    yield go
    settings.REDIS_URL = url
    scripts.reset()
