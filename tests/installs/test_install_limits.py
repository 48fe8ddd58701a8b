"""What strangers send closes the install page and the callback for nobody else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client

from integrations.core import clock
from integrations.core.errors import StateInvalid
from integrations.highlevel.oauth import client as oauth
from integrations.installs import install_limits
from integrations.installs.browser import state
from integrations.installs.browser.result_link import cookie_name
from integrations.installs.models import InstallState
from integrations.quota import thread_budgets
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


def test_strangers_who_begin_close_the_install_page_for_nobody_and_fill_no_table(
    browser: Browser, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    lower(monkeypatch, STORED=2)
    strangers = [Client().get("/install/", {"go": 1}, REMOTE_ADDR=f"203.0.113.{n}").status_code for n in range(5)]
    assert strangers == [302] * 5
    assert InstallState.objects.count() == 2
    address = browser.consent(browser.begin())
    cookie = browser.client.cookies[cookie_name()].value
    assert Browser(Client(), vendor).back(address).status_code == 400, "a signed state is bound to its browser, too"
    assert InstallState.objects.count() == 2
    assert browser.back(address).status_code == 302
    browser.client.cookies[cookie_name()] = cookie
    assert browser.back(address).status_code == 400, "and works once"
    assert InstallState.objects.exclude(consumed_at=None).count() == 1


def test_a_signed_state_ends_after_ten_minutes_and_asks_the_account_of_its_link(app: App) -> None:
    now = clock.now()
    issued = state.issue_signed(app, browser="b")
    with time_machine.travel(now + state.LIFETIME + timedelta(seconds=2), tick=False), pytest.raises(StateInvalid):
        state.consume(issued, browser="b", now=clock.now())
    assert not state.began_here(issued[:-1] + "x", browser="b", now=now)
    assert state.began_here(issued, browser="b", now=now)
    row = state.consume(issued, browser="b", now=now)
    assert (row.app, row.installation, row.claimant) == (app, None, "")
    assert not state.began_here(issued, browser="b", now=now)


def status_of(browser: Browser, address: str) -> int:
    return int(browser.back(address).status_code)


class SlowVendor:
    """Exchanges that wait until they are released."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered, self.release, self.statuses = threading.Semaphore(0), threading.Event(), list[int]()
        self._exchange, self._threads = oauth.exchange, list[threading.Thread]()
        monkeypatch.setattr(oauth, "exchange", self._slow)

    def _slow(self, *args: Any, **named: Any) -> Any:
        self.entered.release()
        self.release.wait(60)
        return self._exchange(*args, **named)

    def hold(self, ask: Callable[[], int], number: int) -> None:
        """Ask so many times at once, and come back when all of them wait."""

        def run() -> None:
            try:
                self.statuses.append(ask())
            finally:
                connection.close()

        started = [threading.Thread(target=run) for _ in range(number)]
        self._threads += started
        for thread in started:
            thread.start()
        for _ in started:
            assert self.entered.acquire(timeout=60)

    def end(self) -> list[int]:
        self.release.set()
        for thread in self._threads:
            thread.join(60)
        return self.statuses


@pytest.mark.django_db(transaction=True)
def test_while_the_vendor_is_slow_most_threads_stay_free(
    browser: Browser, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [Browser(Client(), vendor) for _ in range(thread_budgets.AT_ONCE)]
    *waiting, genuine = [(one, one.consent(one.begin())) for one in [*others, browser]]
    slow = SlowVendor(monkeypatch)
    for one, address in waiting:
        slow.hold(partial(status_of, one, address), 1)
    refused = browser.back(genuine[1])
    assert (refused.status_code, refused["Retry-After"]) == (429, "2")
    slow.end()
    assert browser.back(genuine[1]).status_code == 302, "the refused callback used nothing up"


@pytest.mark.django_db(transaction=True)
def test_strangers_who_guess_while_the_vendor_is_slow_leave_a_thread_to_who_began_here(
    browser: Browser, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = browser.consent(browser.begin())
    slow = SlowVendor(monkeypatch)
    slow.hold(lambda: guess(Client(), 1), thread_budgets.OF_STRANGERS)
    assert guess(Client(), 2, "203.0.113.9") == 429
    assert Browser(Client(), vendor).back(genuine).status_code == 429, "a state of another browser proves nothing"
    slow.hold(partial(status_of, browser, genuine), 1)
    assert sorted(slow.end()) == [302] + [400] * thread_budgets.OF_STRANGERS


def test_two_tabs_of_a_browser_install_at_once(browser: Browser, vendor: Vendor) -> None:
    first, second = browser.begin(), browser.begin()
    assert browser.back(browser.consent(second, vendor.locations[0])).status_code == 302
    assert browser.back(browser.consent(first, vendor.locations[1])).status_code == 302


def test_the_callback_answers_with_a_trailing_slash(browser: Browser, vendor: Vendor) -> None:
    assert browser.client.get(CALLBACK + "/", {"error": "access_denied"}).status_code == 400
