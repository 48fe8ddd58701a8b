"""Open pages in a browser: they update themselves, and know when not to."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, Page, Request, expect

from integrations.core import clock
from integrations.operators import sessions
from integrations.sync.models import Plan, Run
from integrations.tenants.models import Company, Installation
from tests.console.conftest import LOCATION, begin_run
from tests.console.test_browser import Watched, browser, plain_http, sign_in, watched
from tests.operators.conftest import people as people
from tests.operators.test_access import address, patterns

__all__ = ["browser", "plain_http", "watched"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def updates(page: Page) -> list[Request]:
    """The requests of updates from now on."""
    found: list[Request] = []
    page.on("request", lambda request: found.append(request) if "x-live" in request.headers else None)
    return found


def later(page: Page, seconds: float = 6) -> None:
    """Let the clock of the page go on: no test waits for it."""
    page.clock.run_for(seconds * 1000)


def see(page: Page, *, hidden: bool) -> None:
    """What a browser does when another tab comes to the front, or this one again."""
    page.evaluate(
        """hidden => { Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
        document.dispatchEvent(new Event("visibilitychange")); }""",
        hidden,
    )


def answered(page: Page, act: Callable[[], None]) -> None:
    """Do what makes the page ask, and wait until it has shown the answer."""
    before = page.locator(".live-at").inner_text()
    with page.expect_response(lambda answer: "x-live" in answer.request.headers) as response:
        act()
    assert response.value.ok, response.value.url
    expect(page.locator(".live-at")).not_to_have_text(before)


def live_addresses(client: Client, people: dict[str, Any]) -> list[str]:
    """Every page of the URL configuration that says it is live, but for the second page of a history or an export."""
    found = []
    for pattern in patterns():
        is_other = not pattern.name or str(pattern.name).endswith(("_history", "_delete", "_export", "_add", "logout"))
        url = None if is_other else address(pattern, people)
        answer: Any = client.get(url) if url else None
        if answer is not None and b"data-live" in answer.getvalue():
            found.append(str(url))
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)  # thirty pages
def test_each_live_page_asks_every_five_seconds_at_most_and_never_while_hidden_or_paused(
    watched: Watched, live_server: object, people: dict[str, Any], client: Client
) -> None:
    page, base = watched.page, str(live_server)
    now = clock.now()
    page.clock.install(time=now)
    page.clock.pause_at(now + timedelta(seconds=1))
    client.force_login(User.objects.create_superuser("op"))
    cookie = str(client.session.session_key)
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": base}])
    urls = live_addresses(client, people)
    lists = {"webhooks/event", "jobs/run", "sync/run", "quota/parked", "quota/usage", "problems/problem"}
    assert {"/admin/", "/admin/core/workerprocess/", *(f"/admin/{name}/" for name in lists)} <= {*urls}
    asked = updates(page)
    for url in urls:
        page.goto(f"{base}{url}")
        asked.clear()
        for number in (1, 2):
            later(page, 4.8)
            assert len(asked) == number - 1, f"{url} asks more often than every five seconds"
            answered(page, lambda: later(page, 0.2))
        see(page, hidden=True)
        later(page, 60)
        assert len(asked) == 2, f"{url} asks in a hidden tab"
        see(page, hidden=False)
        answered(page, lambda: later(page, 0.2))
        page.locator(".live-pause").click()
        later(page, 60)
        assert len(asked) == 3, f"{url} asks while it is paused"
        page.locator(".live-pause").click()  # the tab would remember it


def test_a_list_updates_itself_pauses_and_leaves_chosen_rows_alone(
    watched: Watched, live_server: object, agency: Installation
) -> None:
    page = watched.page
    page.clock.install()
    run = begin_run(Plan.objects.get(location_id=LOCATION))
    sign_in(page, str(live_server))
    page.goto(f"{live_server}/admin/sync/run/")
    expect(page.locator("#result_list")).to_contain_text("40 of 100")
    page.evaluate("document.querySelector('#result_list tbody').dataset.kept = 'yes'")
    Run.objects.filter(pk=run.pk).update(seen=70)
    later(page)
    expect(page.locator("#result_list")).to_contain_text("70 of 100")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status").filter(has_text="Updates are paused.")).to_be_visible()
    asked = updates(page)
    Run.objects.filter(pk=run.pk).update(seen=80)
    later(page, 60)
    assert asked == []
    page.reload()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()  # the tab stays paused
    page.get_by_role("button", name="Go on").click()
    Run.objects.filter(pk=run.pk).update(seen=90)
    later(page)
    expect(page.locator("#result_list")).to_contain_text("90 of 100")
    page.locator("#result_list input[name=_selected_action]").check()
    asked = updates(page)
    later(page, 60)
    assert asked == [], "a chosen row is not moved under the operator's hand"


def test_a_page_that_gets_no_answer_backs_off_and_one_that_is_signed_out_stops(
    watched: Watched, live_server: object, agency: Installation
) -> None:
    page = watched.page
    watched.expected_status = 503
    page.clock.install()
    sign_in(page, str(live_server))
    page.goto(f"{live_server}/admin/")
    page.route(re.compile(r"/admin/$"), lambda route: route.fulfill(status=503, headers={"Retry-After": "30"}))
    bar = page.locator(".live-said")
    later(page)
    expect(bar).to_contain_text("The next try is in 30 seconds.")
    page.unroute(re.compile(r"/admin/$"))
    later(page, 31)
    expect(bar).to_have_text("")
    sessions.end_all(User.objects.get(username="op"))
    later(page)
    expect(bar).to_contain_text("signed out")
    asked = updates(page)
    later(page, 600)
    assert asked == []


def test_times_are_in_the_zone_of_the_operator_and_stay_so_when_the_page_is_updated(
    browser: Browser, live_server: object, agency: Installation
) -> None:
    Company.objects.update(created_at=datetime(2026, 11, 30, 20, 27, 19, tzinfo=UTC))
    context = browser.new_context(timezone_id="Asia/Tokyo")
    page = context.new_page()
    page.clock.install()
    sign_in(page, str(live_server))
    page.goto(f"{live_server}/admin/tenants/company/")
    cell = page.locator("#result_list .field-created_at")
    expect(cell).to_contain_text("2026-12-01 05:27:19 GMT+9")
    assert page.locator("#result_list [title='2026-11-30 20:27:19 UTC']").count() == 1, "the tooltip has it in UTC"
    page.goto(f"{live_server}/admin/")
    shown = page.locator(".dash > p", has_text="As of")
    expect(shown).to_contain_text("GMT+9")
    with page.expect_response(lambda answer: "x-live" in answer.request.headers):
        later(page)
    expect(page.locator(".live-at")).to_be_visible()
    assert "UTC" not in shown.inner_text()
    context.close()
