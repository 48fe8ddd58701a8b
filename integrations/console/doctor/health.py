"""What this process needs to serve: each dependency asked once, in parallel, and none waited for longer than 2 s.

The database is asked in a thread as well, because the connection pool waits ten seconds for a dead server before it
says so. A thread that hangs is left behind; the pool of eight bounds them, and while all hang, the answer is "no
answer", which is true. Reasons are class names and words of ours, never a URL or a driver's message.
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

TIMEOUT = 2.0
_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="readiness")


@dataclass(frozen=True, slots=True)
class Outcome:
    """`ms` is how long it took; `note` says what was found, or why it failed."""

    ok: bool
    ms: float
    note: str


Probe = Callable[[], str]


def run(probes: Mapping[str, Probe] | None = None, timeout: float = TIMEOUT) -> dict[str, Outcome]:
    """Every probe's outcome by name. A probe returns a note or raises."""
    started = clock.monotonic()
    futures = {name: _threads.submit(_timed, probe) for name, probe in (probes or PROBES).items()}
    return {name: _await(future, timeout - (clock.monotonic() - started)) for name, future in futures.items()}


def database() -> str:
    """Answers, and has every migration of this code applied."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        _require_migrations()
    finally:
        connection.close()
    return "answers, migrations applied"


def redis() -> str:
    return quota.health()


def broker() -> str:
    """Answers, and is the configured one: a process that never loaded our Celery app has another."""
    if current_app.conf.broker_url != settings.CELERY_BROKER_URL:
        raise StoreUnavailable("this process did not load the Celery app, so its messages go nowhere")
    with current_app.connection_for_write() as link:
        link.ensure_connection(max_retries=0, timeout=int(TIMEOUT))
    return "answers"


def vault() -> str:
    """The key ring opens what is stored: the secrets of the oldest and the newest app."""
    try:
        apps = list(App.objects.exclude(client_secret_sealed=None).order_by("id"))
        for app in {app.pk: app for app in (*apps[:1], *apps[-1:])}.values():
            marketplace.identity(app)
    finally:
        connection.close()
    return "opens stored secrets" if apps else "nothing stored yet"


PROBES: dict[str, Probe] = {"database": database, "redis": redis, "broker": broker, "vault": vault}


@lru_cache(maxsize=1)
def _require_migrations() -> None:
    """Raises StoreUnavailable while any is missing. Only the good answer is remembered: it cannot become untrue."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise StoreUnavailable(f"{len(missing)} migrations are not applied: run manage.py migrate")


def _timed(probe: Probe) -> Outcome:
    started = clock.monotonic()
    try:
        ok, note = True, probe()
    except IntegrationError as error:
        ok, note = False, str(error)
    except Exception as error:  # any failure of a dependency is the answer itself
        ok, note = False, type(error).__name__
    return Outcome(ok=ok, ms=round((clock.monotonic() - started) * 1000, 1), note=note)


def _await(future: Future[Outcome], left: float) -> Outcome:
    try:
        return future.result(timeout=max(0.0, left))
    except TimeoutError:
        future.cancel()
        return Outcome(ok=False, ms=TIMEOUT * 1000, note=f"no answer within {TIMEOUT:g} s")
