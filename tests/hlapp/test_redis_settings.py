"""Redis by its own address, or by Sentinels."""

from __future__ import annotations

import pytest

from hlapp import redis_settings
from hlapp.env import ConfigurationError, Env
from hlapp.redis_settings import RedisSettings


def read(**environ: str) -> RedisSettings:
    env = Env(environ)
    found = redis_settings.read(env)
    env.check()
    return found


def test_one_server() -> None:
    found = read(REDIS_URL="redis://:secret@redis:6379/2")
    assert (found.sentinels, found.broker_url) == ((), "redis://:secret@redis:6379/2")
    assert found.transport_options(found.broker_url) == {}


def test_sentinels_and_the_name_of_their_master() -> None:
    found = read(
        REDIS_URL="redis://app:p%40ss@Orders/3",
        REDIS_SENTINELS="one:26380, two, [::1]:26381",
        REDIS_SENTINEL_PASSWORD="word",
    )
    assert found.master == "Orders"
    assert found.sentinels == (("one", 26380), ("two", 26379), ("::1", 26381))
    assert found.broker_url == (
        "sentinel://app:p%40ss@one:26380/3;sentinel://app:p%40ss@two:26379/3;sentinel://app:p%40ss@[::1]:26381/3"
    )
    options = found.transport_options(found.broker_url)
    assert (options["master_name"], options["sentinel_kwargs"]["password"]) == ("Orders", "word")
    assert found.transport_options("amqp://rabbit//") == {}
    assert "p%40ss" not in repr(found)
    assert "word" not in repr(found)


@pytest.mark.parametrize(
    ("url", "sentinels", "words"),
    [
        ("rediss://mymaster/0", "one:26379", "needs a REDIS_URL such as redis://:password@mymaster/0"),
        ("unix:///run/redis", "one:26379", "needs a REDIS_URL such as redis://:password@mymaster/0"),
        ("redis://mymaster/0", "one:port", "should be a list such as sentinel1:26379,sentinel2:26379"),
        ("redis://mymaster/0", "redis://one:26379", "should be a list such as sentinel1:26379,sentinel2:26379"),
    ],
)
def test_mistakes_are_named(url: str, sentinels: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=f"REDIS_SENTINELS {words}"):
        read(REDIS_URL=url, REDIS_SENTINELS=sentinels)
