from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.core import clock
from integrations.quota import sealed_hash
from integrations.quota.permits import scripts as redis_store
from integrations.tenants.models import App
from integrations.tokens import store
from integrations.tokens.models import Credential
from tests.plugin.vendor import Vendor, app, company_grant, location_grant, vendor

__all__ = ["app", "vendor"]


@pytest.fixture(autouse=True)
def spool_directory(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """A spool of the test's own."""
    settings.SPOOL_DIR = str(tmp_path / "spool")
    yield tmp_path / "spool" / settings.NAMESPACE
    empty_shelves()


def empty_shelves() -> None:
    """The next test would count or commit what is left in Redis."""
    redis_store.client().delete(*(sealed_hash.key(name) for name in ("spool", "spool-aside")))


@pytest.fixture
def company(vendor: Vendor, app: App) -> Credential:
    grant = company_grant(vendor, app)
    return store.save_grant(store.company(app, str(grant.company_id)), grant, now=clock.now())


def own_grant(vendor: Vendor, app: App, location_id: str) -> Credential:
    """A location with a grant of its own and no company behind it."""
    row = store.save_grant(store.location(app, location_id), location_grant(vendor, app, location_id), now=clock.now())
    Credential.objects.filter(pk=row.pk).update(company_id="")
    row.refresh_from_db()
    return row


@pytest.fixture
def location(vendor: Vendor, app: App) -> Credential:
    return own_grant(vendor, app, vendor.locations[0])


@pytest.fixture
def neighbour(vendor: Vendor, app: App) -> Credential:
    return own_grant(vendor, app, vendor.locations[1])
