"""The steady load of a soak: changes at the vendor and their webhooks, repetitions, refreshes, syncs, console pages."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import httpx2
from django.db import Error, connection

from bench.soak import operator_acts
from bench.soak.running import Soak
from integrations.core import clock
from integrations.core.errors import IntegrationError
from integrations.demo import deployment
from integrations.demo.browser import Browser
from integrations.demo.failure import DemoFailed
from integrations.sync import plans
from integrations.sync.models import Plan
from integrations.tokens.models import Credential

CHANGES = (
    *[("contacts", "update")] * 5,
    *[("contacts", "create")] * 2,
    ("opportunities", "create"),
    ("opportunities", "update"),
    ("opportunities", "delete"),
    ("tasks", "create"),
    ("appointments", "create"),
)
PAGES = (
    "",
    "webhooks/event/",
    "sync/plan/",
    "sync/run/",
    "jobs/run/",
    "outbox/entry/",
    "gateway/usage/",
    "core/workerprocess/",
)
PAGE_EVERY, REFRESH_EVERY, SYNC_EVERY, REPEAT_EVERY, LOOK_EVERY = 2.0, 10.0, 20.0, 3.0, 15.0


class Load:
    """Threads that work until `stop`. `pages` has when each console page was asked for, and its failure if any."""

    def __init__(self, soak: Soak, rate: float, dice: random.Random) -> None:
        self.done: Counter[str] = Counter()
        self.pages: list[tuple[float, str]] = []
        self.is_operator_away = threading.Event()  # while set, nobody decides about unknown writes
        self._soak, self._dice, self._ended = soak, dice, threading.Event()
        self._browser: Browser | None = None
        beats: dict[Callable[[], None], float] = {
            self._change: 1.0 / rate,
            self._repeat: REPEAT_EVERY,
            self._refresh: REFRESH_EVERY,
            self._sync: SYNC_EVERY,
            self._page: PAGE_EVERY,
            self._decide: LOOK_EVERY,
        }
        self._threads = [threading.Thread(target=self._work, args=beat, daemon=True) for beat in beats.items()]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, and wait until the last act is done."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _work(self, act: Callable[[], None], pause: float) -> None:
        name = act.__name__.strip("_")
        while not self._ended.wait(pause * self._dice.uniform(0.5, 1.5)):
            try:
                act()
                self.done[name] += 1
            except (Error, IntegrationError, httpx2.TransportError, DemoFailed):
                self.done[f"{name} in vain"] += 1
                with suppress(Error):
                    connection.close()
        connection.close()

    def _change(self) -> None:
        resource, kind = self._dice.choice(CHANGES)
        body = {"location": self._dice.choice(self._soak.locations), "resource": resource, "kind": kind, "count": 1}
        httpx2.post(f"{self._soak.sandbox.url}/sandbox/changes", json=body, timeout=30).raise_for_status()

    def _repeat(self) -> None:
        """The vendor sends a webhook once more."""
        log = self._soak.platform.deliveries.log
        if log:
            chosen = log[self._dice.randrange(len(log))].webhook_id
            httpx2.post(f"{self._soak.sandbox.url}/sandbox/deliveries/{chosen}/resend", timeout=30)

    def _refresh(self) -> None:
        active = Credential.objects.filter(state=Credential.State.ACTIVE, lease_until=None)
        keys = list(active.values_list("pk", flat=True))
        if keys:
            Credential.objects.filter(pk=self._dice.choice(keys)).make_due(clock.now())

    def _sync(self) -> None:
        keys = list(Plan.objects.values_list("pk", flat=True))
        if keys:
            chosen = Plan.objects.filter(pk=self._dice.choice(keys))
            plans.request_runs(chosen, clock.now(), full=self._dice.random() < 0.1)

    def _page(self) -> None:
        address = f"{self._soak.web}/admin/{self._dice.choice(PAGES)}"
        at, fault = time.time(), ""
        try:
            if self._browser is None:
                self._browser = self._signed_in()
            self._browser.get(address)
            if "/login/" in self._browser.url:
                self._browser = None
                fault = f"{address} asked for a sign-in"
        except DemoFailed as error:
            fault = str(error)
        self.pages.append((at, fault))

    def _signed_in(self) -> Browser:
        browser = Browser()
        page = browser.get(f"{self._soak.web}/admin/login/?next=/admin/")
        browser.submit(page, {"username": deployment.OPERATOR, "password": self._soak.password})
        return browser

    def _decide(self) -> None:
        if not self.is_operator_away.is_set():
            operator_acts.decide_unknown(self._soak)
