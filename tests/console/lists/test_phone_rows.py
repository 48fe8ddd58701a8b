"""On a telephone a row of each list is two lines of text, or three where it names a long error, and nothing is cut."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.console.test_browser import Watched, browser, plain_http, watched
from tests.operators.conftest import people as people

__all__ = ["browser", "plain_http", "watched"]
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
MEASURE = """() => [...document.querySelectorAll("#result_list .data-row")].map(row => {
    const tops = new Set(), range = document.createRange();
    const texts = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) if (texts.currentNode.data.trim()) {
        range.selectNodeContents(texts.currentNode);
        for (const box of range.getClientRects()) if (box.height > 4) tops.add(Math.round(box.bottom / 8));
    }
    return [Math.round(row.getBoundingClientRect().height), tops.size, row.innerText.replace(/\\s+/g, " ")];
})"""


def test_rows_are_low(watched: Watched, live_server: object, people: dict[str, Any], client: Client) -> None:
    page, base = watched.page, str(live_server)
    client.force_login(User.objects.create_superuser("op"))
    cookie = str(client.session.session_key)
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": base}])
    page.set_viewport_size({"width": 390, "height": 844})
    measured, high = 0, dict[str, list[Any]]()
    for model in admin.site._registry:
        name = model._meta.label_lower.replace(".", "_")
        page.goto(base + reverse(f"admin:{name}_changelist"))
        rows = page.evaluate(MEASURE)
        measured += bool(rows)
        print(name, rows[:2])  # noqa: T201
        high[name] = [row for row in rows if row[0] > 90]
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
    assert {name: rows for name, rows in high.items() if rows} == {}
    assert measured > 25
