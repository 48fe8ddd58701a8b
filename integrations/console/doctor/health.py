"""Readiness probes of the services this process needs: run in parallel, with a timeout of 2 s for all of them.

The database is probed in a thread too, because the connection pool waits for a dead server longer than that. A thread
that hangs is abandoned. The pool has eight threads; while all of them hang, every probe reports "no answer". A failed
probe reports the class name of the exception or a text of ours, never a URL or a driver's message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Lock

from celery import current_app
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from integrations.core import clock
from integrations.core.errors import IntegrationError, StoreUnavailable
from integrations.quota.permits import queries as quota
from integrations.tenants import marketplace
from integrations.tenants.models import App

TIMEOUT = 2.0  # seconds
FRESH = 1.0  # seconds for which one look answers everybody who asks
OLDEST = 5.0  # seconds; who asks during a look gets the one before, if it is not older
PATIENCE = 15.0  # seconds since its last answer in which a service that is late counts as there
LATE = f"no answer within {TIMEOUT:g} s"
_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="readiness")


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """`ms` is the duration in milliseconds; `note` says what the probe found, or why it failed."""

    ok: bool
    ms: float
    note: str


Probe = Callable[[], str]


class Readiness:
    """One look at a time for all clients: one that asks often opens no more connections, and holds no thread that
    others need.

    A service that refuses is not there. One that is late is, while it answered lately: under load everything is late,
    and a load balancer that takes every process out makes it worse.
    """

    def __init__(self) -> None:
        self._looking = Lock()
        self._found: dict[str, ProbeResult] = {}
        self._at = 0.0  # on the monotonic clock, as the next
        self._answered: dict[str, float] = {}

    def look(self) -> dict[str, ProbeResult]:
        """What the probes found, at most `OLDEST` seconds ago."""
        age = clock.monotonic() - self._at if self._found else OLDEST
        if not self._looking.acquire(blocking=age >= OLDEST):
            return self._found
        try:
            if not self._found or clock.monotonic() - self._at >= FRESH:
                self._found = {name: self._judged(name, result) for name, result in run_probes().items()}
                self._at = clock.monotonic()
            return self._found
        finally:
            self._looking.release()

    def _judged(self, name: str, result: ProbeResult) -> ProbeResult:
        now = clock.monotonic()
        if result.ok:
            self._answered[name] = now
        last = self._answered.get(name)
        if result.note != LATE or last is None or now - last > PATIENCE:
            return result
        return replace(result, ok=True, note=f"late: {LATE}, but {now - last:.0f} s ago")


def run_probes(probes: Mapping[str, Probe] | None = None, timeout: float = TIMEOUT) -> dict[str, ProbeResult]:
    """The result of each probe, by name. `timeout` is in seconds. A probe returns a note or raises."""
    started = clock.monotonic()
    futures = {name: _threads.submit(_timed, probe) for name, probe in (probes or PROBES).items()}
    return {name: _await(future, timeout - (clock.monotonic() - started)) for name, future in futures.items()}


def database() -> str:
    """The database answers, and every migration of this code is applied."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        _require_migrations()
    finally:
        connection.close()
    return "answers, migrations applied"


def redis() -> str:
    """The quota store answers."""
    return quota.health()


def broker() -> str:
    """The broker answers, and is the configured one: a process that did not load our Celery app uses another."""
    if current_app.conf.broker_url != settings.CELERY_BROKER_URL:
        raise StoreUnavailable("this process did not load the Celery app, so its tasks would not reach a worker")
    with current_app.connection_for_write() as link:
        link.ensure_connection(max_retries=0, timeout=int(TIMEOUT))
    return "answers"


def vault() -> str:
    """The key ring opens stored secrets: those of the oldest and of the newest marketplace app."""
    try:
        apps = list(App.objects.exclude(client_secret_sealed=None).order_by("id"))
        for app in {app.pk: app for app in (*apps[:1], *apps[-1:])}.values():
            marketplace.identity(app)
    finally:
        connection.close()
    return "can decrypt stored secrets" if apps else "nothing stored yet"


PROBES: dict[str, Probe] = {"database": database, "redis": redis, "broker": broker, "vault": vault}


@lru_cache(maxsize=1)
def _require_migrations() -> None:
    """Raises StoreUnavailable while a migration is missing. Only success is cached, because it stays true."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise StoreUnavailable(f"{len(missing)} migrations are not applied: run manage.py migrate")


READINESS = Readiness()


def _timed(probe: Probe) -> ProbeResult:
    started = clock.monotonic()
    try:
        ok, note = True, probe()
    except IntegrationError as error:
        ok, note = False, str(error)
    except Exception as error:  # whatever it raises, the probe has failed
        ok, note = False, type(error).__name__
    return ProbeResult(ok=ok, ms=round((clock.monotonic() - started) * 1000, 1), note=note)


def _await(future: Future[ProbeResult], left: float) -> ProbeResult:
    try:
        return future.result(timeout=max(0.0, left))
    except TimeoutError:
        future.cancel()
        return ProbeResult(ok=False, ms=TIMEOUT * 1000, note=LATE)
