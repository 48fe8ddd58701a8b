"""The wall round the tests stands, and the environment is the same on every machine."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import redis

from integrations.core.process import activity
from tests.plugin import browser, costs, environment, process_state, servers

_TEST_NET = "192.0.2.1"  # RFC 5737: nobody's address


def by_asyncio() -> None:
    asyncio.run(asyncio.open_connection(_TEST_NET, 80))


@pytest.mark.parametrize(
    "reach_out",
    [
        lambda: socket.create_connection((_TEST_NET, 80), timeout=1),
        lambda: socket.socket(socket.AF_INET6).connect_ex(("2001:db8::1", 80)),
        lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", (_TEST_NET, 53)),
        lambda: socket.getaddrinfo("services.example.com", 443),
        by_asyncio,
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_nothing_leaves_this_machine(reach_out: Callable[[], object]) -> None:
    with pytest.raises(pytest.fail.Exception, match="a test reached for the network"):
        reach_out()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_open(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((host, port), timeout=60) as reached:
            assert reached.getpeername()[1] == port


def test_the_developers_variables_are_forgotten() -> None:
    kept = {"DATABASE_URL": "d", "REDIS_URL": "r", "CI": "true", "CHROMIUM": "c", "HIGHLEVEL_REFERENCE": "h"}
    environ = {
        **kept,
        "PATH": "/bin",
        "DEBUG": "true",
        "SECRET_KEY": "mine",
        "SECRET_KEY_FILE": "/mine",
        "HIGHLEVEL_CLIENT_SECRET": "real",
        "HIGHLEVEL_WEBHOOK_KEYS": "real",
        "CELERY_BROKER_URL": "amqp://",
        "PGSERVICE": "mine",
        "https_proxy": "http://proxy",
    }

    environment.isolate(environ)

    assert environ == {**kept, "PATH": "/bin", **environment.FIXED}


@pytest.mark.parametrize(
    ("url", "worker", "own"),
    [
        ("redis://:pw@127.0.0.1:1/0", "gw0", "redis://:pw@127.0.0.1:1/1"),
        ("redis://h", "gw3", "redis://h/4"),
        ("redis://h/5", "gw12", "redis://h/2"),
    ],
)
def test_each_worker_has_a_redis_database_of_its_own(url: str, worker: str, own: str) -> None:
    environ = {"REDIS_URL": url}

    servers.take_own_redis_database(environ, worker)

    assert environ["REDIS_URL"] == own


def test_clean_redis_is_empty_and_this_workers(clean_redis: redis.Redis) -> None:
    assert clean_redis.keys() == [b"hlapp:since"], "so long ago that the governor looks for no lost calls"
    clean_redis.set("left", "behind")
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as other:
        assert other.get("left") == b"behind"


def test_the_threads_of_a_worker_that_a_test_ran_bound_no_test_after_it() -> None:
    """Turns inside turns were declined, when a worker of one thread had run in this process before."""
    activity.set_capacity({"api": 1})
    with activity.slot("job", 0.5) as first, activity.slot("job", 0.5) as second:
        assert (first, second) == (True, False)
    process_state.reset()
    with activity.slot("job", 0.5) as first, activity.slot("job", 0.5) as second:
        assert (first, second) == (True, True)


def test_without_chromium_a_browser_test_is_skipped_here_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM", "/no/such/browser")

    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="make chromium"):
        browser.require()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="make chromium"):
        browser.require()


@dataclass(frozen=True)
class Item:
    name: str

    def get_closest_marker(self, marker: str) -> bool:
        return self.name.startswith(marker)


def test_every_second_worker_begins_with_slow_tests() -> None:
    items: Any = [Item(f"light {number}") for number in range(8)] + [Item(f"slow {number}") for number in range(4)]
    dealt: Any = costs.deal(items, 4)
    assert sorted(dealt, key=items.index) == items
    parts = [dealt[start : start + 3] for start in range(0, 12, 3)]  # as xdist cuts twelve tests for four workers
    assert [[item.name[:4] for item in part].count("slow") for part in parts] == [2, 0, 2, 0]
    assert [part[0].name[:5] for part in parts] == ["slow ", "light", "slow ", "light"]
    few: Any = [*items[:2], *items[8:]]
    assert sorted(costs.deal(few, 3), key=items.index) == few, "more slow tests than fit into the parts"
    assert costs.deal(items[:2], 3) == items[:2]
