"""Every list on a telephone, 390 pixels wide: a row is two lines, and what they cut is whole on the page of the row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, expect

from integrations.core import clock
from integrations.core.models import WorkerProcess
from integrations.gateway.models import Usage as UsageOfOperations
from integrations.quota.models import Usage as UsageOfQuota
from integrations.sync.models import Plan
from integrations.tenants.models import App, Company, Installation, Location
from tests.console.test_browser import Watched, browser, plain_http, watched
from tests.operators.conftest import people as people

__all__ = ["browser", "plain_http", "watched"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MOST = 90  # pixels that a row is high
LONG = "Zahnärzte & Kieferorthopäden am Marktplatz"
WRONG = (Path(__file__).parent / "two_lines.js").read_text().partition("\n")[2]
PAGES_OF_FIGURES = (WorkerProcess, UsageOfOperations, UsageOfQuota)  # in the place of a list, without rows


def on_a_telephone(page: Page, base: str, client: Client) -> None:
    """Sign the browser in, and make it as wide as a telephone."""
    client.force_login(User.objects.create_superuser("op", f"{'op' * 20}@example.com", last_login=clock.now()))
    key = client.session.session_key or ""
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": key, "url": base}])
    page.set_viewport_size({"width": 390, "height": 844})


def address(base: str, model: Any) -> str:
    """Of the list of a model."""
    return base + reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def test_an_operator_walks_through_every_list(
    watched: Watched, live_server: object, people: dict[str, Any], client: Client
) -> None:
    for named in (Location, Company, App):
        named.objects.update(name=LONG)
    page, base = watched.page, str(live_server)
    on_a_telephone(page, base, client)
    wrong = {}
    for model in admin.site._registry:
        page.goto(address(base, model))
        assert not watched.complaints, model
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, model
        assert page.locator("#result_list .data-row").count() or model in PAGES_OF_FIGURES, f"no rows: {model}"
        wrong[model._meta.label] = page.evaluate(WRONG, MOST)
    assert {name: found for name, found in wrong.items() if found} == {}


def test_a_row_shows_all_that_it_says_to_a_keyboard(
    watched: Watched, live_server: object, agency: Installation, client: Client
) -> None:
    page, base = watched.page, str(live_server)
    on_a_telephone(page, base, client)
    page.goto(address(base, Plan))
    row = page.locator("#result_list .data-row").first
    last = row.locator(".field-full_due_at")
    is_inside = "(cell, row) => cell.getBoundingClientRect().bottom <= row.getBoundingClientRect().bottom"
    assert not last.evaluate(is_inside, row.element_handle())
    row.get_by_role("checkbox").focus()
    page.keyboard.press("Tab")
    expect(row.locator("th a")).to_be_focused()
    assert last.evaluate(is_inside, row.element_handle())
