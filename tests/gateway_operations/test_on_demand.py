"""A call for a location without a token of its own: the company's token mints one, where the app is there in bulk."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import InstallGone, ServerFault
from integrations.core.tenant import UserType
from integrations.gateway import client
from integrations.tenants.models import App, Company, Installation, Location
from integrations.tokens import store
from integrations.tokens.models import Credential
from tests.gateway_operations.conftest import COMPANY, LOCATION, credential
from tests.gateway_operations.scripted import Scripted, json, status

MINTED = {
    "access_token": "a-minted-token",
    "refresh_token": "a-minted-refresh-token",
    "token_type": "Bearer",
    "expires_in": 86_400,
    "scope": "contacts.readonly",
    "userType": "Location",
    "companyId": COMPANY,
    "locationId": LOCATION,
}
MINT = "/oauth/locationToken"
Status = Installation.Status


@pytest.fixture(autouse=True)
def agency(app: App) -> Installation:
    """The app is installed in bulk on a company to which the location belongs."""
    company = Company.objects.create(id=COMPANY, created_at=clock.now())
    Location.objects.create(id=LOCATION, company=company, created_at=clock.now())
    credential(app, "company", scopes="oauth.write oauth.readonly")
    return install(app, UserType.COMPANY, COMPANY, is_bulk=True)


def install(app: App, user_type: str, resource_id: str, **fields: Any) -> Installation:
    standing = {"status": Status.INSTALLED, "origin": Installation.Origin.APP} | fields
    return Installation.objects.create(
        app=app, user_type=user_type, resource_id=resource_id, status_at=clock.now(), created_at=clock.now(), **standing
    )


def call(app: App) -> Any:
    return client.call("contacts.get-contact", app=app, location=LOCATION, params={"contactId": "C"}).json


def rows() -> int:
    return Credential.objects.filter(user_type=UserType.LOCATION).count()


def test_the_first_call_mints_and_the_next_ones_do_not(app: App, scripted: Scripted, agency: Installation) -> None:
    scripted.plan(json(MINTED, 201))
    assert call(app) == {"ok": True}
    assert call(app) == {"ok": True}
    assert scripted.requests == [
        ("POST", MINT, "the-company-token"),
        ("GET", "/contacts/C", "a-minted-token"),
        ("GET", "/contacts/C", "a-minted-token"),
    ]
    agency.refresh_from_db()
    assert agency.reconcile_due_at is not None, "the next listing registers the location"


def test_a_location_that_was_uninstalled_stays_so(app: App, scripted: Scripted) -> None:
    install(app, UserType.LOCATION, LOCATION, status=Status.UNINSTALLED)
    with pytest.raises(InstallGone):
        call(app)
    assert scripted.requests == []


def test_a_token_that_was_revoked_is_not_replaced(app: App, scripted: Scripted) -> None:
    credential(app, "location")
    store.revoke(store.location(app, LOCATION), reason="uninstalled", now=clock.now())
    with pytest.raises(InstallGone):
        call(app)
    assert scripted.requests == []


@pytest.mark.parametrize(
    "change",
    [{"is_bulk": False}, {"status": Status.UNINSTALLED}, {"status": Status.PENDING}, {"resource_id": "another"}],
)
def test_without_a_bulk_install_of_its_company_there_is_none(
    app: App, scripted: Scripted, agency: Installation, change: dict[str, Any]
) -> None:
    Installation.objects.filter(pk=agency.pk).update(**change)
    with pytest.raises(InstallGone):
        call(app)
    assert (scripted.requests, rows()) == ([], 0)


def test_a_location_that_nobody_knows(app: App, scripted: Scripted) -> None:
    with pytest.raises(InstallGone):
        client.call("contacts.get-contact", app=app, location="unknown", params={"contactId": "C"})
    assert scripted.requests == []


def test_a_location_that_the_company_left_out_leaves_no_row(app: App, scripted: Scripted) -> None:
    scripted.plan(status(400, "The app is not installed on this location."))
    with pytest.raises(InstallGone, match="not installed on Location"):
        call(app)
    assert scripted.paths == [MINT]
    assert rows() == 0, "nothing to refresh, nothing to warn of"


def test_a_vendor_that_is_down_is_no_verdict(app: App, scripted: Scripted) -> None:
    scripted.plan(status(503))
    with pytest.raises(ServerFault):
        call(app)
    scripted.plan(json(MINTED, 201))
    Credential.objects.filter(user_type=UserType.LOCATION).update(refresh_due_at=clock.now())
    assert call(app) == {"ok": True}
