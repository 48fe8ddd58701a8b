"""The flows of an operator in a bad week: from the alarm on the dashboard to the cure, by clicks alone.

Each test breaks something in rows, signs in, and then only clicks what the page offers. What another party does in the
flow (an agency that consents, a supervisor that starts a worker, a vendor that is back) is done to the rows. The number
of clicks is printed and has an upper bound: a flow that becomes longer, or that ends at a shell, fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from integrations.console.doctor import tenant_checks
from integrations.console.doctor.heartbeat_checks import BEAT
from integrations.core import clock
from integrations.core.models import AuditEntry, LeaderLease, WorkerProcess
from integrations.core.tenant import UserType
from integrations.jobs.models import JobState
from integrations.problems import roll_up
from integrations.quota.models import Usage as QuotaUsage
from integrations.quota.permits.replies import StateReply
from integrations.sync.models import Plan, Run
from integrations.tenants.app_version import AppVersion
from integrations.tenants.models import Installation
from integrations.tokens.models import Credential
from integrations.webhooks.models import Event
from tests.console.conftest import COMPANY, LOCATION, OTHER, begin_run, connect
from tests.console.test_browser import Watched, sign_in
from tests.console.test_browser import browser as browser
from tests.console.test_browser import plain_http as plain_http
from tests.console.test_browser import watched as watched
from tests.problems.conftest import poison
from tests.support.signed import sign

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
CALM = re.compile("^All calm")
SPENT = StateReply("1", 100, 100, 0, None, day_limit=1000, day_remaining=50, day_used=950, day_foreign=0, day=None)


@dataclass
class Operator:
    """A signed-in operator who clicks, and how often they did."""

    page: Page
    clicks: int = 0

    def click(self, target: Locator) -> None:
        """One click on what is to be seen, once it is there."""
        self.clicks += 1
        target.first.click()

    def alarm(self, words: str) -> Locator:
        """The link of the finding with these words, on the dashboard."""
        sign = self.page.locator(".tenant-sign", has_text=words)
        expect(sign).to_be_visible()
        return sign.get_by_role("link")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def link(self, name: str) -> Locator:
        return self.page.locator("main, #main").get_by_role("link", name=name)

    def dashboard(self) -> None:
        """Back to where it began, by the sidebar."""
        self.click(self.page.get_by_role("link", name="Dashboard"))

    def sees_calm(self) -> None:
        """The dashboard says that nothing is wrong any more."""
        self.dashboard()
        expect(self.page.get_by_role("heading", name=CALM)).to_be_visible()

    def did_it_within(self, most: int, flow: str) -> None:
        print(f"{flow}: {self.clicks} clicks")  # noqa: T201 - the report of this test
        assert self.clicks <= most, f"{flow} takes {self.clicks} clicks"


@pytest.fixture
def week(agency: Installation) -> Installation:
    """An agency where all is well: a worker and beat report, as they do in production, and go on to."""
    now = clock.now()
    WorkerProcess.objects.create(
        name="host:1", queues=["urgent"], threads=16, started_at=now, seen_at=now + timedelta(hours=1)
    )
    LeaderLease.objects.create(name=BEAT, owner=BEAT, since=now, until=now + timedelta(hours=1))
    return agency


@pytest.fixture
def operator(watched: Watched, live_server: object) -> Iterator[Any]:
    """Signs an operator in, at the moment when the test calls it: the alarm is there by then."""

    def begin() -> Operator:
        sign_in(watched.page, str(live_server))
        return Operator(watched.page)

    return begin  # type: ignore[return-value]


def see_problems() -> None:
    """What beat does twice a minute. Rows without a time are counted at the second look."""
    for minutes in (1, 2):
        roll_up.roll_up(clock.now() + timedelta(minutes=minutes))


def test_nothing_is_wrong_to_begin_with(week: Installation, operator: Any) -> None:
    someone = operator()
    expect(someone.page.get_by_role("heading", name=CALM)).to_be_visible()
    someone.did_it_within(0, "a quiet day")


def test_a_revoked_agency(week: Installation, operator: Any) -> None:
    credential = connect(week.app, COMPANY)
    lost = {"state": "needs_reconnect", "reason": "invalid_grant", "access_sealed": None}
    Credential.objects.filter(pk=credential.pk).update(user_type=UserType.COMPANY, company_id=COMPANY, **lost)
    someone = operator()
    someone.click(someone.alarm("1 suspended, expired or to be reconnected"))
    someone.click(someone.page.locator("#result_list .field-state_label a"))
    link = someone.page.locator("a[href*='/install/again/']")
    expect(link).to_be_visible()
    # The agency opens the link that it is sent, and consents.
    Credential.objects.filter(pk=credential.pk).update(state="active", reason="")
    someone.sees_calm()
    someone.did_it_within(3, "revoked agency")


def test_a_paused_location(week: Installation, operator: Any) -> None:
    paused = {"state": "suspended", "reason": "the location is inactive", "refresh_due_at": clock.now()}
    Credential.objects.filter(resource_id=OTHER).update(**paused)
    someone = operator()
    someone.click(someone.alarm("1 suspended, expired or to be reconnected"))
    expect(someone.page.locator("#result_list")).to_contain_text("Studio loc2")
    someone.click(someone.page.locator("#result_list .field-state_label a"))
    someone.click(someone.page.locator("a:visible", has_text="Refresh now"))
    someone.click(someone.page.get_by_role("button", name="Refresh", exact=True))
    expect(someone.page.get_by_text(re.compile("refresh", re.IGNORECASE)).first).to_be_visible()
    # A worker refreshes it: the agency has paid, so the token is alive.
    Credential.objects.filter(resource_id=OTHER).update(state="active", reason="", **_fresh())
    someone.sees_calm()
    someone.did_it_within(5, "paused location")


def test_a_stopped_worker(week: Installation, operator: Any) -> None:
    WorkerProcess.objects.update(seen_at=clock.now() - timedelta(minutes=6))
    LeaderLease.objects.update(until=clock.now() - timedelta(minutes=6))
    someone = operator()
    someone.click(someone.alarm("no worker runs: the last one"))
    expect(someone.page.get_by_role("heading", name="Work that is due")).to_be_visible()
    expect(someone.page.get_by_text("hlapp serve worker")).to_be_visible()
    # Its supervisor starts it, or the operator of the machine does.
    soon = clock.now() + timedelta(hours=1)
    WorkerProcess.objects.update(seen_at=soon)
    LeaderLease.objects.update(until=soon)
    someone.sees_calm()
    someone.did_it_within(2, "stopped worker")


def test_a_poisoned_event(week: Installation, operator: Any) -> None:
    events = [poison(week.app, number, occurred_at=clock.now(), received_at=clock.now()) for number in range(5)]
    for event in events:
        event.failed_attempts.update(at=clock.now())
    see_problems()
    someone = operator()
    expect(someone.alarm("5 could not be processed")).to_be_visible()
    someone.click(someone.alarm("handler bug"))
    someone.click(someone.button("Process its events again …"))
    expect(someone.page.get_by_text("5 events will be processed again.")).to_be_visible()
    assert {Event.objects.get(pk=event.pk).status for event in events} == {"pending"}
    # The handler is corrected, and a worker processes them.
    Event.objects.update(status="done", processed_at=clock.now())
    someone.click(someone.button("Fixed"))
    someone.sees_calm()
    someone.did_it_within(4, "poisoned event")


def test_a_spent_day(week: Installation, operator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now, key = clock.now(), f"{week.app.client_id}:{LOCATION}"
    QuotaUsage.objects.create(key=key, bucket_at=now, lane="bulk", job="welcome.tag", calls=950)
    JobState.objects.create(job="welcome.tag")
    monkeypatch.setattr(tenant_checks.quota, "states", lambda keys: [SPENT for _ in keys])
    someone = operator()
    someone.click(someone.alarm("1 near their end"))
    someone.click(someone.link("welcome.tag"))
    someone.click(someone.page.locator("#result_list tbody a", has_text="welcome.tag"))
    someone.click(someone.button("Pause"))
    expect(someone.button("Resume")).to_be_visible()
    assert JobState.objects.get(job="welcome.tag").paused_at is not None
    # The vendor's day ends.
    monkeypatch.undo()
    someone.dashboard()
    someone.click(someone.alarm("welcome.tag is paused"))
    someone.click(someone.button("Resume"))
    someone.sees_calm()
    someone.did_it_within(8, "day quota spent")


def test_the_vendor_is_down(week: Installation, operator: Any) -> None:
    for plan in Plan.objects.all():
        words = {"error_code": "server_fault", "error": "HighLevel answered 503", "trace_id": f"t-{plan.pk}"}
        begin_run(plan, status=Run.Status.FAILED, finished_at=clock.now(), **words)
    see_problems()
    someone = operator()
    someone.click(someone.alarm("server fault"))
    expect(someone.page.get_by_text("HighLevel answered", exact=False).first).to_be_visible()
    someone.click(someone.button("Take it"))
    # HighLevel is back.
    someone.click(someone.button("Run its syncs now …"))
    expect(someone.page.get_by_text("2 plans are due now.")).to_be_visible()
    assert len(AuditEntry.objects.get(action="sync.asked").detail["plans"]) == 2
    # A worker runs them.
    Run.objects.running().update(status=Run.Status.COMPLETE, finished_at=clock.now())
    Plan.objects.update(due_at=clock.now() + timedelta(hours=1))
    sign(Plan)
    someone.click(someone.button("Fixed"))
    someone.sees_calm()
    someone.did_it_within(5, "vendor down")


def test_a_deprecated_version(week: Installation, operator: Any) -> None:
    ends = clock.now() + timedelta(days=3)
    AppVersion.objects.create(app=week.app, version_id="v1", deprecated_at=ends, created_at=clock.now())
    Installation.objects.update(version_id="v1")
    someone = operator()
    someone.click(someone.alarm("3 installations on version v1"))
    with someone.page.expect_download() as download:
        someone.click(someone.page.get_by_role("link", name="CSV"))
    text = download.value.path().read_text()
    assert text.count("\n") == 4
    assert "Bright Agency" in text
    # The agencies are written to, and update.
    Installation.objects.update(version_id="v2")
    someone.sees_calm()
    someone.did_it_within(3, "app version deprecated")
    assert AuditEntry.objects.filter(action="version.exported").exists()


def _fresh() -> dict[str, Any]:
    now = clock.now()
    return {"expires_at": now + timedelta(hours=20), "refresh_due_at": now + timedelta(hours=10)}
