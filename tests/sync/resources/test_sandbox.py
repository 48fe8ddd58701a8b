"""Every resource synced through the real gateway from the sandbox: catalogue, token, quota, HTTP, paging, records."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.gateway import client
from integrations.sync import plans, queries, resource_choices, runs
from integrations.sync.models import Plan, Run
from integrations.sync.resources import DEFAULTS
from integrations.tenants.models import App
from tests.plugin.vendor import SCOPES, Vendor, make_app, run_vendor
from tests.sync.conftest import connect, wake

CONTACTS = 230  # three pages


# Other ids each time: a location whose quota is suddenly forgotten (`clean_redis`) rightly rests for a window.
_seeds = itertools.count(4_000)


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    yield from run_vendor(contacts=CONTACTS, locations=1, seed=next(_seeds))


@pytest.fixture
def app(vendor: Vendor, db: None, clean_redis: Any) -> App:
    row = make_app(vendor)
    row.scopes = f"{SCOPES} calendars.readonly opportunities.write"
    row.save()
    return row


@pytest.fixture
def location(vendor: Vendor, app: App) -> str:
    """A location with a token, installed."""
    return connect(vendor, app)


def run_all() -> dict[str, Run]:
    """Run what is running to its end, past the pauses that the quota makes."""
    latest = {run.plan.resource: run for run in Run.objects.order_by("pk").select_related("plan")}
    for run in latest.values():
        for _ in range(600):
            wake(run)
            runs.advance(run.pk)
            run.refresh_from_db()
            if run.status != Run.Status.RUNNING:
                break
            clock.sleep(0.1)
    return latest


def truth(app: App, location: str) -> set[str]:
    """The ids of the sandbox's contacts, asked for in another way."""
    pages = client.pages("contacts.get-contacts", app=app, location=location, params={"locationId": location})
    return {contact["id"] for page in pages for contact in page.items}


def synced(app: App, location: str, resource: str = "contacts") -> dict[str, Any]:
    return {record.record_id: record.payload for record in queries.records(app, location, resource)}


def test_an_installed_location_is_synced_and_kept_synced(app: App, location: str) -> None:
    assert plans.make(app.pk, location) == len(DEFAULTS)
    first = run_all()
    assert {name: (run.status, run.error) for name, run in first.items()} == dict.fromkeys(DEFAULTS, ("complete", ""))
    assert first["contacts"].total == first["contacts"].seen == CONTACTS
    assert set(synced(app, location)) == truth(app, location)
    assert all(first[name].seen for name in DEFAULTS)

    _change(app, location)
    plans.request_runs(Plan.objects.filter(resource__in=("contacts", "opportunities")), clock.now(), full=False)
    second = run_all()
    assert (second["contacts"].kind, second["contacts"].deleted) == ("full", 1), "the count shows the deletion"
    assert second["opportunities"].status == "complete"
    assert set(synced(app, location)) == truth(app, location)
    assert "Changed" in {payload["firstName"] for payload in synced(app, location).values()}

    plans.request_runs(Plan.objects.filter(resource="contacts"), clock.now(), full=True)
    third = run_all()["contacts"]
    assert (third.kind, third.status, third.deleted) == ("full", "complete", 0)
    assert set(synced(app, location)) == truth(app, location)


def _change(app: App, location: str) -> None:
    """One contact is changed, one is deleted, one is new."""
    changed, gone, *_ = sorted(synced(app, location))
    call = {"app": app, "location": location}
    client.call("contacts.update-contact", params={"contactId": changed}, body={"firstName": "Changed"}, **call)
    client.call("contacts.delete-contact", params={"contactId": gone}, **call)
    client.call("contacts.create-contact", body={"locationId": location, "firstName": "New"}, **call)


def test_faults_of_the_vendor_cost_time_and_nothing_else(vendor: Vendor, app: App, location: str) -> None:
    vendor.fault("/contacts/search", "status", status=502)
    plans.make(app.pk, location)
    run = run_all()["contacts"]
    assert (run.status, run.seen, run.error) == ("complete", CONTACTS, "")
    assert set(synced(app, location)) == truth(app, location)


def test_opportunities_are_kept_synced_by_what_changed(app: App, location: str) -> None:
    plans.make(app.pk, location)
    first = run_all()["opportunities"]
    before = synced(app, location, "opportunities")
    assert (first.kind, first.seen) == ("full", len(before))

    changed = sorted(before)[0]
    call = {"app": app, "location": location, "params": {"id": changed}}
    client.call("opportunities.update-opportunity", body={"monetaryValue": 987_654}, **call)
    for _ in range(2):  # the second one looks back past the start of the first, and sees the same row once more
        plans.request_runs(Plan.objects.filter(resource="opportunities"), clock.now(), full=False)
        run = run_all()["opportunities"]
        assert (run.kind, run.status, run.seen, run.total) == ("incremental", "complete", 1, 1)
    after = synced(app, location, "opportunities")
    assert {record_id for record_id in after if after[record_id] != before[record_id]} == {changed}
    assert after[changed]["monetaryValue"] == 987_654
    assert Plan.objects.get(resource="opportunities").cursor_at == run.started_at


def test_an_incremental_run_over_many_opportunities_follows_its_cursors(
    vendor: Vendor, app: App, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything counts as changed when the overlap reaches back far enough: pages, checkpoints and rows must fit."""
    plans.make(app.pk, location)
    first = run_all()["opportunities"]
    monkeypatch.setattr("integrations.sync.pace.OVERLAP", timedelta(days=20_000))
    monkeypatch.setattr("integrations.sync.resources.opportunities.PAGE_SIZE", 10)
    plans.request_runs(Plan.objects.filter(resource="opportunities"), clock.now(), full=False)
    run = run_all()["opportunities"]
    assert (run.kind, run.status, run.seen) == ("incremental", "complete", first.seen)
    assert run.pages >= first.seen / 10 > 2


def test_a_filter_narrows_the_listing_at_the_vendor(vendor: Vendor, app: App, location: str) -> None:
    plans.make(app.pk, location)
    resource_choices.set_filters(app, ["contacts"], {"tags": "narrow me"}, clock.now())
    first = next(
        iter(client.page("contacts.search-contacts-advanced", app=app, location=location, body={"pageLimit": 1}).items)
    )
    client.call(
        "contacts.add-tags", app=app, location=location, params={"contactId": first["id"]}, body={"tags": ["narrow me"]}
    )
    plans.start_due(clock.now())
    run_all()
    assert list(queries.records(app, location, "contacts").values_list("record_id", flat=True)) == [first["id"]]
