"""Help with tokens that are entered by hand, in a browser: before the form, and after each kind of refusal."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from integrations.installs.entered import advice
from integrations.tenants.models import App
from tests.console.test_accessibility import WINDOWS, look_like
from tests.console.test_browser import CONTRAST, Watched, browser, plain_http, sign_in, watched
from tests.tokens.entered_tokens.test_kinds import KEY, LOCATION, PRIVATE, app, vendor
from tests.tokens.listener import Listener

__all__ = ["app", "browser", "plain_http", "vendor", "watched"]
pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FORM = "/admin/tokens/credential/add/"
TITLE = "What to do now"


def is_readable(page: Page, name: str) -> None:
    """With contrast, and nothing beyond the edge."""
    width = page.evaluate("window.innerWidth")
    assert page.evaluate(CONTRAST) == [], name
    assert page.evaluate("document.documentElement.scrollWidth") <= width, name


@pytest.fixture(params=WINDOWS, ids=lambda window: window[0])
def page(watched: Watched, live_server: object, request: pytest.FixtureRequest) -> Page:
    """Signed in, wide and light or narrow and dark."""
    sign_in(watched.page, str(live_server))
    look_like(watched, request.param)
    return watched.page


def enter(page: Page, base: str, app: App, kind: str, text: str) -> None:
    page.goto(f"{base}{FORM}?app={app.pk}&kind={kind}&user_type=Location&resource_id={LOCATION}")
    page.get_by_label("Token or key").fill(text)
    page.locator("[name=_save]").click()


def test_before_the_form_stands_what_can_be_entered(page: Page, live_server: object, app: App) -> None:
    page.goto(f"{live_server}{FORM}")
    expect(page.get_by_role("table", name="What the plans of HighLevel are said to allow")).to_be_visible()
    for note in (*advice.CHOICE, *advice.BEFORE, *advice.AFTER):
        expect(page.get_by_text(note.question, exact=True)).to_be_visible()
    is_readable(page, "before")


def test_what_was_pasted_wrongly_is_named_at_the_field(
    page: Page, live_server: object, app: App, vendor: Listener
) -> None:
    for name, kind, text, said in (
        ("blank", "key", "", "nothing was pasted"),
        ("undefined", "key", "undefined", "undefined"),
        ("old", "key", "a" * 50, "old"),
    ):
        enter(page, str(live_server), app, kind, text)
        expect(page.locator(".errorlist, [class*=text-red]").get_by_text(said).first).to_be_visible()
        expect(page.get_by_text("How do I recognise an old key?")).to_be_visible()
        is_readable(page, name)
    assert vendor.asked == []


def test_a_refusal_shows_the_steps_and_the_report(page: Page, live_server: object, app: App, vendor: Listener) -> None:
    vendor.known.clear()
    for kind, text in (("private", PRIVATE), ("key", KEY)):
        enter(page, str(live_server), app, kind, text)
        now = page.get_by_role("region", name=TITLE)
        expect(now.get_by_role("listitem").first).to_be_visible()
        expect(now.get_by_text("Report for HighLevel")).to_be_visible()
        is_readable(page, f"refused-{kind}")
