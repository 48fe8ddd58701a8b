"""Fetching from the broker ends without losing a message, whenever a worker process ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import redis
from celery import current_app
from celery.worker import state
from kombu import Connection, Consumer, Queue

from integrations.core.worker import fetching

NAME = "tests.fetching"


class Fetcher:
    """A channel that fetches while `wanted`, as a worker's channels do, and the messages that it got."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.wanted = connection, True
        self.got: list[Any] = []
        self.channel = connection.channel()
        self.channel.brpop_timeout = 20  # a slow machine must not miss the fetch that is under way
        self.consumer = Consumer(self.channel, [Queue(NAME)], on_message=self.got.append)
        self.consumer.consume()
        fetching.admit(self.channel, lambda: self.wanted)

    def read(self, seconds: float = 0.05) -> None:
        """What the event loop does for so long."""
        with suppress(TimeoutError):
            self.connection.drain_events(timeout=seconds)

    def send(self) -> None:
        current_app.send_task("room.verb", queue=NAME)


@pytest.fixture
def fetcher(clean_redis: redis.Redis) -> Iterator[Fetcher]:
    fetching.forget()
    with current_app.connection_for_read() as connection:
        yield Fetcher(connection)
    fetching.forget()


@pytest.fixture
def queued(clean_redis: redis.Redis) -> Callable[[], int]:
    prefix = current_app.conf.broker_transport_options["global_keyprefix"]
    return lambda: clean_redis.llen(f"{prefix}{NAME}")


def test_a_fetch_under_way_comes_to_its_end(fetcher: Fetcher, queued: Callable[[], int]) -> None:
    fetcher.read()
    assert fetching.is_under_way()
    fetcher.wanted = False
    fetcher.send()
    assert queued() == 0, "Redis has removed it for this process"
    fetcher.read(5)
    assert (len(fetcher.got), fetching.is_under_way()) == (1, False)
    fetcher.send()
    fetcher.read()
    assert (len(fetcher.got), queued()) == (1, 1), "nothing is fetched after that"


def test_a_message_that_comes_after_the_event_loop_goes_back(fetcher: Fetcher, queued: Callable[[], int]) -> None:
    fetcher.read()
    fetcher.consumer.cancel()
    fetcher.send()
    assert queued() == 0
    fetching.finish()
    assert (len(fetcher.got), queued(), fetching.is_under_way()) == (0, 1, False)


def test_what_no_thread_has_begun_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Request:
        given_back: list[Request] = []

        def reject(self, *, requeue: bool) -> None:
            assert requeue
            self.given_back.append(self)

    queued, begun, retried = Request(), Request(), Request()
    monkeypatch.setattr(state, "reserved_requests", {queued, begun})
    monkeypatch.setattr(state, "active_requests", {begun})
    monkeypatch.setattr(state, "scheduled_requests", {retried})
    assert fetching.give_back() == 2
    assert set(Request.given_back) == {queued, retried}
