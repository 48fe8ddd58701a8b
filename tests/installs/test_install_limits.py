"""What strangers send closes the install page and the callback for nobody else."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from integrations.highlevel.oauth import client as oauth
from integrations.installs import install_limits
from integrations.installs.models import InstallState
from integrations.quota.request_limits import RequestLimit
from integrations.tenants.models import App
from tests.installs.journey import CALLBACK, Browser
from tests.plugin.vendor import Vendor

pytestmark = pytest.mark.usefixtures("clean_redis")


def lower(monkeypatch: pytest.MonkeyPatch, **limits: int) -> None:
    for name, per_minute in limits.items():
        monkeypatch.setattr(install_limits, name, RequestLimit(name, per_minute))


def guess(client: Client, number: int, address: str = "203.0.113.1", **query: str) -> int:
    return client.get(CALLBACK, {"code": f"guess-{number}"} | query, REMOTE_ADDR=address).status_code


def test_guessed_codes_are_refused_before_the_vendor_is_called(
    browser: Browser, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    lower(monkeypatch, FAILED=3)
    assert [guess(browser.client, number) for number in range(5)] == [400] * 3 + [429] * 2
    assert vendor.state()["token_requests"]["refused"] == 3
    assert guess(browser.client, 5, "203.0.113.2") == 400, "another address has a limit of its own"
    answer = browser.back(browser.consent(browser.begin()))
    assert answer.status_code == 302, "success is counted nowhere"


def test_strangers_at_many_addresses_do_not_close_the_callback_for_those_who_began_here(
    browser: Browser, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    lower(monkeypatch, FAILED_BY_ALL=3)
    assert [guess(browser.client, n, f"203.0.113.{n}") for n in range(5)] == [400] * 3 + [429] * 2
    assert browser.back(browser.consent(browser.begin())).status_code == 302


def test_a_made_up_state_costs_no_call_and_none_of_the_limit_of_all(
    browser: Browser, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    lower(monkeypatch, FAILED_BY_ALL=1)
    assert [guess(browser.client, n, f"203.0.113.{n}", state="made up") for n in range(3)] == [400] * 3
    assert vendor.state()["token_requests"] == {}
    assert browser.back(browser.consent(browser.listing())).status_code == 302


def test_begun_installations_are_limited_and_the_page_is_not(
    client: Client, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    lower(monkeypatch, BEGUN=2)
    assert [client.get("/install/", {"go": 1}).status_code for _ in range(3)] == [302, 302, 429]
    assert client.get("/install/").status_code == 200
    assert InstallState.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_while_the_vendor_is_slow_most_threads_stay_free(
    browser: Browser, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = threading.Semaphore(0)
    release = threading.Event()
    exchange = oauth.exchange

    def slow(*args: Any, **named: Any) -> Any:
        entered.release()
        release.wait(30)
        return exchange(*args, **named)

    monkeypatch.setattr(oauth, "exchange", slow)
    genuine = browser.consent(browser.begin())
    statuses: list[int] = []

    def ask(number: int) -> None:
        try:
            statuses.append(guess(Client(), number))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(install_limits.AT_ONCE)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert entered.acquire(timeout=30)
    refused = browser.back(genuine)
    assert (refused.status_code, refused["Retry-After"]) == (429, "2")
    release.set()
    for thread in threads:
        thread.join()
    assert statuses == [400] * install_limits.AT_ONCE
    assert browser.back(genuine).status_code == 302, "the refused callback used nothing up"


def test_two_tabs_of_a_browser_install_at_once(browser: Browser, vendor: Vendor) -> None:
    first, second = browser.begin(), browser.begin()
    assert browser.back(browser.consent(second, vendor.locations[0])).status_code == 302
    assert browser.back(browser.consent(first, vendor.locations[1])).status_code == 302


def test_the_callback_answers_with_a_trailing_slash(browser: Browser, vendor: Vendor) -> None:
    assert browser.client.get(CALLBACK + "/", {"error": "access_denied"}).status_code == 400
