"""Uninstalling on the page inside HighLevel: who may, what HighLevel is asked, and what is left when it refuses."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from integrations.console import embed_limits
from integrations.console.embed import ending
from integrations.core import clock
from integrations.core.errors import ScopeMissing
from integrations.core.models import AuditEntry
from integrations.problems.models import Problem
from integrations.quota.request_limits import RequestLimit
from integrations.sync.models import Plan, Run
from integrations.tenants.models import App, Installation
from integrations.tokens.models import Credential
from tests.console.conftest import COMPANY, LOCATION, OTHER, Sso, begin_run
from tests.console.embed.test_embed import exchange, seen
from tests.problems.conftest import Looks, poison
from tests.problems.conftest import look as look

pytestmark = [pytest.mark.usefixtures("clean_redis"), pytest.mark.django_db]
REFUSED = {"error_code": "location_inactive", "error": "secret words of ours"}
AGENCY = {"type": "agency", "activeLocation": None}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What HighLevel was asked: the gateway's arguments. `tests/installs/test_uninstall_page.py` sends them."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(ending.gateway, "call", lambda operation, **given: calls.append({"to": operation, **given}))
    return calls


def uninstall(payload: str) -> HttpResponse:
    client = Client()
    ticket = json.loads(exchange(client, payload).content)["ticket"]
    answer: Any = client.post(
        "/embed/uninstall", headers={"authorization": f"Bearer {ticket}", "accept": "application/json"}
    )
    return answer


def status(tenant_id: str) -> str:
    return Installation.objects.get(resource_id=tenant_id).status


def test_an_administrator_ends_the_own_location(agency: Installation, sso: Sso, asked: list[dict[str, Any]]) -> None:
    assert uninstall(sso()).status_code == 200
    (call,) = asked
    assert (call["to"], call["location"], call["company"]) == (ending.OPERATION, LOCATION, None)
    assert call["params"] == {"appId": agency.app.highlevel_id}
    assert call["body"]["locationId"] == LOCATION
    assert call["body"]["reason"]
    assert (status(LOCATION), status(OTHER), status(COMPANY)) == ("uninstalled", "installed", "installed")
    asked_by = AuditEntry.objects.get(action="install.uninstall_requested")
    assert asked_by.actor == "user user1"


def test_an_agencys_administrator_ends_all_of_it(agency: Installation, sso: Sso, asked: list[dict[str, Any]]) -> None:
    assert uninstall(sso(**AGENCY)).status_code == 200
    assert (asked[0]["company"], asked[0]["body"]["companyId"]) == (COMPANY, COMPANY)
    assert {status(one) for one in (COMPANY, LOCATION, OTHER)} == {"uninstalled"}


@pytest.mark.parametrize("changes", [{"role": "user"}, {"role": "user", **AGENCY}])
def test_nobody_but_administrators(
    agency: Installation, sso: Sso, asked: list[dict[str, Any]], changes: dict[str, Any]
) -> None:
    assert seen(Client(), sso(**changes))["may_uninstall"] is False
    assert uninstall(sso(**changes)).status_code == 403
    assert Client().post("/embed/uninstall", headers={"accept": "application/json"}).status_code == 401
    assert (asked, status(LOCATION), status(COMPANY)) == ([], "installed", "installed")


def test_who_asks_again_and_again_holds_no_threads_and_writes_no_trail(
    agency: Installation, sso: Sso, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for HighLevel, and is an entry of the trail. Other tenants need the threads."""
    monkeypatch.setattr(embed_limits, "UNINSTALLS", RequestLimit("embed-uninstall", 2))
    tickets = [json.loads(exchange(Client(), sso()).content)["ticket"] for _ in range(2)]
    inner: list[int] = []

    def ask(ticket: str) -> int:
        return Client().post("/embed/uninstall", headers={"authorization": f"Bearer {ticket}"}).status_code

    def refuses(*_: Any, **__: Any) -> None:
        with ExitStack() as others:
            others.enter_context(embed_limits.UNINSTALLS_AT_ONCE.one())
            inner.append(ask(tickets[1]))
        raise ScopeMissing("no", missing=("oauth.write",))

    monkeypatch.setattr(ending.gateway, "call", refuses)
    assert (ask(tickets[0]), inner) == (409, [429])
    assert ask(tickets[0]) == 429, "two in a minute"
    assert AuditEntry.objects.filter(action="install.uninstall_requested").count() == 1


def test_a_refusal_changes_nothing(agency: Installation, sso: Sso, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: Any, **__: Any) -> None:
        raise ScopeMissing("oauth.write is missing", missing=("oauth.write",))

    monkeypatch.setattr(ending.gateway, "call", refuses)
    answer = uninstall(sso())
    assert answer.status_code == 409
    assert json.loads(answer.content)["error"]["code"] == "scope_missing"
    assert status(LOCATION) == "installed"


def test_the_company_sees_each_sub_account(agency: Installation, sso: Sso) -> None:
    Credential.objects.filter(resource_id=OTHER).update(state="needs_reconnect", access_sealed=None)
    state = seen(Client(), sso(**AGENCY))
    assert [(one["name"], one["state"]) for one in state["progress"]["accounts"]] == [
        ("Studio loc2", "Disconnected"),
        ("Studio loc1", "Up to date"),
    ]
    assert state["progress"]["failing"] == 1
    assert state["may_uninstall"] is True
    assert state["reconnect_url"].startswith("/install/?app=")


@pytest.mark.slow
def test_a_location_reads_its_last_problems_in_its_own_words(agency: Installation, sso: Sso, look: Looks) -> None:
    poison(agency.app, 1)
    look()
    run = begin_run(Plan.objects.get(location_id=LOCATION))
    Run.objects.filter(pk=run.pk).update(status="failed", finished_at=clock.now(), **REFUSED)
    problems = seen(Client(), sso())["problems"]
    assert problems == [
        {
            "what": "Contacts could not be fetched",
            "words": "This sub-account is paused or closed, so its data cannot be reached.",
            "what_to_do": "Once it is active again, this goes on by itself.",
        },
        {
            "what": "Some changes of your account could not be taken over yet",
            "words": "Something unexpected happened.",
            "what_to_do": "We look into it; there is nothing you have to do.",
        },
    ]
    assert seen(Client(), sso(activeLocation=OTHER))["problems"] == [], "another account's are not shown"
    Problem.objects.all().delete()
    Run.objects.all().delete()
    assert seen(Client(), sso())["problems"] == []


def test_a_location_reads_no_problems_that_another_app_has_there(agency: Installation, sso: Sso, look: Looks) -> None:
    other = App.objects.create(name="Other", client_id="66a0419a0dffa47fb5f8b22f-other001", created_at=clock.now())
    poison(other, 1)
    look()
    assert Problem.objects.get().app == other
    assert seen(Client(), sso())["problems"] == []
