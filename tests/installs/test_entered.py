"""Companies and locations that an operator connects by a token: installation, reconciliation, disconnection."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from integrations.core import clock
from integrations.core.errors import BadRequest, GrantRevoked
from integrations.core.models import AuditEntry
from integrations.core.secret import Secret
from integrations.highlevel.oauth.grants import Grant
from integrations.installs import complete, events, reconcile, register, uninstall
from integrations.installs.entered import connection
from integrations.tenants.models import App, Company, Installation, Location
from integrations.tokens import store
from integrations.tokens.models import Credential, CredentialKey
from tests.tokens.entered_tokens.test_kinds import PRIVATE, app, key, vendor
from tests.tokens.listener import Listener

__all__ = ["app", "vendor"]

Kind, Status = Credential.Kind, Installation.Status
WHO = "operator alice"
# Other ids than those of other tests: a location whose quota is suddenly forgotten rightly rests for a window.
LOCATION, AGENCY = "entered-location", "entered-company"
KEY, AGENCY_KEY = key(location_id=LOCATION), key(company_id=AGENCY)


@pytest.fixture
def location(app: App, vendor: Listener) -> CredentialKey:
    vendor.known |= {KEY, AGENCY_KEY}
    return store.location(app, LOCATION)


def grant(location_id: str) -> Grant:
    return Grant(Secret("a"), Secret("r"), 86_399, frozenset(), "Location", company_id=AGENCY, location_id=location_id)


def reconciled(row: Installation) -> Installation:
    reconcile.reconcile(row.pk)
    row.refresh_from_db()
    return row


@pytest.mark.parametrize(
    ("level", "kind", "text"),
    [
        ("location", Kind.PRIVATE, PRIVATE),
        ("company", Kind.PRIVATE, PRIVATE),
        ("location", Kind.KEY, KEY),
        ("company", Kind.KEY, AGENCY_KEY),
    ],
)
def test_a_token_makes_an_installation_of_its_kind(
    app: App, vendor: Listener, level: str, kind: str, text: str
) -> None:
    vendor.known |= {KEY, AGENCY_KEY}
    vendor.headers = vendor.quota  # without headers the governor is careful for a window
    held = store.location(app, LOCATION) if level == "location" else store.company(app, AGENCY)
    row = connection.connect(held, text, kind=kind, actor=WHO).installation
    row.refresh_from_db()
    assert (row.status, row.kind, row.origin, row.claimed_by) == (Status.INSTALLED, kind, "operator", WHO)
    assert row.reconcile_due_at is not None
    entry = AuditEntry.objects.get(action="install.connected", actor=WHO)
    assert entry.detail["changed"] == {"status": [None, "installed"], "kind": [None, kind]}
    vendor.answer = (200, {"location": {"name": "Ann's", "companyId": AGENCY}, "company": {"name": "Ann's"}})
    row = reconciled(row)
    named = row.location if level == "location" else row.company
    assert named is not None
    assert row.reconcile_due_at is not None, "the vendor reports nothing, so it is asked again"
    if (level, kind) != ("company", Kind.KEY):
        assert named.name == "Ann's"
    assert vendor.asked[-1][2] == text


def test_the_token_of_another_account_is_refused_before_it_is_stored(location: CredentialKey, vendor: Listener) -> None:
    answers = (
        (401, "This authClass type is not allowed to access this scope."),
        (403, "The token does not have access to this location."),
    )
    for status, words in answers:
        vendor.answer = (status, {"message": words})
        with pytest.raises(BadRequest, match=r"not for the location entered-location: .* an agency's"):
            connection.connect(location, PRIVATE, kind=Kind.PRIVATE, actor=WHO)
    assert not Installation.objects.exists()
    assert not Credential.objects.exists()


def test_an_api_1_key_stands_beside_a_working_installation(location: CredentialKey, vendor: Listener) -> None:
    connection.connect(location, PRIVATE, kind=Kind.PRIVATE, actor=WHO)
    made = connection.connect(location, KEY, kind=Kind.KEY, actor=WHO)
    assert made.beside
    assert made.installation.kind == Kind.PRIVATE
    assert Credential.objects.count() == 2
    assert connection.disconnect(location, actor=WHO) == ["key", "private"]
    assert set(Credential.objects.values_list("state", flat=True)) == {"revoked"}
    assert Installation.objects.get().status == Status.UNINSTALLED


def test_a_private_token_takes_over_from_a_key_and_a_grant_from_both(location: CredentialKey, vendor: Listener) -> None:
    connection.connect(location, KEY, kind=Kind.KEY, actor=WHO)
    assert not connection.connect(location, PRIVATE, kind=Kind.PRIVATE, actor=WHO).beside
    row = complete.complete(location.app, grant(LOCATION), origin="app", claimant="user u", now=clock.now())
    assert (row.kind, row.generation) == (Kind.OAUTH, 1)
    assert connection.disconnect(location, actor=WHO) == ["key"], "the grant is none that was entered"
    row.refresh_from_db()
    assert row.status == Status.INSTALLED


def test_what_the_vendor_says_of_the_app_does_not_end_it(app: App, location: CredentialKey, vendor: Listener) -> None:
    connection.connect(location, PRIVATE, kind=Kind.PRIVATE, actor=WHO)
    vendor.answer = (200, {"location": {"name": "Ann's", "companyId": AGENCY}})
    row = reconciled(Installation.objects.get(resource_id=LOCATION))
    assert row.company_id == AGENCY
    events.uninstalled(app, {"locationId": LOCATION}, clock.now())
    agencys = Grant(Secret("a"), Secret("r"), 86_399, frozenset(), "Company", company_id=AGENCY)
    agency = complete.complete(app, agencys, origin="app", claimant="", now=clock.now())
    events.uninstalled(app, {"companyId": AGENCY}, clock.now())
    uninstall.removed(agency, at=clock.now(), actor=WHO)
    row.refresh_from_db()
    assert (row.status, row.kind) == (Status.INSTALLED, Kind.PRIVATE)


def test_an_agencys_token_stands_for_no_installation_of_the_app(app: App, vendor: Listener) -> None:
    row = connection.connect(store.company(app, AGENCY), PRIVATE, kind=Kind.PRIVATE, actor=WHO).installation
    assert register.find_live(app, AGENCY) is None, "it lists no locations and mints no tokens"
    events.uninstalled(app, {"companyId": AGENCY}, clock.now())
    row.refresh_from_db()
    assert row.status == Status.INSTALLED


def test_a_token_that_stops_working_is_found_without_a_call_of_anybody(
    location: CredentialKey, vendor: Listener
) -> None:
    row = connection.connect(location, PRIVATE, kind=Kind.PRIVATE, actor=WHO).installation
    vendor.known.clear()
    with pytest.raises(GrantRevoked, match="rotated or deleted"):
        reconcile.reconcile(row.pk)
    row.refresh_from_db()
    assert row.status == Status.INSTALLED
    assert row.reconcile_due_at is not None
    assert Credential.objects.get().state == "needs_reconnect"
    vendor.known.add(PRIVATE)
    connection.connect(location, PRIVATE, kind=Kind.PRIVATE, actor=WHO)
    assert Credential.objects.get().state == "active"


def test_it_can_be_connected_again(location: CredentialKey, vendor: Listener) -> None:
    connection.connect(location, PRIVATE, kind=Kind.PRIVATE, actor=WHO)
    connection.disconnect(location, actor=WHO)
    with pytest.raises(BadRequest, match="no token was entered"):
        connection.disconnect(location, actor=WHO)
    again = connection.connect(location, KEY, kind=Kind.KEY, actor=WHO).installation
    assert (again.generation, again.kind, again.status) == (2, Kind.KEY, Status.INSTALLED)


def command(monkeypatch: pytest.MonkeyPatch, text: str, *arguments: str) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    out = io.StringIO()
    call_command("connect", *arguments, stdout=out)
    return out.getvalue()


def plan_of_the_agency(app: App) -> None:
    """HighLevel has told the plan of the agency that the location belongs to."""
    now = clock.now()
    Company.objects.get_or_create(id=AGENCY, defaults={"created_at": now})
    Location.objects.update_or_create(id=LOCATION, defaults={"company_id": AGENCY, "created_at": now})
    moments = {"status_at": now, "created_at": now}
    told = {"user_type": "Company", "resource_id": AGENCY, "company_id": AGENCY, "status": Status.INSTALLED}
    Installation.objects.create(
        app=app, origin="app", installer={"companyPlan": "agency_annual_497"}, **told, **moments
    )


def test_the_command_says_the_accounts_plan_before_it_asks_a_person(
    app: App, vendor: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.known.add(KEY)
    screen = io.StringIO()
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(screen.getvalue())
        return PRIVATE

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", ask)
    chosen = ("--location", LOCATION, "--app", "entered", "--kind", "private")
    call_command("connect", *chosen, stdout=io.StringIO(), stderr=screen)
    plan_of_the_agency(app)
    call_command("connect", *chosen, stdout=io.StringIO(), stderr=screen)
    unknown, known = asked
    assert "The plan of this account's agency. It is unknown here" in unknown
    assert "marketplace-installer-details.readonly" in unknown
    assert "HighLevel calls it agency_annual_497." not in unknown
    assert "The plan of this account's agency. HighLevel calls it agency_annual_497." in known
    assert PRIVATE not in screen.getvalue()


def test_the_form_says_the_plan_of_the_account_that_it_names(app: App, vendor: Listener, admin_client: Client) -> None:
    plan_of_the_agency(app)
    page, named = "/admin/tokens/credential/add/", {"app": app.pk, "resource_id": LOCATION, "user_type": "Location"}
    assert "HighLevel calls it agency_annual_497." in admin_client.get(page, named).content.decode()
    mistaken = admin_client.post(page, {**named, "kind": "private", "pasted": "undefined"})
    assert "HighLevel calls it agency_annual_497." in mistaken.content.decode(), "also when it comes again"
    assert "The plan of this account" not in admin_client.get(page).content.decode(), "it names no account"
    other = admin_client.get(page, {**named, "resource_id": "another"}).content.decode()
    assert "It is unknown here" in other


def test_the_command_reads_the_token_from_standard_input(app: App, vendor: Listener, monkeypatch: Any) -> None:
    vendor.known.add(KEY)
    chosen = ("--location", LOCATION, "--app", "entered")
    shown = json.loads(command(monkeypatch, f"{PRIVATE}\n", *chosen, "--kind", "private", "--json"))
    assert (shown["tenant"], shown["status"], shown["installation_kind"]) == (
        f"Location:{LOCATION}",
        "installed",
        "private",
    )
    beside = command(monkeypatch, KEY, *chosen, "--kind", "api1")
    assert "beside" in beside
    assert KEY not in beside
    for text, kind, said in [("", "private", "nothing was pasted"), (PRIVATE[:12], "private", "begins with pit-")]:
        with pytest.raises(CommandError, match=said):
            command(monkeypatch, text, *chosen, "--kind", kind)
    out = io.StringIO()
    call_command("disconnect", *chosen, stdout=out)
    assert "stays valid" in out.getvalue()
    with pytest.raises(CommandError, match="no token was entered"):
        call_command("disconnect", *chosen)
