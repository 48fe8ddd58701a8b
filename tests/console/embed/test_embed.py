"""The exchange behind the page in the iframe: who gets in, what they see, and who claims."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.signing import Signer, TimestampSigner
from django.http import HttpResponse
from django.test import Client

from integrations.console.embed import sso_session
from integrations.console.embed.sso_session import TICKET_LIFE, EmbeddedUser
from integrations.core import clock
from integrations.core.errors import SignatureInvalid, StoreUnavailable
from integrations.core.models import AuditEntry
from integrations.core.tenant import UserType
from integrations.installs.models import EmbeddedVisit
from integrations.quota.permits import queries as quota
from integrations.quota.permits.governor import START_LIMIT
from integrations.sync.models import Plan, Run
from integrations.tenants.models import App, Company, Installation, Location
from integrations.tokens.models import Credential
from tests.console.conftest import COMPANY, LOCATION, OTHER, Sso, begin_run, install
from tests.support.signed import sign

pytestmark = pytest.mark.usefixtures("clean_redis")  # who came often in one test may come in the next
USER = EmbeddedUser(app_id=1, company_id=COMPANY, location_id=LOCATION, user_id="user1", is_admin=True, is_agency=False)


def exchange(client: Client, payload: Any, **more: Any) -> HttpResponse:
    body = json.dumps({"payload": payload, **more})
    return client.post("/embed/session", body, content_type="application/json", headers={"accept": "application/json"})


def seen(client: Client, payload: str) -> Any:
    """The state that the page shows the user of this payload."""
    ticket = json.loads(exchange(client, payload).content)["ticket"]
    return client.get("/embed/session", headers={"authorization": f"Bearer {ticket}"}).json()["state"]


def code(response: HttpResponse) -> str:
    return str(json.loads(response.content)["error"]["code"])


def unclaim() -> None:
    Installation.objects.update(claimed_at=None, claimed_by="")


@pytest.mark.django_db
def test_the_shell_says_nothing_about_anybody(client: Client, agency: Installation) -> None:
    page = client.get("/embed/").content.decode()
    assert "Studio" not in page
    assert COMPANY not in page


def test_a_known_user_sees_the_state_of_the_location(client: Client, agency: Installation, sso: Sso) -> None:
    state = seen(client, sso())
    assert (state["name"], state["connection"], state["records"]) == ("Studio loc1", "connected", 3)
    assert state["last_sync"]
    assert [resource["name"] for resource in state["resources"]] == ["contacts"]
    unused = {"free": START_LIMIT, "limit": START_LIMIT, "seconds": 10.0, "day_left": None, "day_limit": None}
    assert state["quota"] == unused, "nobody knows the day's figures before a first answer"


def test_the_quota_is_left_out_while_its_store_is_away(
    client: Client, agency: Installation, sso: Sso, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise StoreUnavailable("the quota store does not answer")

    monkeypatch.setattr(quota, "snapshot", away)
    state = seen(client, sso(activeLocation=None, type="agency"))
    assert (state["locations"], state["quota"]) == (2, None)


def test_the_ticket_alone_opens_the_state_later(client: Client, agency: Installation, sso: Sso) -> None:
    answer = exchange(client, sso()).json()  # type: ignore[attr-defined]
    begin_run(Plan.objects.get(location_id=LOCATION))
    later = client.get("/embed/session", headers={"authorization": f"Bearer {answer['ticket']}"}).json()
    resource = later["state"]["resources"][0]
    assert (resource["running"], resource["seen"], resource["total"]) == (True, 40, 100)


def test_no_cookie_is_set_and_nothing_is_cached(client: Client, agency: Installation, sso: Sso) -> None:
    response = exchange(client, sso())
    assert not response.cookies
    assert "no-store" in response["Cache-Control"]


def test_the_other_locations_of_the_agency_stay_apart(client: Client, agency: Installation, sso: Sso) -> None:
    Plan.objects.filter(location_id=OTHER).update(resource="opportunities")
    sign(Plan)
    state = seen(client, sso())
    assert [resource["name"] for resource in state["resources"]] == ["contacts"]


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": "another secret"},
        {"companyId": "cmp-of-somebody-else"},
        {"companyId": None},
        {"activeLocation": None},
        {"userId": None},
    ],
)
def test_who_does_not_fit_is_turned_away(client: Client, agency: Installation, sso: Sso, changes: Any) -> None:
    response = exchange(client, sso(**changes))
    assert (response.status_code, code(response)) == (401, "signature_invalid")


@pytest.mark.slow
def test_tampering_gives_the_same_error_as_any_other_fault(client: Client, agency: Installation, sso: Sso) -> None:
    """Every altered payload gets the very same answer: another one for bad padding would be a decryption oracle."""
    sealed = base64.b64decode(sso())
    answers = set()
    for position in range(16, len(sealed)):
        forged = sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :]
        response = exchange(client, base64.b64encode(forged).decode())
        if response.status_code != 200:
            answers.add((response.status_code, response.content))
    refused = {status for status, _ in answers}
    assert refused <= {401, 404}
    assert len([body for status, body in answers if status == 401]) == 1


def test_a_location_that_is_not_installed_is_said_so(client: Client, agency: Installation, sso: Sso) -> None:
    Installation.objects.filter(resource_id=LOCATION).uninstall(at=clock.now())
    assert exchange(client, sso()).status_code == 404
    assert exchange(client, sso(activeLocation="never-heard-of")).status_code == 404


def test_a_location_of_an_unknown_company_waits(client: Client, app: App, sso: Sso) -> None:
    location = Location.objects.create(id=LOCATION, created_at=clock.now())
    install(app, UserType.LOCATION, LOCATION, location=location)
    response = exchange(client, sso())
    assert (response.status_code, code(response)) == (503, "install_pending")


def test_an_app_without_a_shared_secret_recognises_nobody(
    client: Client, agency: Installation, second_app: App, sso: Sso
) -> None:
    assert exchange(client, sso(), app=second_app.client_id).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"not json", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"payload": 5}', 400),
        (b'{"payload": null}', 400),
        (b'{"payload": "", "app": 7}', 400),
        (b'{"payload": "", "app": "\\u0000"}', 400),
        (b'{"payload": "", "app": "\\ud800"}', 400),
        (b'{"payload": "", "app": "unknown"}', 400),
        (b'{"payload": ""}', 401),
        (b'{"payload": "\\ud800"}', 401),
        (b"[" * 100_000, 413),
        (b'{"payload": "' + b"A" * 20_000 + b'"}', 413),
        (b"[" * 10_000, 400),
    ],
)
@pytest.mark.django_db
def test_garbage_is_answered_and_never_breaks(client: Client, body: bytes, status: int) -> None:
    assert client.post("/embed/session", body, content_type="application/json").status_code == status


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer x", "Basic abc", "Bearer a:b", "bearer x"])
@pytest.mark.django_db
def test_without_a_ticket_of_ours_there_is_no_state(client: Client, header: str | None) -> None:
    headers = {"authorization": header} if header is not None else {}
    assert client.get("/embed/session", headers=headers).status_code == 401


def test_a_ticket_expires() -> None:
    now = clock.now()
    with time_machine.travel(now, tick=False):
        ticket = sso_session.issue_ticket(USER)
    with time_machine.travel(now + TICKET_LIFE - timedelta(seconds=2), tick=False):
        assert sso_session.read_ticket(ticket) == USER
    late = time_machine.travel(now + TICKET_LIFE + timedelta(seconds=2), tick=False)
    with late, pytest.raises(SignatureInvalid, match="has expired"):
        sso_session.read_ticket(ticket)


def test_a_forged_ticket_is_refused() -> None:
    fields, issued_at, signature = sso_session.issue_ticket(USER).split(":")
    other, _, _ = sso_session.issue_ticket(replace(USER, location_id=OTHER)).split(":")
    for forged in (
        f"{other}:{issued_at}:{signature}",
        f"{fields}:zzzzzz:{signature}",
        f"{fields}:{issued_at}:{signature}x",
    ):
        with pytest.raises(SignatureInvalid, match="not issued here"):
            sso_session.read_ticket(forged)


def test_a_ticket_from_the_future_opens_nothing() -> None:
    """A clock that was ahead signed it: it would live for longer than a quarter of an hour."""
    with time_machine.travel(clock.now() + timedelta(hours=1), tick=False):
        ticket = sso_session.issue_ticket(USER)
        assert sso_session.read_ticket(ticket) == USER
    with pytest.raises(SignatureInvalid, match="not issued here"):
        sso_session.read_ticket(ticket)


@pytest.mark.parametrize(
    "signer", [TimestampSigner(salt="something else"), Signer(salt="something else"), Signer(salt=sso_session._SALT)]
)
def test_a_signature_made_for_something_else_is_no_ticket(signer: Signer) -> None:
    with pytest.raises(SignatureInvalid, match="not issued here"):
        sso_session.read_ticket(signer.sign_object(asdict(USER)))


def test_an_unclaimed_location_is_claimed_by_its_admin(client: Client, agency: Installation, sso: Sso) -> None:
    unclaim()
    assert seen(client, sso())["claimed"] is True
    row = Installation.objects.get(resource_id=LOCATION)
    assert row.claimed_by == "user user1"
    assert AuditEntry.objects.filter(actor="user user1", subject=f"Location:{LOCATION}").count() == 1
    assert Installation.objects.get(resource_id=OTHER).claimed_at is None
    assert Installation.objects.get(resource_id=COMPANY).claimed_at is None


def test_an_agency_admin_claims_the_whole_agency(client: Client, agency: Installation, sso: Sso) -> None:
    unclaim()
    exchange(client, sso(type="agency"))
    assert not Installation.objects.filter(claimed_at__isnull=True).exists()


def test_a_plain_user_claims_nothing_and_sees_nothing(client: Client, agency: Installation, sso: Sso) -> None:
    unclaim()
    state = seen(client, sso(role="user"))
    assert state["claimed"] is False
    assert "resources" not in state
    assert "records" not in state
    assert not Installation.objects.filter(claimed_at__isnull=False).exists()


def test_a_second_visit_claims_no_second_time(client: Client, agency: Installation, sso: Sso) -> None:
    unclaim()
    exchange(client, sso())
    exchange(client, sso(userId="user2"))
    assert Installation.objects.get(resource_id=LOCATION).claimed_by == "user user1"


def test_an_agency_user_outside_a_location_sees_the_company(client: Client, agency: Installation, sso: Sso) -> None:
    state = seen(client, sso(type="agency", activeLocation=None))
    assert (state["place"], state["name"], state["locations"]) == ("company", "Bright Agency", 2)


def test_an_agency_sees_what_is_synced_of_itself(client: Client, agency: Installation, sso: Sso) -> None:
    plan = Plan.objects.create(app=agency.app, location_id=COMPANY, resource="company_users", created_at=clock.now())
    begin_run(plan)
    Run.objects.filter(plan=plan).update(status=Run.Status.FAILED, error_code="scope_missing", finished_at=clock.now())
    state = seen(client, sso(type="agency", activeLocation=None))
    assert [(one["name"], one["records"]) for one in state["resources"]] == [("company users", 0)]
    assert "company users" in state["problems"][0]["what"].lower()
    assert state["progress"]["own"]["of"] == 1
    assert state["progress"]["total"] == 2, "the sub-accounts alone"
    inside = seen(client, sso())
    assert "company users" not in [one["name"] for one in inside["resources"]]


def test_an_agency_of_nobody_learns_that_nothing_is_installed(client: Client, app: App, sso: Sso) -> None:
    Company.objects.create(id=COMPANY, created_at=clock.now())
    assert exchange(client, sso(type="agency", activeLocation=None)).status_code == 404


@pytest.mark.parametrize(
    ("state", "shown"),
    [("active", "connected"), ("suspended", "paused"), ("needs_reconnect", "reconnect"), ("revoked", "ended")],
)
def test_the_connection_is_named_for_people(
    client: Client, agency: Installation, sso: Sso, state: str, shown: str
) -> None:
    Credential.objects.update(state=state, access_sealed=None, refresh_sealed=None)
    assert seen(client, sso())["connection"] == shown


def test_after_an_uninstall_a_ticket_shows_nothing_more(client: Client, agency: Installation, sso: Sso) -> None:
    ticket = exchange(client, sso()).json()["ticket"]  # type: ignore[attr-defined]
    Installation.objects.uninstall(at=clock.now())
    state = client.get("/embed/session", headers={"authorization": f"Bearer {ticket}"}).json()["state"]
    assert state["installed"] is False
    assert "records" not in state


@pytest.mark.django_db
def test_who_opens_the_page_is_remembered_once(client: Client, agency: Installation, sso: Sso) -> None:
    for _ in range(2):
        exchange(client, sso())
    visit = EmbeddedVisit.objects.get()
    assert (visit.tenant_id, visit.user_id, visit.is_admin) == (LOCATION, "user1", True)
    assert visit.last_at > visit.first_at
    assert exchange(client, "not a payload").status_code >= 400
    assert EmbeddedVisit.objects.count() == 1
