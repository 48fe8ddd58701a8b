"""In a real browser: the install by mouse, and the frame that asks who is there."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, sync_playwright
from pytest_httpserver import HTTPServer

from tests.sandbox.conftest import Start
from tests.sandbox.journey import DEFAULTS, Journey
from tests.sandbox.pages.test_sso import decrypted

pytestmark = pytest.mark.browser

APP_PAGE = """<!doctype html><title>app</title><p id="answer"></p><script>
window.addEventListener("message", (event) => {
  if (event.data.message !== "REQUEST_USER_DATA_RESPONSE") return;
  document.getElementById("answer").textContent = event.data.payload;
});
window.parent.postMessage({ message: "REQUEST_USER_DATA" }, "*");
</script>"""


@pytest.fixture
def page(chromium_path: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


@pytest.fixture
def httpserver() -> Iterator[HTTPServer]:
    """The app. Threaded, because a browser opens connections ahead of use, and one such would block all others."""
    with HTTPServer(host="127.0.0.1", threaded=True) as server:
        yield server


def test_the_framed_page_gets_its_user(journey: Journey, page: Page, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/embed/").respond_with_data(APP_PAGE, content_type="text/html")
    query = f"location={journey.locations[1]}&src={httpserver.url_for('/embed/')}"
    page.goto(f"{journey.sandbox.url}/sandbox/embed?{query}")
    page.get_by_text("It has requested its user and was answered.").wait_for()
    answer = page.frame_locator("#app").locator("#answer").inner_text()
    assert decrypted(answer, DEFAULTS.shared_secret)["activeLocation"] == journey.locations[1]


def test_an_install_by_mouse_from_the_marketplace(start: Start, page: Page, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/oauth/callback").respond_with_data("installed")
    journey = start(companies=2, redirect_uris=(httpserver.url_for("/oauth/callback"),))
    page.goto(f"{journey.sandbox.url}/sandbox/marketplace")
    page.get_by_role("link", name="Install").click()
    page.locator(".choice").nth(1).click()
    page.get_by_label("the agency, on several sub-accounts").check()
    page.get_by_label("all 3 sub-accounts").check()
    page.get_by_role("button", name="Install").click()
    page.wait_for_url("**/oauth/callback?*")
    query = parse_qs(urlsplit(page.url).query)
    assert set(query) == {"code"}
    installed = [row["installed"] for row in journey.state()["locations"].values()]
    assert installed == [False] * 3 + [True] * 3
