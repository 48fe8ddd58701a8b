"""The vendor of the test kit, as fixtures. A room's conftest imports those it needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hlapp.testing.vendor import (
    FIRST_REDIRECT,
    OPTIONS,
    REDIRECT,
    SCOPES,
    Vendor,
    authorize_url,
    code_of,
    company_grant,
    location_grant,
    make_app,
    move,
    run_vendor,
    stateless_url,
)
from integrations.tenants.models import App

__all__ = [
    "FIRST_REDIRECT",
    "OPTIONS",
    "REDIRECT",
    "SCOPES",
    "Vendor",
    "authorize_url",
    "code_of",
    "company_grant",
    "location_grant",
    "make_app",
    "move",
    "run_vendor",
    "stateless_url",
]


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    yield from run_vendor()


@pytest.fixture
def app(vendor: Vendor, db: None, clean_redis: Any) -> App:
    """An app of ours at this vendor; quota starts empty."""
    return make_app(vendor)
