"""One soak: install, endure the timetable under load, drain, judge, report."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import httpx2
from django.db import Error, connection

from bench.soak import judging, operator_acts
from bench.soak.alert_watch import Firing
from bench.soak.load import Load
from bench.soak.running import Soak
from bench.soak.timetable import Performer, Timetable
from hlapp import development
from hlapp.supervisor.outputs import LogFiles
from hlapp.supervisor.supervisor import Supervisor
from integrations.demo import scenario
from integrations.demo.deployment import RunningDemo

MOST_STOP_SECONDS = 25.0
PATIENCE = 600.0  # seconds until nothing waits any more
SAMPLE_SECONDS = 5.0


class Endurance:
    """The load and the harms of one soak, and what was seen."""

    def __init__(self, soak: Soak, table: Timetable, *, rate: float, dice: random.Random) -> None:
        self._soak = soak
        self._load = Load(soak, rate, dice)
        self._performer = Performer(soak, table, time.time, operator_away=self._load.is_operator_away)
        self._memory: judging.Memory = {}
        self._began = self._sampled = time.time()
        self._seconds = self._stop_seconds = 0.0

    def endure(self, seconds: float) -> None:
        """Load and harm for so long."""
        self._seconds = seconds
        self._load.start()
        try:
            while time.time() - self._began < seconds:
                keep_servers()
                for news in self._performer.look():
                    say(news)
                self._sample()
                time.sleep(0.5)
        finally:
            self._performer.end_all()
            self._load.stop()

    def drain(self) -> None:
        """Wait until nothing waits any more, and decide meanwhile what is unknown."""
        began, drained = time.time(), False
        while not drained and time.time() - began < PATIENCE:
            keep_servers()
            with suppress(Error):  # PostgreSQL may be starting
                operator_acts.decide_unknown(self._soak)
                operator_acts.retry_events()
                drained = judging.is_drained(self._soak)
            time.sleep(1.0)
        say(f"{'nothing waits' if drained else 'GAVE UP'} {time.time() - began:.0f} s after the end of the load")

    def judge(self, fired: Sequence[Firing]) -> Iterator[str]:
        """Everything that is wrong, in words. Stops the deployment at the end."""
        yield from judging.wrong_alerts(fired, self._performer.done)
        for check in (judging.wrong_events, judging.wrong_writes, judging.wrong_copy, judging.wrong_credentials):
            yield from check(self._soak)
        yield from judging.wrong_pages(self._load.pages, self._performer.done)
        yield from judging.wrong_memory(self._memory, self._seconds)
        connection.close()
        self._stop_seconds = self._soak.stop()
        if self._stop_seconds > MOST_STOP_SECONDS:
            yield f"SIGTERM took {self._stop_seconds:.1f} s"

    def report(self, fired: Sequence[Firing], scrapes: tuple[int, int]) -> None:
        """Print the figures."""
        pages = self._load.pages
        say(f"load: {dict(self._load.done)}")
        say(f"deliveries at the vendor: {self._soak.platform.deliveries.counts}")
        say(f"token requests: {dict(self._soak.platform.token_requests)}")
        say(f"scrapes: {scrapes[0]}, failed {scrapes[1]}; pages: {len(pages)}, failed {sum(bool(x) for _, x in pages)}")
        for one in fired:
            say(f"{one.began - self._began:6.0f} s  {one.alert} fired for {one.ended - one.began:.0f} s")
        for (name, pid), samples in self._memory.items():
            early, late = judging.figures(samples)
            lived = samples[-1][0] - samples[0][0]
            say(f"memory of {name} ({pid}), which ran for {lived:.0f} s: {early:.0f} to {late:.0f} MB")
        say(f"SIGTERM to the end of all processes: {self._stop_seconds:.1f} s")

    def _sample(self) -> None:
        now = time.time()
        if now - self._sampled > SAMPLE_SECONDS:
            self._sampled = now
            for key, size in self._soak.memory().items():
                self._memory.setdefault(key, []).append((now, size))


def install(soak: Soak) -> None:
    """Install the agency through its pages, and wait until its data is here."""
    _wait(lambda: httpx2.get(f"{soak.web}/readyz", timeout=5).is_success, soak, "the web does not come up")
    nothing = Supervisor({}, LogFiles(soak.directory / "unused"))
    scenario.install(RunningDemo(soak.web, soak.sandbox.url, soak.password, nothing, soak.directory))
    _wait(lambda: not any(judging.wrong_copy(soak)), soak, "the first sync did not end")
    operator_acts.reconnect()
    say("installed and synced")


def _wait(reached: Callable[[], bool], soak: Soak, otherwise: str) -> None:
    until = time.monotonic() + 180
    while time.monotonic() < until:
        with suppress(httpx2.TransportError):
            if reached():
                return
        time.sleep(0.5)
    raise SystemExit(f"{otherwise}: {(soak.directory / 'serve.log').read_text()[-3000:]}")


def keep_servers() -> None:
    """Start PostgreSQL and Redis again if they have ended."""
    for name in development.restart_ended():
        say(f"{name} was started again")


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
