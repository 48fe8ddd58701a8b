"""The page after an install: progress for the browser that installed, and no name for anybody else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.http import HttpResponse
from django.test import Client

from integrations.console.agency_view import account_progress, agency_words
from integrations.core import clock, errors
from integrations.core.tenant import UserType
from integrations.installs.browser import result_link
from integrations.sync.models import Plan, Run
from integrations.tenants.models import App, Company, Installation, Location
from integrations.tokens.models import Credential
from tests.console.conftest import LOCATION, OTHER, begin_run, install

pytestmark = pytest.mark.django_db
ENDED: dict[str, Any] = {"status": "uninstalled", "claimed_at": None, "claimed_by": "", "reconcile_due_at": None}
BROWSER = "b" * 43


def address(row: Installation, browser: str = BROWSER) -> str:
    return f"/install/done/{result_link.make(row, None, browser=browser)}"


def shown(row: Installation, cookie: str = BROWSER) -> HttpResponse:
    client = Client()
    if cookie:
        client.cookies[result_link.cookie_name()] = cookie
    answer: Any = client.get(address(row))
    assert answer.status_code == 200
    return answer


def test_the_browser_that_installed_follows_each_sub_account(agency: Installation) -> None:
    plan = Plan.objects.get(location_id=LOCATION)
    Plan.objects.filter(pk=plan.pk).update(synced_at=None)
    begin_run(plan)
    text = shown(agency).content.decode()
    assert "2 of 2" in text
    assert "fetching contacts 40 of 100" in text
    assert text.index("Studio loc1") < text.index("Studio loc2"), "what is under way comes first"
    assert "data-goes-on" in text
    Plan.objects.update(synced_at=clock.now())
    Installation.objects.update(reconciled_at=clock.now())
    assert "data-goes-on" not in shown(agency).content.decode(), "nothing is left to follow"


@pytest.mark.parametrize("cookie", ["", "c" * 43, "B" * 43])
def test_another_browser_with_the_link_sees_no_name(agency: Installation, cookie: str) -> None:
    text = shown(agency, cookie).content.decode()
    assert "is installed" in text
    assert "Only the browser that installed the app" in text
    assert not [name for name in ("Studio", "Bright Agency", LOCATION, "progress.js") if name in text]


def test_a_link_without_a_browser_shows_nothing_to_a_browser_without_a_cookie(agency: Installation) -> None:
    answer = Client().get(address(agency, browser=""))
    assert "Studio" not in answer.content.decode()


def test_an_installation_without_an_owner_shows_nothing_even_to_its_browser(agency: Installation) -> None:
    Installation.objects.update(claimed_at=None, claimed_by="")
    text = shown(agency).content.decode()
    assert "One more step" in text
    assert "Studio" not in text


def test_a_link_ends_with_its_hour_and_with_its_installation(agency: Installation) -> None:
    link, client = address(agency), Client()
    with time_machine.travel(clock.now() + timedelta(minutes=61), tick=False):
        assert client.get(link).status_code == 400
    Installation.objects.filter(pk=agency.pk).update(generation=agency.generation + 1)
    assert client.get(link).status_code == 400, "it was installed anew since"
    Installation.objects.filter(pk=agency.pk).update(generation=agency.generation, **ENDED)
    assert client.get(link).status_code == 400


def test_only_the_own_accounts_are_listed(agency: Installation, second_app: App) -> None:
    now = clock.now()
    stranger = Company.objects.create(id="cmp2", name="Stranger", created_at=now)
    for app, company, pk in ((agency.app, stranger, "theirs"), (second_app, agency.company, "other-app")):
        location = Location.objects.create(id=pk, company=company, name=f"Hidden {pk}", created_at=now)
        install(app, UserType.LOCATION, pk, company=company, location=location)
    assert {one.name for one in account_progress.of(agency).accounts} == {"Studio loc1", "Studio loc2"}
    own = Installation.objects.get(resource_id=OTHER)
    assert [one.name for one in account_progress.of(own).accounts] == ["Studio loc2"]


def test_failing_accounts_come_first_in_the_agencys_words(agency: Installation) -> None:
    Credential.objects.filter(resource_id=OTHER).update(state="needs_reconnect", access_sealed=None)
    plan = Plan.objects.get(location_id=LOCATION)
    now = clock.now()
    ended = {
        "finished_at": now,
        "error_code": "scope_missing",
        "error": "contacts.readonly is missing at HighLevel",
    }
    Run.objects.filter(pk=begin_run(plan).pk).update(status="failed", **ended)
    progress = account_progress.of(agency)
    assert (progress.total, progress.connected, progress.failing) == (2, 2, 2)
    lost, failed = progress.accounts
    assert (lost.state, lost.tone) == ("Disconnected", "bad")
    assert failed.words == (
        "Contacts could not be fetched. The installed version lacks a permission this needs. "
        "Grant the missing permissions."
    )
    assert "HighLevel" not in shown(agency).content.decode()


def test_many_accounts_are_counted_and_the_first_are_named(agency: Installation) -> None:
    now = clock.now()
    for number in range(account_progress.SHOWN + 3):
        location = Location.objects.create(id=f"more{number}", company=agency.company, name="More", created_at=now)
        fields: dict[str, Any] = {"company": agency.company, "location": location, "parent": agency}
        install(agency.app, UserType.LOCATION, location.id, status="pending", **fields)
    progress = account_progress.of(agency)
    assert (progress.total, len(progress.accounts), progress.more) == (30, account_progress.SHOWN, 5)
    assert (progress.connected, progress.under_way) == (2, 28)


def test_every_error_has_words_without_names_of_ours(agency: Installation) -> None:
    for code in {*agency_words._BY_CODE, "unheard_of", ""}:
        found = agency_words.failure("sync", code)
        assert found.words.endswith(".")
        assert found.what_to_do.endswith(".")
        assert "highlevel" not in f"{found.what} {found.words} {found.what_to_do}".lower()
    assert agency_words._BY_CODE[errors.MintRefused("x").code] is errors.GrantRevoked


def test_the_name_of_one_location_takes_the_place_of_its_id_while_the_page_is_open(agency: Installation) -> None:
    """The page's script replaces one part: what becomes known later has to be there."""
    row = Installation.objects.get(resource_id=LOCATION)
    for name, said in (("", LOCATION), ("The Roof & Co", "The Roof &amp; Co")):
        Location.objects.filter(pk=LOCATION).update(name=name)
        text = shown(row).content.decode()
        assert f"Connected to <strong>{said}</strong>" in text.partition("data-progress")[2].partition("<table")[0]
        assert text.count("Connected to") == 1, "it is said nowhere else"
