"""Webhooks from the signed request to what the installation, the names and the copy are afterwards."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.tenant import UserType
from integrations.sync.models import Plan, Record
from integrations.tenants.models import App, Company, Installation, Location
from integrations.webhooks import mailbox
from integrations.webhooks.models import Event, Mailbox
from tests.cases.case_files import each, filled
from tests.support.signed import sign
from tests.webhooks.conftest import Post, app, post, vendor_key

__all__ = ["app", "post", "vendor_key"]

COMPANY, LOCATIONS = "cases-agency", ("cases-location-1", "cases-location-2")
_number = itertools.count(1)


@pytest.fixture
def ids(app: App) -> dict[str, str]:
    """An agency with two locations, all installed a moment ago, as a case names them."""
    now = clock.now()
    Company.objects.create(id=COMPANY, created_at=now)
    tenants = [(UserType.COMPANY, COMPANY), *((UserType.LOCATION, name) for name in LOCATIONS)]
    for level, tenant_id in tenants:
        where: dict[str, Any] = {"company_id": COMPANY}
        if level == UserType.LOCATION:
            where["location"] = Location.objects.create(id=tenant_id, company_id=COMPANY, created_at=now)
        Installation.objects.create(
            app=app,
            user_type=level,
            resource_id=tenant_id,
            status=Installation.Status.INSTALLED,
            origin=Installation.Origin.APP,
            status_at=now,
            confirmed_at=now,
            created_at=now,
            **where,
        )
    known = {f"<location {number}>": name for number, name in enumerate(LOCATIONS, start=1)}
    return {"<app>": app.highlevel_id, "<company>": COMPANY, **known}


@each("events")
def test_it_is_taken_and_has_its_effect(app: App, ids: dict[str, str], post: Post, case: dict[str, Any]) -> None:
    then, now = filled(case["then"], ids), clock.now()
    for resource, tenant_id in itertools.product(then.get("records", ()), LOCATIONS):
        Plan.objects.create(app=app, location_id=tenant_id, resource=resource, created_at=now)
    sign(Plan)
    for step in case["steps"]:
        at = now + timedelta(seconds=step.get("at", 0))
        stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        marks = {"timestamp": stamp, "webhookId": f"00000000-0000-4000-9000-{next(_number):012d}"}
        assert post({**filled(step["event"], ids), **marks}).status_code == 200
        for row in Mailbox.objects.all():
            mailbox.drain(row.pk)
    assert Event.objects.exclude(status__in=["done", "ignored"]).count() == 0
    assert Event.objects.count() == then.get("stored", len(case["steps"]))
    for tenant_id, fields in then.get("installations", {}).items():
        assert _values(Installation.objects.get(resource_id=tenant_id), fields) == fields, tenant_id
    for tenant_id, fields in then.get("locations", {}).items():
        assert _values(Location.objects.get(pk=tenant_id), fields) == fields, tenant_id
    for resource, tenants in then.get("records", {}).items():
        assert {name: _copy(resource, name, wanted) for name, wanted in tenants.items()} == tenants
        assert not Record.objects.exclude(location_id__in=LOCATIONS).exists()


def _values(row: Any, fields: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in fields}


def _copy(resource: str, location_id: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """The wanted fields of each wanted record; None for one that is not there."""
    rows = Record.objects.filter(resource=resource, location_id=location_id, deleted_at=None)
    alive = {row.record_id: row.payload for row in rows}
    return {
        record_id: {name: alive[record_id].get(name) for name in fields or {}} if record_id in alive else None
        for record_id, fields in wanted.items()
    }
