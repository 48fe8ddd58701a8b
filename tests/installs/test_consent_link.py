"""The consent link: for one account, with an end, and with its answer; install links and marketplace hosts."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from integrations.installs import consent_answer
from integrations.tenants import marketplace
from integrations.tenants.models import App, Installation
from integrations.tokens import scope_gaps
from integrations.tokens.admin_pages import consent_link
from tests.installs.conftest import installation
from tests.installs.journey import Browser
from tests.plugin.vendor import SCOPES, Vendor

MORE = f"{SCOPES} calendars.readonly"


@pytest.fixture
def lacking(browser: Browser, app: App, vendor: Vendor) -> Installation:
    """A location that installed before the app asked for one more scope."""
    browser.install(vendor.locations[0])
    App.objects.filter(pk=app.pk).update(scopes=MORE)
    return installation(vendor.locations[0])


def open_link(browser: Browser, row: Installation, **query: str) -> tuple[str, str]:
    """The page of a new link, and the vendor's address behind its button."""
    path = consent_link.path(row)
    page = browser.client.get(path).content.decode()
    return page, str(browser.client.get(path, {"go": "1", **query})["Location"])


def answer(row: Installation) -> str:
    found = consent_answer.answer(row)
    return found.text if found else ""


@pytest.mark.slow
def test_it_names_the_account_and_what_is_missing_and_shows_the_answer(
    browser: Browser, lacking: Installation, vendor: Vendor, settings: object
) -> None:
    settings.HIGHLEVEL_SCOPES = MORE.split()  # type: ignore[attr-defined]
    marketplace.reset()
    page, address = open_link(browser, lacking)
    assert all(text in page for text in (lacking.resource_id, "calendars.readonly", "sync of calendars"))
    browser.back(browser.consent(address, lacking.resource_id))
    assert answer(lacking) == "The permissions were granted."
    page, _ = open_link(browser, lacking)
    assert "Nothing is missing" in page
    entry = lacking.changes.get(what="scopes_changed")
    assert set(entry.new) - set(entry.old) == {"calendars.readonly"}


@pytest.mark.slow
def test_another_account_changes_nothing_for_the_one_that_was_asked(
    browser: Browser, lacking: Installation, vendor: Vendor
) -> None:
    _, address = open_link(browser, lacking)
    result = browser.result(browser.back(browser.consent(address, vendor.locations[1])))
    other = installation(vendor.locations[1])
    assert (other.is_installed, other.claimed_at) == (True, None), "the link proves nothing about another account"
    assert "Another account" in answer(lacking)
    assert scope_gaps.of(lacking).missing == ("calendars.readonly",)
    assert result.status_code == 200


@pytest.mark.slow
def test_a_refusal_is_an_answer(browser: Browser, lacking: Installation) -> None:
    _, address = open_link(browser, lacking)
    state = parse_qs(urlsplit(address).query)["state"][0]
    browser.client.get("/oauth/callback", {"error": "access_denied", "state": state})
    assert answer(lacking) == "The permissions were refused."
