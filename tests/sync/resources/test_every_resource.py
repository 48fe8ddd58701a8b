"""Each resource in each dialect, over HTTP: after edits, inserts and deletions its copy equals the vendor's rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from django.db.models import F

from hlapp.testing.vendor import install_everywhere
from integrations.core import clock
from integrations.gateway import client
from integrations.highlevel.catalogue.event_types import event_types
from integrations.sync import pace, runs, webhook_handlers
from integrations.sync.models import Plan, Record, Run
from integrations.sync.resources import RESOURCES, Resource
from integrations.tenants.models import App
from integrations.webhooks.models import Event
from tests.plugin.vendor import make_app, run_vendor
from tests.sync.conftest import start, wake
from tests.sync.resources import every_resource
from tests.sync.resources.every_resource import Row, SandboxVendor

# Types that say nothing about a record: of the app itself, of a contact's way through a campaign, of one delivery.
NO_RECORD = {"INSTALL", "UNINSTALL", "PLAN_CHANGE", "CampaignStatusUpdate", "LCEmailStats"}

UNSAID = {"updatedAt", "createdAt"}  # what events leave out here, so that they are dated by their time
PLACE = {"locationId", "altId", "altType"}


@pytest.fixture
def sandboxed(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[App, SandboxVendor]]:
    """The sandbox with an app that is installed on its agency and a location. Its quota would let it take minutes."""
    monkeypatch.setattr(client, "permitted", lambda *_, **__: nullcontext(Mock()))
    for sandbox in run_vendor(contacts=1, locations=1, seed=8_100, limit=100_000, daily=10_000_000):
        scopes = set().union(*(one.scopes for api in ("v2", "v3") for one in listed_in(api)))
        app = make_app(sandbox, scopes=" ".join(sorted(scopes)))
        company_id, location_id = install_everywhere(sandbox, app)
        yield app, SandboxVendor(location_id, company_id, sandbox)


def plan_of(app: App, vendor: SandboxVendor, resource: Resource) -> Plan:
    return Plan.objects.create(
        app=app, location_id=vendor.tenant_id(resource), resource=resource.name, created_at=clock.now()
    )


def run(plan: Plan, **fields: Any) -> Run:
    """A run to its end."""
    started = start(Plan.objects.get(pk=plan.pk), **fields)
    for _ in range(10):
        runs.advance(started.pk)
        started.refresh_from_db()
        if started.status != Run.Status.RUNNING:
            break
        wake(started)
    assert (started.status, started.error) == ("complete", ""), plan
    return started


def copy(resource: Resource) -> dict[str, Row]:
    rows = Record.objects.filter(resource=resource.name, deleted_at=None)
    return dict(rows.values_list("record_id", "payload"))


def truth(resource: Resource, rows: list[Row]) -> dict[str, Row]:
    return {resource.record_id(row) or "": resource.payload(row) for row in rows}


def make_parents(vendor: SandboxVendor, app: App, resource: Resource) -> list[str]:
    """Two parents at the vendor, and those above them; what the resource's operation is asked with for each."""
    below, values = resource.below, [""]
    for parent in every_resource.parents(resource):
        above = parent.below
        named = {above.named or above.parameter: _value(above, 0)} if above else {}
        rows = [every_resource.row(parent, number, clock.now() - timedelta(days=3), **named) for number in range(2)]
        vendor.give(parent, rows)
        if below is not None and parent == below.resource:
            values = [below.value(row) or "" for row in rows]
            for row in rows if below.by_change else ():
                Record.objects.create(
                    app=app,
                    location_id=vendor.tenant_id(parent),
                    resource=parent.name,
                    record_id=parent.record_id(row) or "",
                    payload=row,
                    version_at=clock.now(),
                    updated_at=clock.now() - timedelta(hours=2),
                )
    return values


def _value(above: Any, number: int) -> str:
    return above.value(every_resource.row(above.resource, number, clock.now())) or ""


def rows_of(resource: Resource, values: list[str], numbers: list[int]) -> list[Row]:
    below, made = resource.below, []
    for number in numbers:
        named = {below.named or below.parameter: values[number % len(values)]} if below else {}
        made.append(every_resource.row(resource, number, clock.now() - timedelta(days=2), **named))
    return made


@pytest.mark.slow
@pytest.mark.timeout(240)  # two thousand requests, half a minute on an idle machine
@pytest.mark.parametrize("dialect", ["v2", "v3"])
def test_every_resource_is_kept_equal_to_the_vendors_rows(sandboxed: tuple[App, SandboxVendor], dialect: str) -> None:
    app, vendor = sandboxed
    App.objects.filter(pk=app.pk).update(dialect=dialect)
    app.refresh_from_db()
    here = listed_in(dialect)
    for resource in here:
        _keeps_equal(app, vendor, resource)
        Record.objects.all().delete()
    assert len(here) > {"v2": 82, "v3": 13}[dialect]


def listed_in(dialect: str) -> list[Resource]:
    """The resources of the dialect, but contacts and opportunities: these have tests of their own."""
    both = [(resource.on("v2"), resource.on("v3")) for resource in RESOURCES.values()]
    if dialect == "v3":  # what v3 lists as API 2.0 does is asked with the same request
        here = [three for two, three in both if three and (not two or _listed_as(two) != _listed_as(three))]
    else:
        here = [two for two, _ in both if two]
    return [resource for resource in here if resource.name not in ("contacts", "opportunities")]


def _listed_as(resource: Resource) -> Any:
    return resource.operation, resource.style, resource.single


def _keeps_equal(app: App, vendor: SandboxVendor, resource: Resource) -> None:
    values, plan = make_parents(vendor, app, resource), plan_of(app, vendor, resource)
    rows = rows_of(resource, values, [0] if resource.only_one else [1, 2, 3])
    vendor.give(resource, rows)
    run(plan)
    assert copy(resource) == truth(resource, rows), resource.name

    changed = {**rows[0], "name": "Changed"}
    rows = [changed] if resource.only_one else [changed, rows[2], *rows_of(resource, values, [4])]
    vendor.give(resource, rows)
    _change_parents(resource, timedelta(hours=1))
    run(plan, **({} if _is_visited(resource) else {"full_due_at": None}))
    if resource.single is None:
        missing = Record.objects.filter(resource=resource.name, missing_at__isnull=False)
        missing.update(missing_at=clock.now() - pace.AGREE_AFTER - timedelta(minutes=1))
        _change_parents(resource, timedelta(minutes=30))
        run(plan, **({} if _is_visited(resource) else {"full_due_at": None}))
    assert copy(resource) == truth(resource, rows), resource.name
    _follows_events(app, vendor, plan, resource, rows)


def _is_visited(resource: Resource) -> bool:
    return resource.below is not None and resource.below.by_change


def _change_parents(resource: Resource, ago: timedelta) -> None:
    """The parents changed at that time, so that a run visits them."""
    if resource.below is not None and resource.below.by_change:
        parents = Record.objects.filter(resource=resource.below.resource.name)
        parents.update(updated_at=clock.now() - ago)


def _follows_events(app: App, vendor: SandboxVendor, plan: Plan, resource: Resource, rows: list[Row]) -> None:
    """Each type of event: an update is laid over the record, a creation makes one, a deletion ends it.

    After each the copy has what the event said, and after a run it equals the vendor's rows to the last field.
    """
    rows, backwards = list(rows), {of_row: of_event for of_event, of_row in resource.renames.items()}

    def told(row: Row) -> Row:
        return {backwards.get(name, name): value for name, value in row.items()}

    for event_type in sorted(resource.updates):
        rows[0] = {**rows[0], "title": event_type}
        _send(app, vendor, resource, event_type, told(rows[0]))
        assert _without_place(copy(resource)) == _without_place(truth(resource, rows)), event_type
    names = [name for name in resource.ids if name in rows[0]]
    for event_type in sorted(resource.creates) if not resource.only_one else ():
        rows.append({**rows[0], **dict.fromkeys(names, f"new{event_type[:20]}")})
        _send(app, vendor, resource, event_type, told(rows[-1]))
        assert _undated(copy(resource)) == _undated(truth(resource, rows)), event_type
    gone = rows.pop(0) if resource.deletes else {}
    for event_type in sorted(resource.deletes):
        _send(app, vendor, resource, event_type, told(gone))
        assert copy(resource).keys() == truth(resource, rows).keys(), event_type
    if resource.events:
        vendor.give(resource, rows)
        _let_an_hour_pass(resource)
        run(plan, **({} if _is_visited(resource) else {"full_due_at": None}))
        assert copy(resource) == truth(resource, rows), resource.name


def _without_place(records: dict[str, Row]) -> dict[str, Row]:
    """Without the names by which an event says where its record is; the next run replaces them with the row's."""
    return {key: {name: row[name] for name in row.keys() - PLACE} for key, row in records.items()}


def _undated(records: dict[str, Row]) -> dict[str, Row]:
    """The same, and what events made without the dates that they leave out."""
    return {
        key: {name: row[name] for name in row if name not in UNSAID or not key.startswith("new")}
        for key, row in _without_place(records).items()
    }


def _let_an_hour_pass(resource: Resource) -> None:
    """What events said lies an hour back, so that a listing that was read after them counts."""
    hour = timedelta(hours=1)
    earlier = {name: F(name) - hour for name in ("version_at", "alive_at", "deleted_at")}
    Record.objects.filter(resource=resource.name).update(**earlier)
    _change_parents(resource, timedelta(minutes=10))


def _send(app: App, vendor: SandboxVendor, resource: Resource, event_type: str, said: Row) -> None:
    """The event as the vendor's page has it: flat, in an object, or naming its account instead of its location."""
    said = {name: value for name, value in said.items() if name not in UNSAID}
    payload = {resource.event_object: said} if resource.event_object else said
    known = event_types()[event_type].fields
    names_location = "locationId" in known and resource.kind == "location"
    where = {"locationId": vendor.location_id} if names_location else {"companyId": vendor.company_id}
    if "altId" in known and "locationId" not in known:
        where = {"altId": vendor.location_id, "altType": "location"}
    event = {"type": event_type, "timestamp": clock.now().isoformat(), **payload, **where}
    webhook_handlers.apply(Event(app=app, type=event_type, payload=event, occurred_at=clock.now()))


def test_every_published_event_about_a_record_has_a_resource() -> None:
    handled = set[str]().union(*(resource.events | resource.recheck for resource in RESOURCES.values()))
    published = {name for name, one in event_types().items() if one.published}
    assert published - handled == NO_RECORD
