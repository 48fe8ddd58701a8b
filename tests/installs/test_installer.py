"""Who installed the app: asked once where the grant has its scope. What the grant lacks is on the result page."""

from __future__ import annotations

import logging
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import pytest
from pytest_django import Settings

from integrations.core import clock
from integrations.core.tenant import Tenant
from integrations.installs.reconcile import reconcile
from integrations.tenants import agency_plan, marketplace
from integrations.tenants.models import App, Installation
from tests.installs.conftest import Worker, installation
from tests.installs.journey import Browser
from tests.plugin.vendor import SCOPES, Vendor


@pytest.fixture
def allowed(app: App, settings: Settings) -> App:
    """The app asks for the scope, and gets it."""
    settings.HIGHLEVEL_SCOPES = [*SCOPES.split(), agency_plan.ASKED_WITH]
    App.objects.filter(pk=app.pk).update(scopes=" ".join(settings.HIGHLEVEL_SCOPES))
    marketplace.reset()
    app.refresh_from_db()
    return app


def address(app: App) -> str:
    return f"/marketplace/app/{app.highlevel_id}/installations"


def times_asked(vendor: Vendor, app: App) -> int:
    return sum((one.method, one.path) == ("GET", address(app)) for one in vendor.asked())


def reconcile_again(row: Installation) -> Installation:
    Installation.objects.update(status_at=clock.now())
    reconcile(row.pk)
    row.refresh_from_db()
    return row


def test_an_agencys_plan_and_owner_are_asked_for_once_and_kept(
    allowed: App, browser: Browser, vendor: Vendor, worker: Worker
) -> None:
    browser.install()
    worker.drain()
    row = installation(vendor.company)
    assert row.installer["companyPlan"] == "agency_monthly_497"
    assert row.installer["companyOwnerFullName"]
    assert "@" in row.installer["companyEmail"]
    asked_at = row.installer_asked_at
    assert asked_at is not None
    for tenant in (row.tenant, Tenant.location(vendor.locations[0])):
        assert agency_plan.of(allowed, tenant) == "agency_monthly_497"
    assert reconcile_again(row).installer_asked_at == asked_at
    assert times_asked(vendor, allowed) == 1


def test_a_locations_own_token_gets_no_plan_and_is_asked_once_too(
    allowed: App, browser: Browser, vendor: Vendor, worker: Worker
) -> None:
    browser.install(vendor.locations[0])
    worker.drain()
    row = reconcile_again(installation(vendor.locations[0]))
    assert row.installer.keys() == {"relationshipNumber"}
    assert agency_plan.of(allowed, row.tenant) == ""
    assert times_asked(vendor, allowed) == 1


def test_without_the_scope_nothing_is_asked(app: App, browser: Browser, vendor: Vendor, worker: Worker) -> None:
    browser.install()
    worker.drain()
    row = installation(vendor.company)
    assert (row.is_installed, row.installer, row.installer_asked_at) == (True, {}, None)
    assert times_asked(vendor, app) == 0


def test_a_refusal_is_logged_and_stops_nothing(
    allowed: App, browser: Browser, vendor: Vendor, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fault(address(allowed), "status", times=None, status=422)
    with caplog.at_level(logging.INFO):
        browser.install()
        worker.drain()
    row = installation(vendor.company)
    (said,) = (line for line in caplog.text.splitlines() if "installs.installer_unknown" in line)
    assert vendor.company in said
    assert "request_rejected" in said
    assert (row.installer, row.installer_asked_at is not None, row.reconciled_at is not None) == ({}, True, True)
    assert {installation(location).status for location in vendor.locations} == {Installation.Status.INSTALLED}
    reconcile_again(row)
    assert times_asked(vendor, allowed) == 1


def test_the_result_page_says_which_permissions_are_missing_and_asks_again(
    app: App, browser: Browser, vendor: Vendor
) -> None:
    parts = urlsplit(browser.begin())
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    query["scope"] = query["scope"].replace("opportunities.readonly ", "")
    fewer = urlunsplit(parts._replace(query=urlencode(query).replace("+", "%20")))
    page = browser.result(browser.back(browser.consent(fewer, vendor.locations[0]))).content.decode()
    assert "Some permissions are missing" in page
    assert "<code>opportunities.readonly</code>" in page
    assert "sync of opportunities" in page
    assert 'href="/install/again/' in page
    granted = browser.install(vendor.locations[0]).content.decode()
    assert "Some permissions are missing" not in granted
    assert "/install/again/" not in granted
