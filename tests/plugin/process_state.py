"""Process-wide state that tests reset (`hlapp.testing.process_state`), and what only some tests reset."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pytest_django import Settings


def reset() -> None:
    """Forget what a new process does not know. Before every test."""
    from hlapp.testing import process_state  # noqa: PLC0415 - models are not loaded before this

    process_state.reset()


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
