from __future__ import annotations

import pytest
import redis

from tests.quota.bucket import Bucket


@pytest.fixture
def bucket(clean_redis: redis.Redis) -> Bucket:
    return Bucket(clean_redis)
