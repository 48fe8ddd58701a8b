"""Usage, calls, jobs and the explorer in a real browser: the page's policy lets everything in, at every width."""

from __future__ import annotations

import random
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from integrations.core import clock
from integrations.core.tenant import UserType
from integrations.gateway.histogram import SIZE, bucket
from integrations.gateway.models import Call as Failed
from integrations.gateway.models import Usage
from integrations.gateway.stats import usage_counter
from integrations.highlevel.support.channels import SLACK
from integrations.jobs.models import Run, Schedule
from integrations.tenants.models import App, Installation, Location
from tests.console.test_browser import Watched, browser, plain_http, watched
from tests.gateway_usage.conftest import Call as Caller
from tests.gateway_usage.test_pages import failed

__all__ = ["browser", "plain_http", "watched"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

OPERATIONS = {
    "contacts.search-contacts-advanced": ("sync.advance", 40, 180),
    "contacts.add-tags": ("welcome.tag_newcomers", 25, 120),
    "opportunities.search-opportunity": ("sync.advance", 12, 240),
    "users.get-user-by-location": ("sync.advance", 5, 90),
    "conversations.send-a-new-message": ("reminders.send", 8, 420),
    "calendars.get-calendar-events": ("", 3, 300),
}


@pytest.fixture
def installed(app: App, location: str) -> Installation:
    now = clock.now()
    row = Location.objects.create(id=location, name="Studio North", created_at=now)
    return Installation.objects.create(
        app=app,
        user_type=UserType.LOCATION,
        resource_id=location,
        location=row,
        status=Installation.Status.INSTALLED,
        origin=Installation.Origin.APP,
        status_at=now,
        created_at=now,
    )


@pytest.fixture
def busy(app: App, location: str) -> None:
    """An hour's usage, failed calls, and runs of every kind."""
    chance = random.Random(7)
    now = clock.now().replace(second=0, microsecond=0)
    for minute in range(58):
        for operation, (job, calls, milliseconds) in OPERATIONS.items():
            use(
                app,
                now - timedelta(minutes=minute),
                operation,
                job,
                round(calls * chance.uniform(0.4, 1.6)),
                milliseconds,
            )
        if 20 < minute < 32:
            use(
                app,
                now - timedelta(minutes=minute),
                "contacts.add-tags",
                "welcome.tag_newcomers",
                6,
                2500,
                "server_fault",
            )
        if minute % 9 == 0:
            use(app, now - timedelta(minutes=minute), "contacts.get-contact", "", 2, 80, "request_rejected")
    failed(app, resource_id=location, message="The contact does not exist", body={"tags": ["vip"]})
    failed(app, resource_id=location, status=503, code="server_fault", operation="contacts.add-tags", method="POST")
    failed(app, resource_id=location, status=None, code="unreachable", operation="users.get-user", trace_id="")
    failed(
        app, resource_id=location, status=200, code="", slow=True, took_ms=4120, operation="medias.fetch-media-content"
    )
    runs(app, location)


def use(app: App, at: Any, operation: str, job: str, calls: int, milliseconds: int, code: str = "") -> None:
    buckets = [0] * SIZE
    for part, factor in ((0.6, 1.0), (0.35, 1.6), (0.05, 4.0)):
        buckets[bucket(milliseconds * factor)] += round(calls * part)
    Usage.objects.create(
        span=60,
        at=at,
        app=app,
        resource_id="loc1",
        operation=operation,
        job=job,
        lane="bulk",
        code=code,
        calls=calls,
        spent=calls,
        took_ms=calls * milliseconds,
        slowest_ms=milliseconds * 4,
        buckets=buckets,
    )


def runs(app: App, location: str) -> None:
    now = clock.now()
    kinds: list[dict[str, Any]] = [
        {"status": "running", "done": 4200, "total": 11000, "counts": {"tagged": 312}},
        {"status": "running", "done": 18, "attempts": 2, "error_code": "server_fault", "error": "HighLevel failed"},
        {"status": "complete", "done": 230, "total": 230, "counts": {"tagged": 12}, "finished_at": now},
        {
            "status": "failed",
            "done": 3,
            "total": 90,
            "error_code": "scope_missing",
            "error": "contacts.add-tags needs the scope contacts.write: add it to the app and install again",
            "trace_id": "0b6c0a8e-5c5e-4f0a",
            "finished_at": now,
        },
        {"status": "cancelled", "error_code": "cancelled", "error": "by operator op", "finished_at": now},
    ]
    for number, fields in enumerate(kinds):
        name = ("welcome.tag_newcomers", "reminders.send", "reports.weekly", "welcome.greet", "welcome.clean")[number]
        schedule = Schedule.objects.create(
            app=app, job=name, level="Location", tenant_id=location, created_at=now, due_at=now + timedelta(hours=1)
        )
        Run.objects.create(schedule=schedule, due_at=now, started_at=now - timedelta(minutes=9), **fields)


def sign_in(page: Page, base: str) -> None:
    User.objects.create_superuser("op", "op@example.com", "a-long-operator-password")
    page.goto(f"{base}/admin/")
    page.fill("[name=username]", "op")
    page.fill("[name=password]", "a-long-operator-password")
    page.click("[type=submit]")
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()


def test_usage_is_drawn_and_narrowed(watched: Watched, live_server: object, busy: None) -> None:
    page = watched.page
    sign_in(page, str(live_server))
    page.goto(f"{live_server}/admin/gateway/usage/")
    expect(page.get_by_role("group", name="Requests by operation")).to_be_visible()
    column = page.locator("svg[aria-label^='Requests by operation:'] rect").first
    fill = column.evaluate("box => getComputedStyle(box).fill")
    assert fill not in ("rgb(0, 0, 0)", ""), "the stylesheet came"
    page.get_by_role("link", name="contacts.add-tags").click()
    expect(page.get_by_role("rowheader")).to_have_text(["contacts.add-tags", "welcome.tag_newcomers"])


def test_an_operator_reads_a_failure_and_tries_it_in_the_explorer(
    watched: Watched, live_server: object, installed: Installation, call: Caller
) -> None:
    with pytest.raises(Exception, match=r".+"):
        call("contacts.get-contact", params={"contactId": "nobody"})
    usage_counter.flush()
    page = watched.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(page, str(live_server))
    page.goto(f"{live_server}/admin/gateway/call/")
    page.get_by_role("link", name=re.compile("20\\d\\d")).first.click()
    expect(page.get_by_role("link", name="developer Slack")).to_have_attribute("href", SLACK.url)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    report = page.evaluate("navigator.clipboard.readText()")
    assert f"Trace id: {Failed.objects.latest('pk').trace_id}" in report
    assert "Error code here: request_rejected (unlisted)" in report
    page.get_by_role("link", name="Open in the call explorer").click()
    expect(page.get_by_label("Tenant")).to_have_value(installed.resource_id)
    expect(page.get_by_label("contactId")).to_have_value("nobody")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Quota spent")).to_be_visible()
    expect(page.get_by_role("heading", name="request_rejected")).to_be_visible()
    expect(page.get_by_role("heading", name="What to do")).to_be_visible()
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed')); }")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied.")).to_be_visible()  # the old way


def test_a_write_is_confirmed_in_the_browser(watched: Watched, live_server: object, installed: Installation) -> None:
    page = watched.page
    sign_in(page, str(live_server))
    page.locator("summary", has_text="Developers").click()
    page.get_by_role("link", name="Call explorer").click()
    page.get_by_label("Operation").fill("create-contact")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("link", name=re.compile(r"contacts\.create-contact")).click()
    page.get_by_label("Tenant").fill(installed.resource_id)
    page.get_by_label("Body").fill('{"firstName": "Zebedee"}')
    page.get_by_role("button", name="Review before sending").click()
    expect(page.get_by_text("Studio North")).to_be_visible()
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_role("heading", name="201")).to_be_visible()
    expect(page.get_by_text('"firstName": "Zebedee"').first).to_be_visible()


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_scrolls_sideways(
    watched: Watched, live_server: object, installed: Installation, busy: None, width: int
) -> None:
    sign_in(watched.page, str(live_server))
    watched.page.set_viewport_size({"width": width, "height": 800})
    explore = "gateway/call/explore/"
    any_path = f"{explore}path/?method=POST&path=/contacts/{{contactId}}/badges/{{badgeId}}&version=v3"
    forms = (f"{explore}contacts.create-contact/", f"{explore}contacts.get-contact/", any_path)
    for path in ("gateway/usage/", explore, *forms):
        watched.page.goto(f"{live_server}/admin/{path}")
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= width, path
