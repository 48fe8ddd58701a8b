"""INSTALL and UNINSTALL come before the callback, after it, twice and late; the end is always the same."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from integrations.core import audit, clock
from integrations.core.errors import PayloadAnomalous
from integrations.core.models import AuditEntry
from integrations.installs import complete, events, uninstall
from integrations.sandbox.data.seed import seed
from integrations.tenants.models import App, Installation
from integrations.tokens import store
from integrations.tokens.models import Credential
from tests.installs.conftest import Worker, credential, installation
from tests.installs.journey import Browser
from tests.plugin.vendor import Vendor, location_grant
from tests.support.waiting import TIMEOUT

Status, Origin, State = Installation.Status, Installation.Origin, Credential.State
SECOND = timedelta(seconds=1)


def agency(vendor: Vendor, **more: Any) -> dict[str, Any]:
    return {"type": "INSTALL", "companyId": vendor.company, "companyName": "Bright Agency", "userId": "u1", **more}


def place(location: str, **more: Any) -> dict[str, Any]:
    return {"type": "INSTALL", "locationId": location, **more}


def consenting(vendor: Vendor) -> str:
    """The user who consents at the vendor's page, whom the token answer names: not the one of the event."""
    chosen = vendor.options
    world = seed(companies=chosen.companies, locations=chosen.locations, contacts=chosen.contacts, seed=chosen.seed)
    return next(iter(world.companies[vendor.company].users))


def everything() -> dict[str, tuple[str, str | None, str]]:
    """What the end of it all looks like: status, company and credential of every installation."""
    states = dict(Credential.objects.values_list("resource_id", "state"))
    return {
        row.resource_id: (row.status, row.company_id, states.get(row.resource_id, "none"))
        for row in Installation.objects.all()
    }


@pytest.fixture
def whole(vendor: Vendor) -> dict[str, tuple[str, str | None, str]]:
    """The end of a bulk install."""
    return dict.fromkeys((vendor.company, *vendor.locations), (Status.INSTALLED, vendor.company, State.ACTIVE))


def test_the_events_before_the_callback(
    browser: Browser, vendor: Vendor, app: App, worker: Worker, whole: dict[str, Any]
) -> None:
    address = browser.consent(browser.begin())
    events.installed(app, agency(vendor), clock.now())
    for location in vendor.locations:
        events.installed(app, place(location, companyId=vendor.company), clock.now())
    worker.drain()
    assert set(Installation.objects.values_list("status", flat=True)) == {Status.PENDING}
    assert not AuditEntry.objects.filter(action="token.needs_reconnect").exists(), "nothing is broken, only early"
    browser.back(address)
    worker.drain()
    assert everything() == whole
    assert worker.to_sync(Status.INSTALLED) == set(vendor.locations)
    company = installation(vendor.company)
    assert company.company is not None
    assert company.company.name == "Bright Agency"
    assert (company.generation, bool(company.claimed_at), company.installer_id) == (1, True, consenting(vendor))
    assert installation(vendor.locations[0]).parent == company


def test_the_events_after_the_callback_and_twice(
    browser: Browser, vendor: Vendor, app: App, worker: Worker, whole: dict[str, Any]
) -> None:
    browser.install()
    worker.drain()
    minted = vendor.state()["token_requests"]
    for _ in range(2):
        events.installed(app, agency(vendor), clock.now())
        for location in vendor.locations:
            events.installed(app, place(location, companyId=vendor.company), clock.now())
        worker.drain()
    assert everything() == whole
    assert vendor.state()["token_requests"] == minted, "who has a token needs no other"
    assert set(Installation.objects.values_list("generation", flat=True)) == {1}


def test_one_locations_event_before_its_callback(browser: Browser, vendor: Vendor, app: App, worker: Worker) -> None:
    location = vendor.locations[0]
    address = browser.consent(browser.begin(), location)
    events.installed(app, place(location, companyId=vendor.company), clock.now())
    worker.drain()
    row = installation(location)
    assert (row.status, row.origin) == (Status.PENDING, Origin.EVENT)
    assert row.reconcile_due_at is not None
    browser.back(address)
    worker.drain()
    assert everything() == {location: (Status.INSTALLED, vendor.company, State.ACTIVE)}
    assert installation(location).origin == Origin.APP, "the event could not tell where it began"


def test_a_future_location_names_no_company(browser: Browser, vendor: Vendor, app: App, worker: Worker) -> None:
    browser.install(future_locations="on")
    worker.drain()
    late = vendor.post("/sandbox/locations", {"company": vendor.company, "name": "Late"})["id"]
    events.installed(app, place(late), clock.now())
    assert installation(late).company is None
    worker.drain()
    row = installation(late)
    assert (row.status, row.company_id, row.parent) == (Status.INSTALLED, vendor.company, installation(vendor.company))
    assert row.location is not None
    assert (row.location.name, row.location.company_id) == ("Late", vendor.company)
    assert bool(row.claimed_at)
    assert late in worker.to_sync(Status.INSTALLED)


def test_a_location_nobody_knows_waits_and_harms_nobody(vendor: Vendor, app: App, worker: Worker) -> None:
    events.installed(app, place("stranger"), clock.now())
    worker.drain()
    row = installation("stranger")
    assert row.status == Status.PENDING
    assert row.reconcile_due_at is not None
    assert row.reconcile_due_at > clock.now() + timedelta(minutes=30)
    assert worker.to_sync(Status.INSTALLED) == set()


def test_an_uninstalled_location_loses_its_tokens_and_its_data(
    browser: Browser, vendor: Vendor, app: App, worker: Worker
) -> None:
    browser.install()
    worker.drain()
    gone, *rest = vendor.locations
    events.uninstalled(app, {"type": "UNINSTALL", "locationId": gone}, clock.now())
    worker.drain()
    row = credential(gone)
    assert (row.state, row.access_sealed, row.refresh_sealed, row.refresh_due_at) == (State.REVOKED, None, None, None)
    assert worker.to_sync(Status.UNINSTALLED) == {gone}
    assert installation(gone).status == Status.UNINSTALLED
    assert installation(gone).claimed_at is None
    assert all(installation(name).is_installed for name in (vendor.company, *rest))
    assert AuditEntry.objects.filter(action="install.removed", subject=f"Location:{gone}").count() == 1


def test_an_agency_takes_its_locations_along(browser: Browser, vendor: Vendor, app: App, worker: Worker) -> None:
    browser.install()
    worker.drain()
    events.uninstalled(app, {"type": "UNINSTALL", "companyId": vendor.company}, clock.now())
    worker.drain()
    assert {status for status, _, _ in everything().values()} == {Status.UNINSTALLED}
    assert {state for _, _, state in everything().values()} == {State.REVOKED}
    assert worker.to_sync(Status.UNINSTALLED) == {vendor.company, *vendor.locations}
    assert not Installation.objects.filter(reconcile_due_at__isnull=False).exists()


def test_but_not_a_location_that_came_back_since(browser: Browser, vendor: Vendor, app: App, worker: Worker) -> None:
    browser.install()
    worker.drain()
    moment = clock.now()
    back = vendor.locations[0]
    events.installed(app, place(back, companyId=vendor.company), moment + SECOND)
    events.uninstalled(app, {"type": "UNINSTALL", "companyId": vendor.company}, moment)
    assert installation(back).is_installed
    assert installation(vendor.locations[1]).status == Status.UNINSTALLED


def test_a_late_uninstall_does_not_kill_the_next_installation(
    browser: Browser, vendor: Vendor, app: App, worker: Worker
) -> None:
    """Seen live: UNINSTALL, 18 seconds later INSTALL; the first may be delivered last (FACTS 3.4)."""
    location = vendor.locations[0]
    left = clock.now()
    browser.install(location)
    for body in ({"locationId": location}, {"companyId": vendor.company}):
        events.uninstalled(app, {"type": "UNINSTALL", **body}, left)
    assert installation(location).is_installed
    assert credential(location).state == State.ACTIVE


def test_a_late_install_does_not_revive_what_left_since(
    browser: Browser, vendor: Vendor, app: App, worker: Worker
) -> None:
    location = vendor.locations[0]
    browser.install(location)
    came = clock.now()
    vendor.post(f"/sandbox/locations/{location}/uninstall")
    events.uninstalled(app, {"type": "UNINSTALL", "locationId": location}, came + SECOND)
    events.installed(app, place(location, companyId=vendor.company), came)
    worker.drain()
    row = installation(location)
    assert (row.status, row.generation, row.reconcile_due_at) == (Status.UNINSTALLED, 1, None)


@pytest.mark.parametrize("skew", [timedelta(0), timedelta(minutes=2)])
def test_a_grant_in_hand_beats_a_clock_that_is_ahead(
    browser: Browser, vendor: Vendor, app: App, worker: Worker, skew: timedelta
) -> None:
    location = vendor.locations[0]
    browser.install(location)
    events.uninstalled(app, {"type": "UNINSTALL", "locationId": location}, clock.now() + skew)
    browser.install(location)
    worker.drain()
    row = installation(location)
    assert (row.status, row.generation) == (Status.INSTALLED, 2)
    assert credential(location).state == State.ACTIVE


def test_a_new_install_counts_a_generation_and_drops_old_claims(
    browser: Browser, vendor: Vendor, app: App, worker: Worker
) -> None:
    browser.install()
    worker.drain()
    events.uninstalled(app, {"type": "UNINSTALL", "companyId": vendor.company}, clock.now())
    vendor.post(f"/sandbox/companies/{vendor.company}/uninstall")
    old = {row.resource_id: row.generation for row in Credential.objects.all()}
    browser.install_from_marketplace()
    worker.drain()
    rows = Installation.objects.all()
    assert {(row.status, row.generation, row.claimed_at) for row in rows} == {(Status.INSTALLED, 2, None)}
    assert all(row.generation > old[row.resource_id] for row in Credential.objects.all())
    assert {row.origin for row in rows} == {Origin.MARKETPLACE, Origin.BULK}


def test_a_location_back_on_its_own_belongs_to_no_bulk_install(
    browser: Browser, vendor: Vendor, app: App, worker: Worker
) -> None:
    browser.install()
    worker.drain()
    events.uninstalled(app, {"type": "UNINSTALL", "companyId": vendor.company}, clock.now())
    vendor.post(f"/sandbox/companies/{vendor.company}/uninstall")
    location = vendor.locations[0]
    browser.install(location)
    worker.drain()
    row = installation(location)
    assert (row.status, row.parent, row.origin) == (Status.INSTALLED, None, Origin.APP)
    assert installation(vendor.company).status == Status.UNINSTALLED


def test_nor_to_the_one_that_was_removed_when_its_event_comes_first(
    browser: Browser, vendor: Vendor, app: App, worker: Worker
) -> None:
    browser.install()
    worker.drain()
    location = vendor.locations[0]
    events.uninstalled(app, agency(vendor), clock.now() + SECOND)
    events.installed(app, place(location, companyId=vendor.company), clock.now() + 2 * SECOND)
    row = installation(location)
    assert (row.status, row.origin, row.parent) == (Status.PENDING, Origin.EVENT, None)


def test_an_uninstall_of_an_unknown_tenant_leaves_a_tombstone(app: App, vendor: Vendor) -> None:
    left = clock.now()
    events.uninstalled(app, {"type": "UNINSTALL", "locationId": "stranger"}, left)
    events.uninstalled(app, {"type": "UNINSTALL", "companyId": "agency"}, left)
    before, after = left - SECOND, left + SECOND
    events.installed(app, place("stranger"), before)
    events.installed(app, {"companyId": "agency"}, before)
    events.installed(app, place("below", companyId="agency"), before)
    assert set(Installation.objects.values_list("resource_id", "status")) == {
        ("stranger", Status.UNINSTALLED),
        ("agency", Status.UNINSTALLED),
    }
    events.installed(app, place("stranger"), after)
    events.installed(app, place("below", companyId="agency"), after)
    assert installation("stranger").status == installation("below").status == Status.PENDING


def test_an_uninstall_twice_is_one(browser: Browser, vendor: Vendor, app: App, worker: Worker) -> None:
    location = vendor.locations[0]
    browser.install(location)
    for _ in range(2):
        events.uninstalled(app, {"type": "UNINSTALL", "locationId": location}, clock.now())
    assert AuditEntry.objects.filter(action="install.removed", actor="highlevel").count() == 1


def test_a_refresh_that_ends_during_the_uninstall_saves_nothing(
    browser: Browser, vendor: Vendor, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The generation moves between anybody's look at the row and the wiping."""
    location = vendor.locations[0]
    browser.install(location)
    key = store.location(app, location)
    stale = store.find(key)
    Credential.objects.filter(resource_id=location).update(generation=7)
    monkeypatch.setattr(store, "find", lambda _: stale)
    events.uninstalled(app, {"type": "UNINSTALL", "locationId": location}, clock.now())
    row = credential(location)
    assert (row.state, row.generation, row.access_sealed) == (State.REVOKED, 8, None)


@pytest.mark.parametrize("payload", [{}, {"locationId": 7}, {"locationId": None, "companyId": []}, {"companyId": ""}])
def test_an_event_without_tenant_ids(app: App, vendor: Vendor, payload: dict[str, Any]) -> None:
    for note in (events.installed, events.uninstalled):
        with pytest.raises(PayloadAnomalous):
            note(app, payload, clock.now())


def test_another_app_on_the_same_location_is_not_touched(
    browser: Browser, vendor: Vendor, app: App, worker: Worker
) -> None:
    other = App.objects.create(
        name="Other",
        client_id="77b1419a0dffa47fb5f8b33a-other",
        highlevel_id="77b1419a0dffa47fb5f8b33a",
        api_url=vendor.url,
        marketplace_url=vendor.url,
        client_secret_sealed=b"-",
        created_at=clock.now(),
    )
    location = vendor.locations[0]
    browser.install(location)
    events.uninstalled(other, {"type": "UNINSTALL", "locationId": location}, clock.now())
    events.uninstalled(other, {"type": "UNINSTALL", "companyId": vendor.company}, clock.now())
    assert Installation.objects.get(app=app).is_installed


def test_an_agency_leaves_while_a_location_of_it_is_installed(
    browser: Browser, vendor: Vendor, app: App, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The callback holds the location's row and waits for the audit trail: who holds the trail must not wait for it."""
    browser.install()
    worker.drain()
    location, put = vendor.locations[0], store.save_grant
    grant = location_grant(vendor, app, location)
    holds, leaving = threading.Event(), threading.Event()
    revoke = uninstall.store.revoke

    def slow_put(*arguments: Any, **named: Any) -> Any:
        row = put(*arguments, **named)
        holds.set()
        assert leaving.wait(TIMEOUT)
        return row

    def announced_wipe(*arguments: Any, **named: Any) -> None:
        revoke(*arguments, **named)
        leaving.set()

    def callback() -> None:
        try:
            complete.complete(app, grant, origin="app", claimant="x", now=clock.now())
        finally:
            connections.close_all()

    monkeypatch.setattr(complete.store, "save_grant", slow_put)
    monkeypatch.setattr(uninstall.store, "revoke", announced_wipe)
    with ThreadPoolExecutor(1) as pool:
        arriving = pool.submit(callback)
        assert holds.wait(TIMEOUT)
        events.uninstalled(app, {"companyId": vendor.company}, clock.now())
        arriving.result(TIMEOUT)
    assert installation(vendor.company).status == Status.UNINSTALLED
    assert audit.verify() is None
