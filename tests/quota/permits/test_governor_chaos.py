"""Workers die or lose all sense of time; the store dies, is emptied, comes back with an older copy, and its state seems
older or younger than it is: the vendor refuses no call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from hlapp.embedded import binaries
from integrations.sandbox.oauth.installs import Install
from integrations.sandbox.oauth.tokens import Grant
from integrations.sandbox.options import Options
from integrations.sandbox.server.embedded import Embedded, serve_in_thread
from tests.plugin import servers
from tests.support.processes import free_port
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

LIMIT, SCOPE = 30, "locations.readonly"
START = 60.0  # seconds for the processes, which have all of Django to load, and their first calls


@dataclass
class Store:
    """A Valkey of the test's own, without a password, which saves when the test says so."""

    directory: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if not self.port:
            self.port = free_port()
        command = [str(binaries.valkey()), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self.process = subprocess.Popen([*command, "--loglevel", "warning"], cwd=self.directory)
        wait_until(self.answers)

    def answers(self) -> bool:
        try:
            return bool(self.ask("PING"))
        except redis.ConnectionError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def ask(self, *command: str) -> Any:
        with redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0)) as client:
            return client.execute_command(*command)

    def empty(self) -> None:
        with redis.Redis(port=self.port) as client:
            servers.empty(client)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


@dataclass
class Scene:
    store: Store
    vendor: Embedded
    arguments: dict[str, Any]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def hire(self) -> None:
        environ = {**os.environ, "REDIS_URL": self.store.url, "DJANGO_SETTINGS_MODULE": "hlapp.settings"}
        command = [sys.executable, "-m", "tests.quota.permits.hammer", json.dumps(self.arguments)]
        self.workers.append(subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL))

    def fire(self) -> None:
        worker = self.workers.pop(0)
        worker.kill()
        worker.wait()

    def fire_all(self) -> None:
        while self.workers:
            self.fire()

    def counted(self) -> tuple[int, int]:
        assert self.vendor.platform is not None
        bucket = self.vendor.platform.quota.bucket(self.arguments["app"], self.arguments["resource"])
        return bucket.requests, bucket.rejected

    def sets_the_clock_back(self) -> None:
        """As if the store's clock were set back by an hour: its own cannot be set, but the birth of the state can."""
        (state,) = [key for key in self.store.ask("KEYS", "*:h") if b":q:" in key]
        self.store.ask("HINCRBY", state, "b", str(3600 * 1_000_000))

    def goes_on(self, seconds: float = 20.0) -> None:
        """Calls are made again within so many seconds, and for a while."""
        before = self.counted()[0]
        wait_until(lambda: self.counted()[0] >= before + 2 * LIMIT, seconds, describe=lambda: "no more calls are made")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """The window that forgives least."""
    options = Options(
        port=0, locations=1, contacts=1, window="sliding", limit=LIMIT, interval_ms=1000, latency_ms=(5.0, 80.0)
    )
    with ExitStack() as stack:
        vendor = stack.enter_context(serve_in_thread(options))
        platform = vendor.platform
        assert platform is not None
        (location,) = platform.world.locations.values()
        install = Install(location.company_id, location.id, "chaos", (SCOPE,), 0)
        grant = Grant(platform.app.client_id, platform.installs.add(install), (SCOPE,))
        token = platform.tokens.issue_access(grant, platform.clock.now())
        app, path = platform.app.client_id, f"/locations/{location.id}"
        arguments = {"url": vendor.url, "path": path, "token": token, "app": app, "resource": location.id}
        store = Store(tmp_path)
        store.start()
        store.empty()
        stack.callback(store.kill)
        made = Scene(store, vendor, arguments)
        stack.callback(made.fire_all)
        yield made


def test_the_vendor_refuses_nothing_whichever_process_dies(scene: Scene) -> None:
    for _ in range(2):
        scene.hire()
    scene.goes_on(START)
    scene.fire()
    scene.hire()
    scene.goes_on()
    scene.store.ask("FLUSHALL")
    scene.goes_on()
    scene.fire_all()
    scene.store.ask("FLUSHALL")
    for _ in range(2):
        scene.hire()
    scene.goes_on(START)
    scene.store.ask("SAVE")
    scene.goes_on()
    scene.store.kill()
    time.sleep(0.3)
    scene.store.start()
    scene.goes_on()
    (scene.store.directory / "dump.rdb").unlink()
    scene.store.kill()
    scene.store.start()
    scene.goes_on()
    scene.sets_the_clock_back()
    scene.goes_on()
    assert scene.counted()[1] == 0


def test_nothing_is_refused_whatever_the_workers_clocks_say(scene: Scene) -> None:
    scene.arguments["jumps"] = True
    for _ in range(2):
        scene.hire()
    scene.goes_on(START)
    scene.fire()
    scene.hire()
    scene.goes_on()
    assert scene.counted()[1] == 0
