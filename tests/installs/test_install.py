"""An install from the first page to connected locations: agency and sub-account, from our page and the marketplace."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from django.contrib.auth.models import User
from django.test import Client

from integrations.core import clock
from integrations.core.models import AuditEntry
from integrations.gateway import client as gateway
from integrations.installs.browser.result_link import cookie_name
from integrations.installs.claim import claim
from integrations.installs.models import InstallState
from integrations.tenants.models import App, Installation
from integrations.tokens.models import Credential
from tests.installs.conftest import Worker, credential, installation
from tests.installs.journey import Browser
from tests.plugin.vendor import Vendor

Status, Origin = Installation.Status, Installation.Origin


def test_the_page_says_what_comes_and_leads_on(client: Client, app: App) -> None:
    page = client.get("/install/", {"app": app.highlevel_id})
    assert page.status_code == 200
    assert b"contacts" in page.content.lower()
    assert f"/install/?app={app.highlevel_id}&amp;go=1" in page.content.decode()
    assert not InstallState.objects.exists(), "nothing is issued before somebody asks"


def test_the_way_to_the_vendor(browser: Browser, app: App) -> None:
    answer = browser.client.get("/install/", {"go": 1})
    query = parse_qs(urlsplit(answer["Location"]).query)
    assert query["client_id"] == [app.client_id]
    assert query["scope"] == [app.scopes]
    assert "+" not in answer["Location"]
    cookie = answer.cookies[cookie_name()]
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"], cookie["path"]) == (True, True, "Lax", "/")
    row = InstallState.objects.get()
    secrets = {query["state"][0].encode(), cookie.value.encode()}
    assert not secrets & {bytes(row.digest), bytes(row.browser)}, "only digests are kept"
    assert "no-store" in answer["Cache-Control"]


def test_an_agency_and_all_its_locations(browser: Browser, vendor: Vendor, worker: Worker) -> None:
    page = browser.install()
    assert b"is installed" in page.content
    company = installation(vendor.company)
    assert (company.status, company.origin, company.is_bulk) == (Status.INSTALLED, Origin.APP, True)
    assert company.claimed_at
    worker.drain()
    assert worker.put_off == []
    children = Installation.objects.filter(parent=company)
    assert {child.resource_id for child in children} == set(vendor.locations)
    assert {child.status for child in children} == {Status.INSTALLED}
    assert all(child.claimed_at and child.company_id == vendor.company for child in children)
    assert {child.location.name for child in children if child.location} == {
        place["name"] for place in vendor.state()["locations"].values()
    }
    assert worker.to_sync(Status.INSTALLED) == set(vendor.locations)
    assert Credential.objects.filter(state=Credential.State.ACTIVE).count() == 1 + len(vendor.locations)
    assert vendor.state()["token_requests"] == {"authorization_code": 1, "location_token": len(vendor.locations)}
    company.refresh_from_db()
    assert company.reconciled_at
    assert company.reconcile_due_at is not None
    assert company.reconcile_due_at > clock.now()
    for location in vendor.locations:
        answer = gateway.call("locations.get-location", app=company.app, location=location)
        assert answer.json["location"]["id"] == location


def test_an_agency_with_only_some_of_its_locations(browser: Browser, vendor: Vendor, worker: Worker) -> None:
    chosen = vendor.locations[1]
    browser.result(browser.back(vendor.consent(browser.begin(), mode="bulk", locations=chosen)))
    worker.drain()
    company = installation(vendor.company)
    assert [child.resource_id for child in Installation.objects.filter(parent=company)] == [chosen]


def test_one_location(browser: Browser, vendor: Vendor, worker: Worker) -> None:
    location = vendor.locations[0]
    page = browser.install(location)
    row = installation(location)
    assert row.location is not None
    assert row.location.id in page.content.decode() or row.location.name in page.content.decode()
    assert (row.status, row.origin, row.parent, row.company_id) == (Status.INSTALLED, Origin.APP, None, vendor.company)
    worker.drain()
    assert worker.to_sync(Status.INSTALLED) == {location}
    assert str(installation(location).location) == vendor.state()["locations"][location]["name"]
    assert vendor.state()["token_requests"] == {"authorization_code": 1}
    assert gateway.call("locations.get-location", app=row.app, location=location).status == 200


def test_an_operators_install_carries_their_name(browser: Browser, vendor: Vendor) -> None:
    browser.client.force_login(User.objects.create_user("ada"))
    browser.install(vendor.locations[0])
    assert installation(vendor.locations[0]).claimed_by == "operator ada"


def test_neither_a_reload_nor_the_history_holds_the_code(browser: Browser, vendor: Vendor) -> None:
    address = browser.consent(browser.begin())
    answer = browser.back(address)
    code = parse_qs(urlsplit(address).query)["code"][0]
    assert code not in answer["Location"]
    assert "no-store" in answer["Cache-Control"]


def test_from_the_marketplace_it_works_and_shows_nothing(browser: Browser, vendor: Vendor, worker: Worker) -> None:
    page = browser.install_from_marketplace().content.decode()
    row = installation(vendor.company)
    assert (row.status, row.origin, row.claimed_at) == (Status.INSTALLED, Origin.MARKETPLACE, None)
    names = [vendor.company, *vendor.locations, *(place["name"] for place in vendor.state()["locations"].values())]
    assert [name for name in names if name in page] == []
    assert "One more step" in page
    worker.drain()
    children = Installation.objects.filter(parent=row)
    assert {(child.status, child.claimed_at) for child in children} == {(Status.INSTALLED, None)}
    assert len(children) == len(vendor.locations)
    assert worker.to_sync(Status.INSTALLED) == set(vendor.locations)


def test_a_claim_takes_the_locations_along_and_is_made_once(browser: Browser, vendor: Vendor, worker: Worker) -> None:
    browser.install_from_marketplace()
    worker.drain()
    row = installation(vendor.company)
    assert claim(row, by="user u1", now=clock.now())
    assert not claim(row, by="user u2", now=clock.now())
    assert set(Installation.objects.values_list("claimed_by", flat=True)) == {"user u1"}
    assert AuditEntry.objects.filter(action="install.claimed").count() == 1


def test_a_location_that_comes_later_is_claimed_with_its_company(
    browser: Browser, vendor: Vendor, worker: Worker
) -> None:
    browser.install_from_marketplace(future_locations="on")
    worker.drain()
    claim(installation(vendor.company), by="user u1", now=clock.now())
    late = vendor.post("/sandbox/locations", {"company": vendor.company, "name": "Late"})["id"]
    worker.sweep()
    assert installation(late).claimed_by == "user u1"


def test_installing_again_keeps_the_tenant_and_its_claim(browser: Browser, vendor: Vendor, worker: Worker) -> None:
    browser.install()
    worker.drain()
    before = credential(vendor.company).generation
    browser.install_from_marketplace()
    row = installation(vendor.company)
    assert row.generation == 1
    assert row.claimed_at
    assert credential(vendor.company).generation == before + 1
    assert Installation.objects.count() == 1 + len(vendor.locations)


def test_the_result_page_cannot_be_guessed(browser: Browser, vendor: Vendor) -> None:
    browser.install()
    for forged in ("1", "MQ:1abc:def", "x" * 300):
        page = browser.client.get(f"/install/done/{forged}")
        assert page.status_code == 400
        assert vendor.company not in page.content.decode()
