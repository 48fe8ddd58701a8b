"""Pages of own apps inside HighLevel: who gets in, what an attacker gets, and what may frame them."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.http import HttpResponse
from django.test import Client

from integrations.console import embed_limits
from integrations.console.embed import sso_session
from integrations.console.embed.used_payloads import REMEMBERED
from integrations.core import clock
from integrations.core.models import AuditEntry
from integrations.core.tenant import Tenant
from integrations.installs.models import UsedPayload
from integrations.quota.request_limits import RequestLimit
from integrations.sync.models import Record
from integrations.tenants.models import Installation
from tests.console.conftest import COMPANY, LOCATION, OTHER, Sso
from tests.console.embed import embedded_views

pytestmark = [pytest.mark.usefixtures("clean_redis"), pytest.mark.urls("tests.console.embed.embedded_views")]
NOTES, ADMINS = "/own/notes/", "/own/admins/"


@pytest.fixture(autouse=True)
def noted() -> list[str]:
    embedded_views.noted.clear()
    return embedded_views.noted


def exchange(payload: str) -> HttpResponse:
    return Client().post("/embed/session", json.dumps({"payload": payload}), "application/json")


def user(payload: str) -> Client:
    """A browser whose script has the ticket; it enforces Django's own check, as every browser's requests are."""
    ticket = json.loads(exchange(payload).content)["ticket"]
    return Client(enforce_csrf_checks=True, headers={"authorization": f"Bearer {ticket}"})


def put(app: Any, user_id: str, location: str = LOCATION, **fields: Any) -> None:
    now = clock.now()
    row = {"app": app, "location_id": location, "resource": "users", "record_id": user_id, "payload": {}}
    Record.objects.create(**row, version_at=now, updated_at=now, **fields)


def test_without_a_ticket_there_is_a_shell_that_says_nothing(agency: Installation) -> None:
    shell = Client().get(NOTES)
    assert shell.status_code == 200
    assert LOCATION not in shell.content.decode()
    assert "frame-ancestors 'none'" not in shell["Content-Security-Policy"]
    assert "X-Frame-Options" not in shell
    assert "Authorization" in shell["Vary"]
    assert "no-store" in shell["Cache-Control"]
    assert Client().get("/embed/session")["X-Frame-Options"] == "DENY"


def test_a_user_reads_and_writes_for_the_own_tenant(agency: Installation, sso: Sso, noted: list[str]) -> None:
    browser = user(sso())
    assert f"Notes of {LOCATION}" in browser.get(NOTES).content.decode()
    assert browser.post(NOTES, {"text": "hello"}).status_code == 302
    assert noted == ["hello"]
    entry = AuditEntry.objects.get(action="own.note")
    assert (entry.actor, entry.subject) == ("user user1", f"Location:{LOCATION}")
    assert f"Notes of {OTHER}" in user(sso(activeLocation=OTHER)).get(NOTES).content.decode()
    assert f"Notes of {COMPANY}" in user(sso(activeLocation=None, type="agency")).get(NOTES).content.decode()


def test_only_administrators_open_a_page_for_administrators(agency: Installation, sso: Sso) -> None:
    assert user(sso()).get(ADMINS).json() == {"user": "user1", "api": "interactive"}
    assert user(sso(role="user")).get(ADMINS).status_code == 403


def test_no_other_site_can_send_a_form(agency: Installation, sso: Sso, operator_client: Client) -> None:
    """A browser adds cookies by itself, and a form has fields: neither opens a page."""
    ticket = json.loads(exchange(sso()).content)["ticket"]
    operator_client.cookies["ticket"] = ticket
    assert operator_client.post(NOTES, {"text": "forged", "ticket": ticket}).status_code == 401
    assert operator_client.post(f"{NOTES}?ticket={ticket}", {"text": "forged"}).status_code == 401
    assert embedded_views.noted == []


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x:y:z", "Basic abc"])
def test_a_forged_header_opens_nothing(agency: Installation, header: str) -> None:
    assert Client().get(NOTES, headers={"authorization": header}).status_code == 401


def test_a_ticket_ends(agency: Installation, sso: Sso) -> None:
    browser = user(sso())
    with time_machine.travel(clock.now() + sso_session.TICKET_LIFE + timedelta(seconds=2)):
        assert browser.get(NOTES).status_code == 401


def test_a_ticket_ends_with_the_installation(agency: Installation, sso: Sso) -> None:
    browser, other = user(sso()), user(sso(activeLocation=OTHER))
    Installation.objects.filter(resource_id=LOCATION).uninstall(at=clock.now())
    assert (browser.get(NOTES).status_code, other.get(NOTES).status_code) == (404, 200)
    Installation.objects.filter(resource_id=OTHER).update(claimed_at=None, claimed_by="", parent=None)
    assert other.get(NOTES).status_code == 403


def test_a_payload_opens_one_session(agency: Installation, sso: Sso) -> None:
    payload = sso()
    assert exchange(payload).status_code == 200
    replayed = exchange(payload)
    assert replayed.status_code == 401
    assert exchange(sso()).status_code == 200
    with time_machine.travel(clock.now() + REMEMBERED + timedelta(hours=1)):
        exchange(sso())
    assert UsedPayload.objects.count() == 1, "older ones are forgotten"


def test_who_was_removed_from_the_list_of_users_is_out(agency: Installation, sso: Sso) -> None:
    gone = {"deleted_at": clock.now(), "deleted_by": "listing"}
    browser, elsewhere = user(sso()), user(sso(activeLocation=OTHER))
    put(agency.app, "user1", **gone)
    assert (browser.get(NOTES).status_code, elsewhere.get(NOTES).status_code) == (403, 200)
    assert exchange(sso()).status_code == 403
    whole = {"activeLocation": None, "type": "agency"}
    assert exchange(sso(**whole)).status_code == 403, "in no location any more"
    put(agency.app, "user1", OTHER)
    assert exchange(sso(**whole)).status_code == 200
    put(agency.app, "user2", OTHER)
    assert exchange(sso(userId="user2")).status_code == 200, "new, and not yet in the list of this location"


def test_a_tenant_has_some_of_the_threads_and_others_have_theirs(agency: Installation, sso: Sso) -> None:
    mine, other = user(sso()), user(sso(activeLocation=OTHER))
    with ExitStack() as under_way:
        for _ in range(embed_limits.PAGES_AT_ONCE.most):
            under_way.enter_context(embed_limits.embed_call(agency.app.pk, Tenant.location(LOCATION)))
        refused = mine.get(NOTES)
        assert (refused.status_code, refused["Retry-After"]) == (429, "2")
        assert other.get(NOTES).status_code == 200
    assert mine.get(NOTES).status_code == 200


def test_a_user_has_a_limit(agency: Installation, sso: Sso, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed_limits, "EMBED_PAGES", RequestLimit("embed-user", 2))
    browser = user(sso())
    answers = [browser.get(NOTES) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[-1]["Retry-After"]) > 0
    assert user(sso(userId="user2")).get(NOTES).status_code == 200
