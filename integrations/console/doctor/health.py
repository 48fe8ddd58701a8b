"""Readiness probes of the services this process needs: run in parallel, with a timeout of 2 s for all of them.

The database is probed in a thread too, because the connection pool waits for a dead server longer than that. A thread
that hangs is abandoned. The pool has eight threads; while all of them hang, every probe reports "no answer". A failed
probe reports the class name of the exception or a text of ours, never a URL or a driver's message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

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
_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="readiness")


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """`ms` is the duration in milliseconds; `note` says what the probe found, or why it failed."""

    ok: bool
    ms: float
    note: str


Probe = Callable[[], str]


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
        return ProbeResult(ok=False, ms=TIMEOUT * 1000, note=f"no answer within {TIMEOUT:g} s")
