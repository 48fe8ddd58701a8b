"""WCAG 2.2 A and AA as axe judges them, in a wide light window and on a dark telephone, and what a keyboard reaches."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from integrations.installs.browser import result_link
from integrations.sync.models import Plan, Record
from integrations.tenants.models import Installation
from tests.console.conftest import COMPANY, LOCATION, begin_run
from tests.console.test_browser import ColorScheme, Watched, browser, plain_http, sign_in, watched

__all__ = ["browser", "plain_http", "watched"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

OPTIONS = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "rules": {name: {"enabled": True} for name in ("target-size", "landmark-one-main", "skip-link")},
    "resultTypes": ["violations"],
}
WINDOWS: tuple[tuple[ColorScheme, int], ...] = (("light", 1440), ("dark", 390))
PUBLIC = ("/install/", "/embed/", "/admin/login/")
LISTS = ("tenants/location", "tokens/credential", "sync/run", "gateway/usage", "problems/problem")
PAGES = ("sync/plan/choose", "sync/plan/adaptive", "exports/export/new", "upserts/upsert/new")


@pytest.mark.timeout(240)  # twenty pages, each judged twice: most of a minute on an idle machine
def test_axe_finds_nothing(watched: Watched, live_server: object, agency: Installation) -> None:
    begin_run(Plan.objects.get(location_id=LOCATION))
    page, base = watched.page, str(live_server)
    page.emulate_media(reduced_motion="reduce")
    found: list[tuple[str, int, str, str]] = []

    def judge(path: str) -> None:
        answer = page.goto(f"{base}{path}")
        assert answer is not None
        assert answer.ok, f"{path}: {answer.status}"
        for scheme, width in WINDOWS:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            rules = Axe().run(page, options=OPTIONS).response["violations"]
            found.extend((path, width, rule["id"], node["html"]) for rule in rules for node in rule["nodes"])

    for path in PUBLIC:
        judge(path)
    page.context.add_cookies([{"name": result_link.cookie_name(), "value": "b" * 43, "url": base}])
    judge(f"/install/done/{result_link.make(agency, None, browser='b' * 43)}")
    sign_in(page, base)
    rows = (
        reverse("admin:tenants_location_change", args=[LOCATION]),
        reverse("admin:tenants_company_change", args=[COMPANY]),
        reverse("admin:sync_record_change", args=[Record.objects.latest("pk").pk]),
        "/admin/tokens/credential/add/",
        "/admin/sync/run/export/?when=1d",
        "/admin/problems/problem/timeline/",
    )
    for path in ("/admin/", *(f"/admin/{name}/" for name in (*LISTS, *PAGES)), *rows):
        judge(path)
    assert found == []


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
