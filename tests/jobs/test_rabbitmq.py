"""Workers with RabbitMQ as their broker, on quorum queues. Only where one runs."""

from __future__ import annotations

import signal
import socket
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from integrations.tenants.models import App
from tests.jobs.test_hung_workers import MOST_SECONDS, due, ended, namespace, terminate
from tests.jobs.workers import Worker, worker
from tests.support.waiting import wait_until
from tests.sync.conftest import app

BROKER = "amqp://guest:guest@127.0.0.1:5672//"
__all__ = ["app", "namespace"]  # fixtures


def is_there() -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", 5672)) == 0


pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.slow,
    pytest.mark.servers,
    pytest.mark.skipif(not is_there(), reason="no RabbitMQ listens on 127.0.0.1:5672"),
]


def named(directory: Path, name: str) -> AbstractContextManager[Worker]:
    """RabbitMQ refuses a second worker of the same name."""
    return worker(directory, "-c 4", "-Q urgent,api", f"-n {name}@%h", CELERY_BROKER_URL=BROKER)


def test_a_worker_ends_its_runs_and_itself_and_another_takes_over(tmp_path: Path, app: App) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with named(first, "first") as killed, named(second, "second") as other:
        due(app, "tests.works", *(f"loc{number}" for number in range(12)))
        wait_until(lambda: ended("tests.works", "complete") == 12, describe=killed.describe)
        due(app, "tests.goes_on", "loc1", "loc2")
        wait_until(lambda: killed.begun("goes_on") or other.begun("goes_on"), describe=killed.describe)
        killed.process.send_signal(signal.SIGKILL)
        due(app, "tests.works", *(f"loc{number}" for number in range(20, 26)))
        wait_until(lambda: ended("tests.works", "complete") == 18, describe=other.describe)
        assert terminate(other) < MOST_SECONDS
    assert "Traceback" not in other.describe()
