"""Workers find Redis by a Sentinel: the master dies, its replica takes over, and no task is lost or called too soon."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from django.db import connection
from pytest_django import Settings

from hlapp.embedded import binaries
from integrations.quota.models import Parked
from integrations.quota.parking import queue
from integrations.quota.permits.lanes import Lane
from tests.quota.parked import APP, RESOURCE
from tests.quota.permits.test_governor_chaos import Store
from tests.quota.workers import busiest, workers
from tests.support.processes import free_port
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

TASKS, LIMIT, WINDOW = 80, 20, 1.0
MASTER = "Orders"  # names of masters have upper and lower case
CONFIG = """port {port}
bind 127.0.0.1
sentinel monitor {name} 127.0.0.1 {master} 1
sentinel down-after-milliseconds {name} 500
sentinel failover-timeout {name} 3000
"""


@dataclass
class Sentinel(Store):
    """One Sentinel, which needs no other to agree."""

    master: Store | None = None

    def start(self) -> None:
        assert self.master is not None
        self.port = free_port()
        config = self.directory / "sentinel.conf"  # the Sentinel writes into it, too
        config.write_text(CONFIG.format(port=self.port, name=MASTER, master=self.master.port))
        command = [str(binaries.valkey()), str(config), "--sentinel", "--loglevel", "warning"]
        self.process = subprocess.Popen(command, cwd=self.directory, stdout=subprocess.DEVNULL)
        wait_until(self.answers)

    def replicas(self) -> int:
        return len(self.ask("SENTINEL", "REPLICAS", MASTER))

    def current(self) -> int:
        """The port of the present master."""
        return int(self.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)[1])


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[Store, Store, Sentinel]]:
    """A master, its replica, and the Sentinel that knows both."""
    found: list[Store] = [Store(tmp_path / "master"), Store(tmp_path / "replica")]
    master, replica = found
    sentinel = Sentinel(tmp_path / "sentinel", master=master)
    try:
        for store in (master, replica, sentinel):
            store.directory.mkdir()
            store.start()
        master.empty()
        replica.ask("REPLICAOF", "127.0.0.1", str(master.port))
        wait_until(lambda: replica.ask("INFO", "replication")["master_link_status"] == "up")
        wait_until(lambda: sentinel.replicas() == 1, 30.0)
        yield master, replica, sentinel
    finally:
        for store in (sentinel, replica, master):
            store.kill()


@pytest.fixture(autouse=True)
def namespace(clean_redis: redis.Redis, settings: Settings) -> None:
    settings.NAMESPACE = connection.settings_dict["NAME"]  # as the workers have it, from their URL


@pytest.mark.timeout(240)  # an outage of the broker on a loaded machine
def test_a_replica_takes_over_under_work(tmp_path: Path, stores: tuple[Store, Store, Sentinel]) -> None:
    master, replica, sentinel = stores
    where = {"REDIS_URL": f"redis://{MASTER}/0", "REDIS_SENTINELS": f"127.0.0.1:{sentinel.port}"}
    with workers(tmp_path, 2, limit=LIMIT, **where) as group:
        for number in range(TASKS):
            queue.enqueue(
                "tests.spend", app=APP, resource=RESOURCE, lane=Lane.BULK, number=number, key=f"{APP}:{RESOURCE}"
            )
        group.wait_for(lambda: len(group.done()) >= LIMIT, seconds=60.0)
        master.kill()
        group.wait_for(lambda: sentinel.current() == replica.port, seconds=60.0)
        assert Parked.objects.exists(), "work was left when the master died"
        group.wait_for(lambda: group.restart_ended() or not Parked.objects.exists(), seconds=120.0)
        group.wait_for(lambda: set(group.done()) == {*range(TASKS)})
        assert group.done() == Counter(range(TASKS))
        assert busiest([line.at for line in group.lines("called")], WINDOW) <= LIMIT
