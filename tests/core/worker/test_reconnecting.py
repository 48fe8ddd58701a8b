"""A worker whose broker is away tries again soon."""

from __future__ import annotations

import socket
from typing import Any

import kombu.utils.functional
import pytest
from celery import Celery, current_app
from kombu import Connection
from kombu.exceptions import OperationalError

from integrations.core.worker.reconnecting import ReconnectingConsumer


def test_the_waits_between_attempts_begin_below_a_second_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """With Celery's and kombu's own code, and a port where no server listens."""
    waits: list[float] = []
    monkeypatch.setattr(kombu.utils.functional, "sleep", waits.append)
    consumer: Any = ReconnectingConsumer.__new__(ReconnectingConsumer)
    consumer.app, consumer.first_connection_attempt = Celery("away", set_as_current=False), False
    consumer.app.conf.update(broker_connection_max_retries=6, broker_connection_retry_on_startup=True)
    consumer.broker_connection_retry_attempt = 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        away = Connection(f"redis://127.0.0.1:{free.getsockname()[1]}/0")
        with pytest.raises(OperationalError):
            consumer.ensure_connected(away)
    assert sum(waits[:3]) < 2, "three attempts while Celery waits for its first"
    assert max(waits) <= 1, "in slices, so that a stop does not wait"


def test_workers_use_it() -> None:
    assert current_app.conf.worker_consumer == f"{ReconnectingConsumer.__module__}:{ReconnectingConsumer.__name__}"
