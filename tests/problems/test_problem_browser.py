"""Problems and timelines in a real browser: readable in both schemes and on a telephone, and usable by hand."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from integrations.problems import decisions
from integrations.problems.models import Problem
from integrations.tenants.models import Installation
from tests.console.test_browser import CONTRAST, Watched, sign_in
from tests.console.test_browser import browser as browser
from tests.console.test_browser import plain_http as plain_http
from tests.console.test_browser import watched as watched
from tests.problems.conftest import Looks, only, poison
from tests.problems.test_timeline import PAGE
from tests.problems.test_timeline import story as story

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_pages_are_readable_in_both_schemes_and_fit_a_telephone(
    watched: Watched, live_server: object, story: dict[str, Any], look: Looks
) -> None:
    look()
    page, base = watched.page, str(live_server)
    muted = Problem.objects.filter(kind="event")[:1]
    decisions.mute(muted, look.now.replace(year=2126), by="op")
    sign_in(page, base)
    change = [f"/admin/problems/problem/{problem.pk}/change/" for problem in Problem.objects.order_by("pk")[:2]]
    addresses = ("/admin/problems/problem/?state=all", *change, f"{PAGE}?id={story['event'].webhook_id}")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its literals
        for address in addresses:
            page.goto(f"{base}{address}")
            assert page.evaluate(CONTRAST) == [], (scheme, address)
    page.set_viewport_size({"width": 390, "height": 844})
    for address in addresses:
        page.goto(f"{base}{address}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address


def test_from_the_sidebar_to_the_events_that_are_processed_again(
    watched: Watched, live_server: object, agency: Installation, look: Looks
) -> None:
    events = [poison(agency.app, number) for number in range(3)]
    look()
    page = watched.page
    sign_in(page, str(live_server))
    page.locator("a[href='/admin/problems/problem/']").first.click()
    page.get_by_role("link", name="ContactCreate").first.click()
    expect(page.get_by_role("heading", name="ContactCreate", exact=True)).to_be_visible()
    page.get_by_label("Mute until").fill("2126-01-01T08:30")
    page.get_by_role("button", name="Mute", exact=True).click()
    expect(page.get_by_text("Name a moment in the future, within a year.")).to_be_visible()
    page.get_by_role("button", name="Take it").click()
    page.goto(f"{live_server}/admin/problems/problem/{only().pk}/change/")
    expect(page.get_by_text("op has it")).to_be_visible()
    page.get_by_role("button", name="Process its events again …").click()
    expect(page.get_by_text("3 events will be processed again.")).to_be_visible()
    assert {event.__class__.objects.get(pk=event.pk).status for event in events} == {"pending"}
