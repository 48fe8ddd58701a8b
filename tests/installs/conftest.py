"""Our site and the vendor's, both over HTTP, with a browser between them and a worker behind ours."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import redis
from celery import current_app
from django.test import Client
from pytest_django import Settings

from integrations.core import clock
from integrations.core.celery_tasks import DEFAULT, URGENT
from integrations.core.errors import Retryable
from integrations.installs import install_limits
from integrations.quota.request_limits import RequestLimit
from integrations.tenants import marketplace
from integrations.tenants.models import App, Installation
from integrations.tokens.models import Credential
from tests.installs.journey import Browser
from tests.plugin.dispatch import send_due
from tests.plugin.vendor import SCOPES, Vendor, run_vendor, vendor

__all__ = ["vendor"]

OURS = ("installs.", "tokens.")


@pytest.fixture(autouse=True)
def many_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """All tests share one address, and many run in a minute."""
    for name in ("BEGUN", "STORED", "FAILED", "FAILED_BY_ALL"):
        monkeypatch.setattr(install_limits, name, RequestLimit(name, 1_000_000))


@dataclass
class Worker:
    """Runs what the broker holds until it holds nothing. Other rooms' messages are kept, not run."""

    broker: redis.Redis
    kept: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    put_off: list[tuple[str, str]] = field(default_factory=list)

    def drain(self) -> None:
        """Run messages until nothing is due and none is left."""
        while send_due("installations") or self.broker.exists(*self._queues()):
            self._run_messages()

    def _run_messages(self) -> None:
        while message := self._next():
            name, kwargs = message
            if not name.startswith(OURS):
                self.kept.append(message)
                continue
            try:
                current_app.tasks[name](**kwargs)
            except Retryable as error:
                self.put_off.append((name, error.code))

    def sweep(self) -> None:
        """What beat does every few seconds, once everything that waits has become due."""
        Installation.objects.filter(reconcile_due_at__isnull=False).update(reconcile_due_at="2020-01-01T00:00:00Z")
        current_app.tasks["installs.sweep"]()
        self.drain()

    def lose(self) -> None:
        """All messages that wait, and nothing else: quota and leases stand."""
        self.broker.delete(*self._queues())

    def to_sync(self, status: str) -> set[str]:
        """The locations of this status whose sync plans are to be made or deleted."""
        due = Installation.objects.filter(sync_due_at__lte=clock.now(), status=status)
        return set(due.values_list("resource_id", flat=True))

    def _queues(self) -> list[str]:
        prefix = current_app.conf.broker_transport_options["global_keyprefix"]
        return [f"{prefix}{URGENT}", f"{prefix}{DEFAULT}"]

    def _next(self) -> tuple[str, dict[str, Any]] | None:
        urgent, default = self._queues()
        raw = self.broker.rpop(urgent) or self.broker.rpop(default)
        if raw is None:
            return None
        message = json.loads(cast("bytes", raw))
        return message["headers"]["task"], json.loads(base64.b64decode(message["body"]))[1]


@pytest.fixture
def worker(clean_redis: redis.Redis) -> Worker:
    current_app.loader.import_default_modules()  # as a worker does: only then tasks are registered
    return Worker(clean_redis)


def set_up(settings: Settings, vendor: Vendor) -> App:
    settings.HIGHLEVEL_CLIENT_ID = vendor.options.client_id
    settings.HIGHLEVEL_CLIENT_SECRET = vendor.options.client_secret
    settings.HIGHLEVEL_SHARED_SECRET = vendor.options.shared_secret
    settings.HIGHLEVEL_SCOPES = SCOPES.split()
    settings.HIGHLEVEL_API_URL = settings.HIGHLEVEL_MARKETPLACE_URL = vendor.url
    return marketplace.default()


@pytest.fixture
def app(settings: Settings, vendor: Vendor, transactional_db: None, worker: Worker) -> App:
    """The app of the settings, at this vendor."""
    return set_up(settings, vendor)


@pytest.fixture
def big_vendor() -> Iterator[Vendor]:
    """More locations than a page of the list."""
    yield from run_vendor(locations=130, contacts=0, limit=1000)


@pytest.fixture
def browser(client: Client, vendor: Vendor, app: App) -> Browser:
    return Browser(client, vendor)


def installation(resource_id: str) -> Installation:
    return Installation.objects.select_related("app", "company", "location", "parent").get(resource_id=resource_id)


def credential(resource_id: str) -> Credential:
    return Credential.objects.get(resource_id=resource_id)
