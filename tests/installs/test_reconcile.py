"""The walk over the vendor's list: what is new comes in, what is gone goes, and no interruption changes the end."""

from __future__ import annotations

import itertools
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from pytest_django import Settings

from integrations.core import clock
from integrations.core.errors import GrantRevoked, PayloadAnomalous, QuotaExhausted, ServerFault
from integrations.core.models import AuditEntry
from integrations.gateway import client as gateway
from integrations.installs import events, vendor_list
from integrations.installs.reconcile import reconcile
from integrations.quota.permits import governor, process_memory
from integrations.tenants.models import App, Installation, Location
from integrations.tokens import access_cache
from integrations.tokens.models import Credential
from tests.installs.conftest import Worker, credential, installation, set_up
from tests.installs.journey import Browser
from tests.plugin.dispatch import send_due
from tests.plugin.vendor import Vendor

Status, Doubt = Installation.Status, Installation.Doubt
LISTING = "/oauth/installedLocations"


def children(status: str = Status.INSTALLED) -> set[str]:
    rows = Installation.objects.filter(user_type="Location", status=status)
    return set(rows.values_list("resource_id", flat=True))


@pytest.fixture
def company(browser: Browser, vendor: Vendor, worker: Worker) -> Installation:
    """A bulk install with future locations, at rest."""
    browser.install(future_locations="on")
    worker.drain()
    Installation.objects.update(sync_due_at=None)
    return installation(vendor.company)


def later(row: Installation) -> None:
    """Reconcile as the next time it is due, when no statement is newer than the walk."""
    Installation.objects.update(status_at=clock.now() - timedelta(seconds=1))
    reconcile(row.pk)


def test_the_vendor_gained_a_location(company: Installation, vendor: Vendor, worker: Worker) -> None:
    new = vendor.post("/sandbox/locations", {"company": vendor.company, "name": "New"})["id"]
    worker.sweep()
    assert installation(new).is_installed
    assert worker.to_sync(Status.INSTALLED) == {new}, "the others were left alone"


def test_a_location_whose_event_came_first_gets_its_name(company: Installation, vendor: Vendor) -> None:
    Location.objects.update(name="")
    later(company)
    assert dict(Location.objects.values_list("id", "name")) == {
        key: place["name"] for key, place in vendor.state()["locations"].items()
    }


def test_a_location_does_not_wait_for_its_name(company: Installation, vendor: Vendor) -> None:
    row = installation(vendor.locations[0])
    Installation.objects.filter(pk=row.pk).update(status=Status.PENDING)
    Location.objects.filter(pk=row.resource_id).update(name="")
    vendor.fault(f"/locations/{row.resource_id}", "status", status=503)
    with pytest.raises(ServerFault):
        reconcile(row.pk)
    row.refresh_from_db()
    assert (row.status, row.reconcile_due_at is not None) == (Status.INSTALLED, True), "and is asked for its name again"


def test_a_location_that_joins_its_company_on_its_own_has_its_name_at_once(
    company: Installation, vendor: Vendor
) -> None:
    location = vendor.locations[0]
    Location.objects.update(name="")
    reconcile(installation(location).pk)
    assert Location.objects.get(pk=location).name == vendor.state()["locations"][location]["name"]


def test_the_vendor_lost_a_location(company: Installation, vendor: Vendor, worker: Worker) -> None:
    gone, *rest = vendor.locations
    vendor.post(f"/sandbox/locations/{gone}/uninstall")
    later(company)
    worker.drain()
    assert (children(), children(Status.UNINSTALLED)) == (set(rest), {gone})
    assert credential(gone).state == Credential.State.REVOKED
    assert worker.to_sync(Status.UNINSTALLED) == {gone}


def test_a_location_that_came_back_is_connected_again(company: Installation, vendor: Vendor, worker: Worker) -> None:
    location = vendor.locations[0]
    vendor.post(f"/sandbox/locations/{location}/uninstall")
    later(company)
    url = f"{vendor.url}/v2/oauth/chooselocation?client_id={company.app.client_id}&response_type=code"
    vendor.bulk(url + "&redirect_uri=https%3A%2F%2Fapp.example.com%2Foauth%2Fcallback")
    later(company)
    worker.drain()
    row = installation(location)
    assert (row.status, row.generation, bool(row.claimed_at)) == (Status.INSTALLED, 2, True)
    assert gateway.call("locations.get-location", app=row.app, location=location).status == 200


def test_what_was_said_during_the_walk_is_newer_than_the_list(
    company: Installation, vendor: Vendor, worker: Worker
) -> None:
    location = vendor.locations[0]
    vendor.post(f"/sandbox/locations/{location}/uninstall")
    Installation.objects.filter(resource_id=location).update(status_at=clock.now() + timedelta(minutes=1))
    reconcile(company.pk)
    assert installation(location).is_installed


def test_an_uninstall_during_the_walk_is_the_end(
    company: Installation, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = gateway.pages

    def interrupted(*arguments: Any, **named: Any) -> Any:
        yield from whole(*arguments, **named)
        events.uninstalled(company.app, {"companyId": vendor.company}, clock.now())

    monkeypatch.setattr(gateway, "pages", interrupted)
    reconcile(company.pk)
    row = installation(vendor.company)
    assert (row.status, row.reconcile_due_at) == (Status.UNINSTALLED, None)
    assert children() == set()


@pytest.fixture
def agency(big_vendor: Vendor, settings: Settings, transactional_db: None, worker: Worker, client: Any) -> Installation:
    """An agency with 130 locations, all known here and none connected: the walk is what is looked at."""
    set_up(settings, big_vendor)
    browser = Browser(client, big_vendor)
    browser.install()
    row = installation(big_vendor.company)
    reconcile(row.pk)
    rows = Installation.objects.filter(parent=row)
    assert rows.count() == 130
    rows.update(status=Status.INSTALLED, status_at=clock.now() - timedelta(seconds=1))
    return row


def test_a_list_of_several_pages(agency: Installation, big_vendor: Vendor) -> None:
    assert children() == set(big_vendor.locations)
    later(agency)
    assert children() == set(big_vendor.locations)
    assert installation(big_vendor.company).reconciled_at


def test_without_a_permit_the_reading_goes_on_at_its_page(
    agency: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, whole = list[int](), gateway.page

    def scarce(*arguments: Any, cursor: Any = None, **named: Any) -> gateway.Page:
        asked.append(int(cursor["send"]["skip"]) if cursor else 0)
        if len(asked) == 2:
            raise QuotaExhausted("no permit", retry_after=1.0)
        return whole(*arguments, cursor=cursor, **named)

    def pages_of(turns: int) -> list[int]:
        asked.clear()
        for _ in range(turns):
            with suppress(QuotaExhausted):
                reconcile(agency.pk)
        return asked

    monkeypatch.setattr(gateway, "page", scarce)
    assert pages_of(2) == [0, 100, 100, 130]
    assert not Installation.objects.doubted().exists(), "the first page counts, too"
    assert installation(agency.resource_id).reading is None
    assert pages_of(1) == [0, 100]
    Installation.objects.filter(pk=agency.pk).ask_vendor(Doubt.EVENT, now=clock.now())
    assert pages_of(2) == [0, 100, 100, 130], "a notice is newer than the reading"


def test_a_location_that_leaves_between_two_pages_takes_no_other_along(
    agency: Installation, big_vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list closes the gap, so the first row of the next page is skipped by its offset."""
    first = big_vendor.locations[0]
    whole = gateway.pages

    def shrinking(*arguments: Any, **named: Any) -> Any:
        for number, page in enumerate(whole(*arguments, **named)):
            yield page
            if number == 0 and len(page.items) == 100:
                big_vendor.post(f"/sandbox/locations/{first}/uninstall")

    monkeypatch.setattr(gateway, "pages", shrinking)
    later(agency)
    assert children(Status.UNINSTALLED) == set()
    monkeypatch.undo()
    later(agency)
    assert children(Status.UNINSTALLED) == {first}


@pytest.mark.parametrize(("gone", "braked"), [(26, False), (27, True)])
def test_more_than_a_fifth_does_not_vanish_unseen(
    agency: Installation, big_vendor: Vendor, gone: int, braked: bool
) -> None:
    for location in big_vendor.locations[:gone]:
        big_vendor.post(f"/sandbox/locations/{location}/uninstall")
    later(agency)
    assert len(children()) == (130 if braked else 130 - gone)
    assert AuditEntry.objects.filter(action="install.brake").exists() is braked


def test_killed_in_the_middle_it_ends_the_same(
    browser: Browser, vendor: Vendor, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.install()
    row = installation(vendor.company)
    taken, take = itertools.count(), vendor_list.take

    def killed(*arguments: Any, **named: Any) -> None:
        if next(taken) == 2:
            raise KeyboardInterrupt  # whatever ends a process: nothing of ours is run after it
        take(*arguments, **named)

    monkeypatch.setattr(vendor_list, "take", killed)
    with pytest.raises(KeyboardInterrupt):
        reconcile(row.pk)
    assert children(Status.PENDING) == set(vendor.locations[:2])
    monkeypatch.undo()
    governor.send_reports()  # a late report of the dead process would make the store wait a window for its calls
    process_memory.reset()
    worker.lose()  # and its messages are lost with it
    worker.sweep()
    assert children() == set(vendor.locations)
    assert worker.to_sync(Status.INSTALLED) == set(vendor.locations)


@pytest.mark.parametrize(
    ("kind", "params", "error"),
    [
        ("status", {"status": 500}, ServerFault),
        ("quota", {}, QuotaExhausted),
        ("quota", {"daily": True}, QuotaExhausted),
    ],
)
def test_a_failed_walk_says_when_it_is_tried_again_and_removes_nothing(
    company: Installation, vendor: Vendor, kind: str, params: dict[str, Any], error: type[Exception]
) -> None:
    vendor.fault(LISTING, kind, **params)
    with pytest.raises(error):
        later(company)
    row = installation(vendor.company)
    assert row.reconcile_due_at is not None
    assert row.reconcile_due_at > clock.now()
    assert row.reconcile_due_at < clock.now() + timedelta(hours=25)
    assert children() == set(vendor.locations)


def test_an_empty_list_by_mistake_is_braked_or_asked_about_again(company: Installation, vendor: Vendor) -> None:
    vendor.fault(LISTING, "status", status=200, body={"locations": [], "count": 0})
    later(company)
    assert children() == set(vendor.locations)


def test_a_revoked_company_is_left_for_a_while(company: Installation, vendor: Vendor, worker: Worker) -> None:
    Credential.objects.filter(resource_id=vendor.company).update(state="needs_reconnect", reason="test")
    access_cache.clear()
    with pytest.raises(GrantRevoked):
        reconcile(company.pk)
    due = installation(vendor.company).reconcile_due_at
    assert due is not None
    assert due > clock.now() + timedelta(minutes=20)


def test_a_location_whose_token_cannot_be_minted_now_is_tried_again(
    browser: Browser, vendor: Vendor, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.installs.reconcile.backoff", lambda _: 600.0)  # no slow machine outlasts it
    vendor.fault("/oauth/locationToken", "status", status=503)
    browser.install()
    worker.drain()
    assert len(children()) == 2
    assert worker.put_off == [("installs.reconcile", "server_fault")]
    (late,) = Installation.objects.filter(status=Status.PENDING)
    assert late.reconcile_due_at is not None
    Credential.objects.filter(resource_id=late.resource_id).update(refresh_due_at=None)
    worker.sweep()
    assert children() == set(vendor.locations)


def test_what_is_due_is_sent_once(company: Installation, worker: Worker, app: App) -> None:
    Installation.objects.filter(pk=company.pk).update(reconcile_due_at=clock.now())
    queue = f"{current_app.conf.broker_transport_options['global_keyprefix']}urgent"
    assert [send_due() for _ in range(3)] == [1, 0, 0]
    assert worker.broker.llen(queue) == 1


def test_an_installation_in_the_new_dialect(browser: Browser, vendor: Vendor, worker: Worker) -> None:
    browser.install()
    App.objects.update(dialect="v3")
    worker.drain()
    assert children() == set(vendor.locations)


@pytest.mark.parametrize("more", [True, False])
def test_a_listing_that_contradicts_itself_takes_nobody_away(
    browser: Browser, vendor: Vendor, worker: Worker, more: bool
) -> None:
    browser.install()
    App.objects.update(dialect="v3")
    worker.drain()
    here = children()
    token = {"nextPageToken": "t"} if more else {}
    broken = {"items": [], "pagination": {"hasNextPage": more, "totalRecords": 500, **token}}
    vendor.fault("/oauth/installed-locations", "status", times=None, status=200, body=broken)
    with pytest.raises(PayloadAnomalous):
        later(installation(vendor.company))
    assert children() == here != set()
