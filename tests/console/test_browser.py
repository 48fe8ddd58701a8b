"""The pages in a real browser: nothing on the console, nothing from another host, and the frame's conversation works.

Every page opens in a context whose requests and console are recorded; a policy that blocks our own files, a missing
file or a script error fails the test that opened it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Browser, ConsoleMessage, FrameLocator, Page, Request, expect, sync_playwright
from pytest_django import Settings
from pytest_httpserver import HTTPServer

from integrations.console.embed import sso_session
from integrations.core import audit, clock
from integrations.core.models import AuditEntry
from integrations.sync.models import Plan, Record
from integrations.tenants.models import App, Installation, Location
from integrations.tokens.models import Credential
from tests.console.conftest import COMPANY, LOCATION, OTHER, Sso, begin_run
from tests.console.embed import embedded_views
from tests.support.signed import sign

Framed = Callable[..., FrameLocator]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--test-third-party-cookie-phaseout",
]
CONTRAST = (Path(__file__).parent / "contrast.js").read_text().partition("\n")[2]
ColorScheme = Literal["light", "dark"]
FRAME = """<!doctype html><title>Agency</title><link rel="icon" href="data:,">
<iframe src="{src}" width="900" height="600"></iframe>
<script>const payloads = {payloads}; addEventListener("message", (event) => {{
  if (event.data.message === "REQUEST_USER_DATA")
    event.source.postMessage({{message: "REQUEST_USER_DATA_RESPONSE", payload: payloads.shift()}}, "*");
}});</script>"""


@dataclass
class Watched:
    """A page, and what it must not have done."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    expected_status: int = 200

    def complained(self, message: ConsoleMessage) -> None:
        refusal = f"status of {self.expected_status} " in message.text
        if message.type in ("error", "warning") and not refusal:
            self.complaints.append(message.text)

    def requested(self, request: Request, ours: tuple[str, ...]) -> None:
        if not request.url.startswith((*ours, "data:")):
            self.complaints.append(f"external request: {request.url}")


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    """Playwright runs an event loop in this thread, beside which Django refuses its ORM unless it is told."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def plain_http(settings: Settings) -> None:
    """The live server has no certificate."""
    settings.HTTPS = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False


@pytest.fixture
def watched(browser: Browser, live_server: object, httpserver: HTTPServer) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    watched = Watched(context.new_page())
    ours = (str(live_server), other_site(httpserver))
    watched.page.on("console", watched.complained)
    watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    watched.page.on("request", lambda request: watched.requested(request, ours))
    yield watched
    context.close()
    assert watched.complaints == []


def other_site(httpserver: HTTPServer) -> str:
    """The server by its address: another site than `localhost`, where ours is, so a frame there gets no cookies."""
    return httpserver.url_for("/").replace("localhost", "127.0.0.1")


def sign_in(page: Page, base: str) -> None:
    User.objects.create_superuser("op", "op@example.com", "a-long-operator-password")
    page.goto(f"{base}/admin/")
    page.fill("[name=username]", "op")
    page.fill("[name=password]", "a-long-operator-password")
    page.click("[type=submit]")
    expect(page.get_by_role("heading", name="Syncs under way")).to_be_visible()


def test_a_visitor_finds_the_way_to_the_permissions(
    watched: Watched, live_server: object, agency: Installation
) -> None:
    page = watched.page
    page.goto(f"{live_server}/")
    page.get_by_role("link", name="Install", exact=True).click()
    expect(page.get_by_role("heading", name="Install Northwind Sync")).to_be_visible()
    expect(page.get_by_role("row", name="contacts")).to_be_visible()
    background = page.evaluate("getComputedStyle(document.querySelector('.button')).backgroundColor")
    assert background not in ("", "rgba(0, 0, 0, 0)")  # the stylesheet came and the policy let it in


@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_scrolls_sideways(watched: Watched, live_server: object, agency: Installation, width: int) -> None:
    watched.page.set_viewport_size({"width": width, "height": 740})
    for path in ("/", "/install/", "/embed/"):
        watched.page.goto(f"{live_server}{path}")
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_an_error_is_a_page_with_a_way_back(watched: Watched, live_server: object, agency: Installation) -> None:
    watched.expected_status = 404
    watched.page.goto(f"{live_server}/no/such/page")
    expect(watched.page.get_by_role("heading", name="Page not found")).to_be_visible()
    watched.page.get_by_role("link", name="First page").click()
    expect(watched.page.get_by_role("link", name="Install", exact=True)).to_be_visible()


def test_an_operator_sees_a_sync_under_way(watched: Watched, live_server: object, agency: Installation) -> None:
    begin_run(Plan.objects.get(location_id=LOCATION))
    sign_in(watched.page, str(live_server))
    expect(watched.page.get_by_role("progressbar", name="contacts Studio loc1")).to_be_visible()


def test_what_is_long_wraps_on_a_telephone(watched: Watched, live_server: object, agency: Installation) -> None:
    Record.objects.update(payload={"email": "somebody.with.a.long.address@" + "example" * 30 + ".com"})
    audit.record("install.completed", actor="operator op", subject=f"Location:{LOCATION}", why="x" * 200)
    sign_in(watched.page, str(live_server))
    watched.page.set_viewport_size({"width": 390, "height": 844})
    rows: list[Any] = [Record.objects.latest("pk"), AuditEntry.objects.latest("pk"), agency.company]
    rows.append(Location.objects.get(pk=LOCATION))
    for row in rows:
        name = row._meta.label_lower.replace(".", "_")
        watched.page.goto(f"{live_server}{reverse(f'admin:{name}_change', args=[row.pk])}")
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= 390, row


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out(watched: Watched, live_server: object, agency: Installation, scheme: ColorScheme) -> None:
    watched.page.emulate_media(color_scheme=scheme)
    sign_in(watched.page, str(live_server))
    tenants = (f"tenants/location/{LOCATION}/change/", f"tenants/company/{COMPANY}/change/")
    for path in ("", "tokens/credential/", "sync/plan/", "gateway/call/explore/contacts.create-contact/", *tenants):
        watched.page.goto(f"{live_server}/admin/{path}")
        assert watched.page.evaluate(CONTRAST) == [], path


def test_a_tab_says_which_list_it_is(watched: Watched, live_server: object, agency: Installation) -> None:
    sign_in(watched.page, str(live_server))
    for path, title in (("tenants/app", "Apps"), ("tokens/credential", "Credentials"), ("sync/plan", "Plans")):
        watched.page.goto(f"{live_server}/admin/{path}/")
        assert watched.page.title().startswith(f"{title} | ")


def test_removing_an_installation_asks_in_a_dialog(watched: Watched, live_server: object, agency: Installation) -> None:
    page = watched.page
    sign_in(page, str(live_server))
    page.goto(f"{live_server}/admin/tenants/installation/{agency.pk}/change/")
    page.get_by_text("Remove here").first.click()
    expect(page.get_by_text("Deletes its tokens")).to_be_visible()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("is removed here")).to_be_visible()
    agency.refresh_from_db()
    assert agency.status == Installation.Status.UNINSTALLED


def test_an_operator_steers_a_credential_from_its_page(
    watched: Watched, live_server: object, agency: Installation
) -> None:
    page, row = watched.page, Credential.objects.get(resource_id=LOCATION)
    sign_in(page, str(live_server))
    page.goto(f"{live_server}/admin/tokens/credential/{row.pk}/change/")
    expect(page.get_by_text("Refresh now").first).to_be_visible()
    assert page.locator("a:visible", has_text="Mint again").count() == 0, "no company stands behind it"
    page.locator("a:visible", has_text="Suspend").first.click()
    expect(page.get_by_text("No call uses the credential and no worker refreshes it")).to_be_visible()
    page.get_by_role("button", name="Suspend", exact=True).click()
    expect(page.get_by_text("It is suspended.")).to_be_visible()
    expect(page.get_by_text("suspended by operator op")).to_be_visible()
    assert page.locator("a:visible", has_text="Suspend").count() == 0
    row.refresh_from_db()
    assert row.state == Credential.State.SUSPENDED


@pytest.fixture
def framed(watched: Watched, live_server: object, httpserver: HTTPServer) -> Framed:
    """Opens a page of another site that frames ours and answers its questions as the platform does."""

    def framed(*payloads: str, path: str = "/embed/") -> FrameLocator:
        body = FRAME.format(src=f"{live_server}{path}", payloads=json.dumps(payloads))
        httpserver.expect_request("/").respond_with_data(body, content_type="text/html")
        watched.page.goto(other_site(httpserver))
        return watched.page.frame_locator("iframe")

    return framed


def test_the_page_in_the_frame_shows_the_location(framed: Framed, agency: Installation, sso: Sso) -> None:
    Installation.objects.update(claimed_at=None, claimed_by="")
    begin_run(Plan.objects.get(location_id=LOCATION))
    inside = framed(sso())
    expect(inside.get_by_role("heading", name="Studio loc1")).to_be_visible()
    expect(inside.get_by_role("status")).to_have_text("Connected")
    expect(inside.get_by_role("row", name="contacts")).to_contain_text("3")
    expect(inside.get_by_role("progressbar")).to_have_attribute("max", "100")
    assert Installation.objects.get(resource_id=LOCATION).claimed_at is not None


@pytest.mark.urls("tests.console.embed.embedded_views")
def test_a_page_of_an_own_app_works_in_the_frame_of_another_site(
    watched: Watched, framed: Framed, agency: Installation, sso: Sso, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded_views.noted.clear()
    cookies: list[str] = []
    watched.page.on("request", lambda request: cookies.append(request.headers.get("cookie", "")))
    inside = framed(sso(), sso(), sso(activeLocation=OTHER), path="/own/notes/")
    expect(inside.get_by_role("heading", name=f"Notes of {LOCATION}")).to_be_visible()
    watched.expected_status = 401

    def note(text: str) -> None:
        inside.get_by_label("Text").fill(text)
        inside.get_by_role("button", name="Note").click()

    note("one")
    expect(inside.get_by_text("one")).to_be_visible()
    monkeypatch.setattr(sso_session, "_SALT", "another")  # as if the ticket had expired
    note("two")
    expect(inside.get_by_text("one, two")).to_be_visible()
    monkeypatch.setattr(sso_session, "_SALT", "a third")
    note("three")
    expect(inside.get_by_role("heading", name=f"Notes of {OTHER}")).to_be_visible()
    assert embedded_views.noted == ["one", "two"], "what was meant for one account reaches no other"
    assert not any(cookies)
    watched.page.evaluate("document.querySelector('iframe').width = 320")
    table = inside.get_by_role("table")
    assert table.evaluate("table => table.scrollWidth > table.clientWidth"), "the table scrolls"
    assert inside.locator("html").evaluate("page => page.scrollWidth") <= 320, "and the page does not"


@pytest.mark.urls("tests.console.embed.embedded_views")
def test_the_script_of_an_own_page_loads_once_and_follows_its_pages(
    framed: Framed, agency: Installation, sso: Sso
) -> None:
    inside = framed(sso(), path="/own/scripted/")
    expect(inside.locator("#seen")).to_have_text("user1 saw page 1")
    for number in (2, 3):
        inside.get_by_role("link", name="Again").click()
        expect(inside.locator("#seen")).to_have_text(f"user1 saw page {number}")


@pytest.mark.urls("tests.console.embed.embedded_views")
@pytest.mark.parametrize(("scheme", "ground"), [("light", "rgb(246, 247, 251)"), ("dark", "rgb(14, 18, 32)")])
def test_an_own_page_is_readable_light_and_dark(
    watched: Watched, framed: Framed, agency: Installation, sso: Sso, scheme: ColorScheme, ground: str
) -> None:
    watched.page.emulate_media(color_scheme=scheme)
    inside = framed(sso(), path="/own/scripted/")
    expect(inside.get_by_role("heading", name="Scripted")).to_be_visible()
    page = inside.locator("body")
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("body => getComputedStyle(body).backgroundColor") == ground


def test_the_page_fits_a_narrow_frame(watched: Watched, framed: Framed, agency: Installation, sso: Sso) -> None:
    Plan.objects.update(resource="opportunities", synced_at=clock.now())
    sign(Plan)
    inside = framed(sso())
    expect(inside.get_by_role("row", name="opportunities")).to_contain_text("synced, ")
    watched.page.evaluate("document.querySelector('iframe').width = 320")
    assert inside.locator("html").evaluate("page => page.scrollWidth") <= 320


def test_outside_a_frame_the_page_says_so_at_once(watched: Watched, live_server: object, agency: Installation) -> None:
    watched.page.clock.install()  # time stands still: nothing is waited for
    watched.page.goto(f"{live_server}/embed/")
    expect(watched.page.get_by_text("This page works inside your account only.")).to_be_visible()
    expect(watched.page.get_by_role("status")).to_have_text("Not available")


def test_the_page_in_the_frame_follows_the_sync(framed: Framed, agency: Installation, sso: Sso) -> None:
    run = begin_run(Plan.objects.get(location_id=LOCATION))
    inside = framed(sso())
    expect(inside.get_by_role("progressbar")).to_be_visible()
    run.status, run.finished_at = run.Status.COMPLETE, clock.now()
    run.save()
    expect(inside.get_by_role("row", name="contacts")).to_contain_text("synced, ", timeout=10_000)


def test_a_stranger_in_the_frame_sees_nothing(watched: Watched, framed: Framed, agency: Installation, sso: Sso) -> None:
    watched.expected_status = 401
    inside = framed(sso(secret="not the secret"))
    expect(inside.get_by_role("status")).to_have_text("Not available")
    expect(inside.get_by_text("could not be verified")).to_be_visible()
    expect(inside.get_by_text("Studio loc1")).to_have_count(0)


def test_what_to_enter_is_told_before_and_what_was_wrong_after(watched: Watched, live_server: object, db: None) -> None:
    page, base = watched.page, str(live_server)
    App.objects.create(
        name="Ours", client_id="a-b", highlevel_id="a", api_url="http://127.0.0.1:1", created_at=clock.now()
    )
    sign_in(page, base)
    page.goto(f"{base}/admin/tokens/credential/add/")
    expect(page.get_by_role("heading", name="Before you enter a token")).to_be_visible()
    expect(page.get_by_role("row", name="Agency Pro")).to_contain_text("yes, if it has one")
    expect(page.get_by_text("What is the difference between API 1.0 and API 2.0?")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.select_option("[name=app]", label="Ours")
    page.select_option("[name=kind]", value="key")
    page.select_option("[name=user_type]", value="Location")
    page.fill("[name=resource_id]", "location-one")
    page.fill("[name=pasted]", "undefined")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("means that this account has no key yet")).to_be_visible()
    expect(page.get_by_text("It pastes as blank or undefined.")).to_be_visible()
