"""What a callback must not do: work twice, for another browser, for a guess, or half."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import Settings

from integrations.core import clock
from integrations.highlevel.oauth import client as oauth
from integrations.installs.browser.result_link import cookie_name
from integrations.installs.models import InstallState
from integrations.tenants import marketplace
from integrations.tenants.models import App, Installation
from integrations.tokens.models import Credential
from tests.installs.conftest import installation
from tests.installs.journey import CALLBACK, Browser
from tests.plugin.vendor import Vendor


def nothing_happened(vendor: Vendor) -> None:
    assert not Installation.objects.exists()
    assert not Credential.objects.exists()
    assert "authorization_code" not in vendor.state()["token_requests"]


@pytest.fixture
def address(browser: Browser) -> str:
    """Where the vendor sends the browser that began on our page."""
    return browser.consent(browser.begin())


@pytest.mark.parametrize("state", ["", "x", "x" * 5000, "\x00", "ünïcode", "' OR 1=1 --"])
def test_a_state_nobody_issued(browser: Browser, vendor: Vendor, address: str, state: str) -> None:
    answer = browser.back(address, state=state)
    assert answer.status_code == 400
    assert b"installation link has expired" in answer.content
    nothing_happened(vendor)


@pytest.mark.parametrize("cookie", [None, "", "another browser's"])
def test_another_browser(browser: Browser, vendor: Vendor, address: str, cookie: str | None) -> None:
    stranger = Browser(Client(), vendor)
    if cookie is not None:
        stranger.client.cookies[cookie_name()] = cookie
    assert stranger.back(address).status_code == 400
    nothing_happened(vendor)
    assert browser.back(address).status_code == 302, "a foreign browser that knows a state does not use it up"


def test_a_state_older_than_ten_minutes(browser: Browser, vendor: Vendor, address: str) -> None:
    InstallState.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    assert browser.back(address).status_code == 400
    nothing_happened(vendor)


def test_states_are_tidied_away_a_day_later(browser: Browser) -> None:
    browser.begin()
    InstallState.objects.update(expires_at=clock.now() - timedelta(days=2))
    browser.begin()
    assert InstallState.objects.count() == 1


def test_the_same_callback_twice(browser: Browser, vendor: Vendor, address: str) -> None:
    cookie = browser.client.cookies[cookie_name()].value
    assert browser.back(address).status_code == 302
    browser.client.cookies[cookie_name()] = cookie
    assert browser.back(address).status_code == 400
    assert vendor.state()["token_requests"] == {"authorization_code": 1}
    assert installation(vendor.company).generation == 1


def test_a_code_twice_under_a_new_state(browser: Browser, vendor: Vendor, address: str) -> None:
    browser.back(address)
    code = parse_qs(urlsplit(address).query)["code"][0]
    again = browser.back(browser.consent(browser.begin()), code=code)
    assert again.status_code == 400
    assert b"installation link has expired" in again.content
    assert installation(vendor.company).is_installed


@pytest.mark.parametrize("code", ["", "garbage", "\x00\x01", "é" * 30, "x" * 5000])
def test_a_code_that_is_none(browser: Browser, vendor: Vendor, code: str) -> None:
    for address in (browser.consent(browser.begin()), browser.consent(browser.listing())):
        assert browser.back(address, code=code).status_code == 400
    nothing_happened(vendor)


def test_no_code_at_all(client: Client, app: App) -> None:
    assert client.get(CALLBACK).status_code == 400
    assert client.post(CALLBACK, {"code": "x"}).status_code == 405


def test_a_user_who_says_no(browser: Browser, vendor: Vendor) -> None:
    address = vendor.consent(browser.begin(), action="cancel")
    assert "error=access_denied" in address
    answer = browser.back(address)
    assert answer.status_code == 400
    assert b"Nothing was installed" in answer.content
    nothing_happened(vendor)
    assert InstallState.objects.get().consumed_at


def test_an_app_nobody_has(client: Client, app: App) -> None:
    assert client.get("/install/", {"app": "nobodys"}).status_code == 400
    assert client.get(CALLBACK, {"app": "nobodys", "code": "x"}).status_code == 400


def test_our_own_wrong_secret(browser: Browser, vendor: Vendor, app: App, settings: Settings) -> None:
    settings.HIGHLEVEL_CLIENT_SECRET = "outdated"
    marketplace.reset()  # as a restart does
    marketplace.default()
    answer = browser.back(browser.consent(browser.listing()))
    assert answer.status_code == 502
    assert b"outdated" not in answer.content
    nothing_happened(vendor)


FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("status", {"status": 500}),
    ("status", {"status": 503}),
    ("close", {}),
    ("lost", {}),
    ("garbage", {}),
    ("truncated", {}),
    ("latency", {"ms": 2000}),
]


@pytest.mark.parametrize(("kind", "params"), FAULTS, ids=[f"{kind}{list(p.values()) or ''}" for kind, p in FAULTS])
def test_a_vendor_that_does_not_answer(
    browser: Browser, vendor: Vendor, kind: str, params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = browser.consent(browser.begin())
    vendor.fault("/oauth/token", kind, **params)
    assert oauth.exchange.__kwdefaults__ is not None
    with monkeypatch.context() as hasty:
        if kind == "latency":  # the others answer at once, or close the connection
            hasty.setitem(oauth.exchange.__kwdefaults__, "deadline_seconds", 0.5)
        answer = browser.back(address)
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) >= 1
    assert not Installation.objects.exists()
    browser.install()
    assert installation(vendor.company).is_installed, "from the start it works"


def test_without_the_database_no_code_is_spent(browser: Browser, vendor: Vendor) -> None:
    began, listed = browser.consent(browser.begin()), browser.consent(browser.listing())

    def away(*_: Any) -> Any:
        raise OperationalError("the database is unavailable")

    with connection.execute_wrapper(away):
        for address in (began, listed):
            answer = browser.back(address)
            assert answer.status_code == 503
            assert answer["Retry-After"]
    nothing_happened(vendor)
    assert browser.back(began).status_code == 302, "the same links still work"
    assert browser.back(listed).status_code == 302


def test_of_many_callbacks_at_once_one_wins(browser: Browser, vendor: Vendor, address: str) -> None:
    cookie = browser.client.cookies[cookie_name()].value
    statuses: list[int] = []
    together = threading.Barrier(8)

    def come_back() -> None:
        own = Browser(Client(), vendor)
        own.client.cookies[cookie_name()] = cookie
        together.wait()
        try:
            statuses.append(own.back(address).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=come_back) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses.count(302) == 1
    assert set(statuses) <= {302, 400, 429}
    assert vendor.state()["token_requests"] == {"authorization_code": 1}
