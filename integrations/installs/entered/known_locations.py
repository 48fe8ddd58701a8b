"""Registers the locations of an agency that is connected by an entered token.

The token lists them and mints no token for any: a location is synced once a token of its own is entered, or the app is
installed there. So they become rows that pages show and forms complete, without installations.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction

from integrations.core import clock
from integrations.core.errors import Permanent, Untrusted
from integrations.gateway import api1
from integrations.gateway import client as gateway
from integrations.installs import register
from integrations.quota.permits.lanes import Lane
from integrations.tenants.credential_kinds import API_1
from integrations.tenants.models import Installation

EVERY = timedelta(days=1)
OPERATION = "locations.search-locations"
log = structlog.get_logger(__name__)


def read(row: Installation) -> None:
    """Register the agency's locations once a day. A refusal is only logged: the agency works without the list.

    The row's `listed_at` is when its list was last read. Raises the errors that a later attempt may not meet.
    """
    began = clock.now()
    if row.listed_at is not None and began - row.listed_at < EVERY:
        return
    try:
        for items in _pages(row):
            _register(row, items)
    except (Permanent, Untrusted) as error:
        log.info("installs.locations_unknown", resource=row.resource_id, code=error.code)
        return
    Installation.objects.filter(pk=row.pk).update(listed_at=began)


def _pages(row: Installation) -> Iterator[list[Any]]:
    if row.api_name == API_1:
        answer = api1.call("GET", "/locations/", app=row.app, company=row.resource_id, lane=Lane.EVENTS).json
        found = answer.get("locations") if isinstance(answer, dict) else None
        yield found if isinstance(found, list) else []
        return
    for page in gateway.pages(OPERATION, app=row.app, company=row.resource_id, lane=Lane.EVENTS):
        yield page.items


def _register(row: Installation, items: list[Any]) -> None:
    named = [(item["id"], str(item.get("name") or "")) for item in items if isinstance(item, dict) and item.get("id")]
    with transaction.atomic():
        for location_id, name in sorted(named):
            register.location_target(row.app, str(location_id), company_id=row.resource_id, name=name)
