"""A location with the app at the vendor, the app's key, and answers for the test only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from hlapp.testing.vendor import install_everywhere
from integrations.core import clock
from integrations.modules import answers, module_keys
from integrations.sandbox.events import signing
from integrations.tenants.models import App
from integrations.webhooks import handlers
from tests.plugin.vendor import Vendor, app, vendor

__all__ = ["app", "vendor"]

Call = Callable[..., Any]


@pytest.fixture
def key(app: App) -> str:
    return module_keys.make(app, now=clock.now(), by="the test").reveal()


@pytest.fixture
def location(vendor: Vendor, app: App) -> str:
    return install_everywhere(vendor, app)[1]


@pytest.fixture
def call(app: App, key: str, client: Client) -> Call:
    """Calls a module of the app with its key, or with the headers given."""

    def call(path: str, payload: Any = None, *, headers: dict[str, str] | None = None, method: str = "POST") -> Any:
        raw = payload if isinstance(payload, bytes) else json.dumps(payload or {}).encode()
        sent = {module_keys.HEADER: key} if headers is None else headers
        url = path if path.startswith("/") else f"/modules/{app.highlevel_id}/{path}/"
        if method == "GET":
            return client.get(url, headers=sent)
        return client.generic(method, url, raw, content_type="application/json", headers=sent)

    return call


@pytest.fixture
def signed(vendor: Vendor, settings: Settings) -> Callable[[bytes], dict[str, str]]:
    """The header with which the vendor signs these bytes."""
    settings.HIGHLEVEL_WEBHOOK_KEYS = [signing.public_key_pem(vendor.options.seed)]
    private = signing.private_key(vendor.options.seed)
    return lambda raw: {signing.HEADER: signing.signature(private, raw)}


@pytest.fixture(autouse=True)
def registries() -> Iterator[None]:
    """What a test registers ends with it."""
    kept = [(registry, dict(registry)) for registry in (answers.ANSWERS, handlers.HANDLERS)]
    yield
    for registry, before in kept:
        registry.clear()
        registry.update(before)  # type: ignore[arg-type]
