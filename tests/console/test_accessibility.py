"""WCAG 2.2 A and AA as axe judges them, in a wide light window and on a dark telephone, and what a keyboard reaches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, expect

from integrations.console import urls as public_pages
from integrations.core import clock
from integrations.installs import urls as pages_of_installs
from integrations.installs.browser import result_link
from integrations.operators import urls as own_pages
from integrations.sync import plans
from integrations.sync.models import Plan
from integrations.tenants.models import Installation
from tests.console.conftest import LOCATION
from tests.console.test_browser import ColorScheme, Watched, browser, plain_http, sign_in, watched
from tests.operators.conftest import people as people
from tests.operators.test_access import address, patterns

__all__ = ["browser", "plain_http", "watched"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

OPTIONS = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "rules": {name: {"enabled": True} for name in ("target-size", "landmark-one-main", "skip-link")},
    "resultTypes": ["violations"],
}
JUDGE = """options => axe.run(document, options).then(found => found.violations.flatMap(
    rule => rule.nodes.map(node => [rule.id, node.html.slice(0, 300)])))"""
Window = tuple[ColorScheme, int]
WINDOWS: tuple[Window, ...] = (("light", 1440), ("dark", 390))
ALIKE = ("_history", "_delete", "_export")  # the same page for every model: one is judged


def addresses(client: Client, people: dict[str, Any], values: dict[str, str]) -> Iterator[str]:
    """Every page that the URL configuration has and that answers with HTML. Of pages that are alike it is one."""
    alike: set[str] = set()
    rows = people | {"auth.User": User.objects.all()[0], "auth.Group": Group.objects.all()[0]}
    for pattern in patterns():
        kind = next((end for end in ALIKE if str(pattern.name).endswith(end)), "")
        url = address(pattern, rows) if pattern.name and kind not in alike else None
        if url and is_a_page(client.get(url)):
            alike |= {kind} - {""}
            yield url
    for room in (own_pages, public_pages, pages_of_installs):
        for one in room.urlpatterns:
            space = f"{room.app_name}:" if hasattr(room, "app_name") else ""
            if not (has_values := bool(one.pattern.converters)) or one.name in values:
                url = reverse(f"{space}{one.name}", args=[values[one.name]] if has_values else ()) if one.name else ""
                if url and (one.name in values or is_a_page(client.get(url))):
                    yield url


def is_a_page(answer: Any) -> bool:
    """Whether it is HTML, and an answer to the question: an error page is judged once, elsewhere."""
    return answer.status_code == 200 and answer["Content-Type"].startswith("text/html") and b"<html" in answer.content


@pytest.mark.slow
@pytest.mark.timeout(900)  # a hundred pages, and axe takes a second or more for each
@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window[0])
def test_axe_finds_nothing_on_any_page(
    watched: Watched, live_server: object, people: dict[str, Any], client: Client, window: Window
) -> None:
    """Every page that has an address, signed in; a new one is judged without a line here."""
    page, base = watched.page, str(live_server)
    look_like(watched, window)
    browser_of_install = "b" * 43
    values = {"install-result": result_link.make(people["tenants.Installation"], None, browser=browser_of_install)}
    client.force_login(User.objects.create_superuser("op"))
    cookies = {settings.SESSION_COOKIE_NAME: client.session.session_key, result_link.cookie_name(): browser_of_install}
    page.context.add_cookies([{"name": name, "value": str(value), "url": base} for name, value in cookies.items()])
    page.add_init_script(Axe().axe_script)
    found, judged = [], []
    for url in addresses(client, people, values):
        answer = page.goto(f"{base}{url}")
        assert answer is not None
        assert answer.ok, f"{url}: {answer.status}"
        judged.append(url)
        is_dark = page.locator("html").evaluate("html => html.classList.contains('dark')")
        assert is_dark == (window[0] == "dark") or not url.startswith("/admin/"), url
        found += [(url, *one) for one in page.evaluate(JUDGE, OPTIONS)]
    assert found == []
    assert len(judged) > 90
    assert {"/", "/install/", "/embed/", "/admin/", "/admin/second-factor/", "/admin/sync/plan/choose/"} <= {*judged}
    assert "/admin/core/workerprocess/safekeeping/" in judged


@pytest.mark.parametrize("url", ["/admin/login/", "/no/such/page"])
def test_axe_finds_nothing_for_a_stranger(watched: Watched, live_server: object, db: None, url: str) -> None:
    watched.expected_status = 404
    for window in WINDOWS:
        look_like(watched, window)
        watched.page.goto(f"{live_server}{url}")
        assert Axe().run(watched.page, options=OPTIONS).response["violations"] == []


def look_like(watched: Watched, window: Window) -> None:
    """Set scheme and width before a page is loaded: the operators' pages take the scheme that they are loaded with."""
    scheme, width = window
    watched.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    watched.page.set_viewport_size({"width": width, "height": 900})


def test_keys_alone_reach_the_content_and_the_search(
    watched: Watched, live_server: object, agency: Installation
) -> None:
    page = watched.page
    sign_in(page, str(live_server))
    page.goto(f"{live_server}/admin/sync/plan/")
    skip = page.get_by_role("link", name="Skip to content")
    page.keyboard.press("Tab")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    box = page.get_by_role("button", name="Search Ctrl + K")
    box.focus()
    assert box.evaluate("box => getComputedStyle(box).outlineStyle") == "solid", "the focus is seen"
    page.keyboard.press("Enter")
    expect(page.locator("#search-input-command")).to_be_focused()


def test_keys_alone_go_from_the_sign_in_to_a_cure(watched: Watched, live_server: object, agency: Installation) -> None:
    """A paused sync: found by the search, let go on by a button of the location's page, without a mouse."""
    plans.switch(Plan.objects.filter(location_id=LOCATION), clock.now(), enabled=False)
    User.objects.create_superuser("op", "op@example.com", "a-long-operator-password")
    page, keys = watched.page, watched.page.keyboard
    page.goto(f"{live_server}/admin/")
    reach(page, "username")
    keys.type("op")
    reach(page, "password")
    keys.type("a-long-operator-password")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Syncs under way")).to_be_visible()
    keys.press("Control+k")
    expect(page.locator("#search-input-command")).to_be_focused()
    keys.type(LOCATION)
    expect(page.get_by_role("link", name=f"Studio {LOCATION}").last).to_be_visible()
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(page.get_by_text("Syncs paused: contacts")).to_be_visible()
    keys.press("Tab")
    keys.press("Enter")  # to the content
    expect(page.get_by_role("main")).to_be_focused()
    reach(page, "Go on", within=".tenant-table")
    keys.press("Enter")
    expect(page.get_by_text("1 plans go on.")).to_be_visible()
    assert Plan.objects.get(location_id=LOCATION).enabled


FOCUSED = """within => { const it = document.activeElement; const style = getComputedStyle(it);
    const here = !within || it.closest(within);
    return [here ? (it.name && it.name !== "action" ? it.name : it.innerText || "").trim() : "",
            style.outlineStyle !== "none" || style.boxShadow !== "none"]; }"""


def reach(page: Page, words: str, within: str = "") -> None:
    """Press Tab until what has these words, or is the field of this name, has the focus, and see that it shows."""
    passed = []
    for _ in range(150):
        name, is_shown = page.evaluate(FOCUSED, within)
        if str(name).startswith(words):
            assert is_shown, f"the focus of {words} is not seen"
            return
        passed.append(name)
        page.keyboard.press("Tab")
    raise AssertionError(f"{words} is not reached: {passed}")
