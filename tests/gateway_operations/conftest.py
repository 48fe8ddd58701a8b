"""An app with a location's and a company's credential, so that `gateway.client.call` has all it needs but a vendor."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from integrations.core import clock
from integrations.core.secret import Secret
from integrations.highlevel.http import transport, wire
from integrations.highlevel.oauth.grants import Grant
from integrations.tenants import marketplace
from integrations.tenants.models import App
from integrations.tokens import store
from integrations.tokens.models import Credential
from tests.gateway_operations.judge import TOKENS
from tests.gateway_operations.scripted import Scripted
from tests.gateway_operations.vendor import serving
from tests.plugin import process_state

_number = itertools.count()
LOCATION, COMPANY = "ve9EPM428h8vShlRW1KT", "UAXssdawIWAWD"
MakeApp = Callable[..., App]


@pytest.fixture
def make_app(db: None, clean_redis: Any) -> Any:
    """Creates an app with a base URL; its connections are closed afterwards."""
    urls = []

    def make(url: str, *, dialect: str = "v2", **fields: Any) -> App:
        row = App(
            name="Test app",
            # A new one each time: the governor remembers the quota of those that it knew.
            client_id=f"66a0419a0dffa47fb5f8b22e-gate{next(_number)}",
            highlevel_id="66a0419a0dffa47fb5f8b22e",
            dialect=dialect,
            api_url=url,
            marketplace_url=url,
            created_at=clock.now(),
            **fields,
        )
        marketplace.set_secrets(row, client_secret=Secret("a-client-secret"), shared_secret=None)
        row.save()
        urls.append(url)
        return row

    yield make
    for url in urls:
        transport.shared(url).close()
        wire.shared(url).close()
    # A later server may get the port, and then only one of the two caches may have forgotten the URL.
    process_state.forget_connections()


def credential(app: App, level: str, *, kind: str = Credential.Kind.OAUTH, scopes: str = "") -> Credential:
    """An active credential of a "location" or "company", whose access token is the one of `TOKENS`."""
    key = store.location(app, LOCATION) if level == "location" else store.company(app, COMPANY)
    at, token = clock.now() - timedelta(minutes=1), Secret(TOKENS[level])
    if kind != Credential.Kind.OAUTH:
        api = Credential.Api.ONE if kind == Credential.Kind.KEY else Credential.Api.TWO
        row = store.save_entered_token(replace(key, api=api), token, kind=kind, now=at)
        Credential.objects.filter(pk=row.pk).update(scopes=scopes)
        return row
    grant = Grant(
        access_token=token,
        refresh_token=Secret(f"the-{level}-refresh-token"),
        expires_in=86_399,
        scopes=frozenset(scopes.split()),
        user_type="Location" if level == "location" else "Company",
        location_id=LOCATION if level == "location" else None,
        company_id=COMPANY if level == "company" else None,
    )
    return store.save_grant(key, grant, now=at)


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    vendor = Scripted()
    application = web.Application(client_max_size=2**30)
    application.router.add_route("*", "/{path:.*}", vendor.handle)
    with serving(application) as url:
        vendor.url = url
        yield vendor


@pytest.fixture
def app(make_app: MakeApp, scripted: Scripted) -> App:
    return make_app(scripted.url, scopes="contacts.readonly contacts.write oauth.readonly medias.write")
