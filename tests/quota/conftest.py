from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis
from pytest_django import Settings

from integrations.quota.permits import scripts
from tests.quota.bucket import Bucket


@pytest.fixture
def bucket(clean_redis: redis.Redis) -> Bucket:
    return Bucket(clean_redis)


@pytest.fixture
def store_away(settings: Settings) -> Iterator[Callable[[], None]]:
    """Called, the store is away until the test ends: nobody listens at its address."""

    def go() -> None:
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        scripts.reset()

    url = settings.REDIS_URL
    yield go
    settings.REDIS_URL = url
    scripts.reset()
