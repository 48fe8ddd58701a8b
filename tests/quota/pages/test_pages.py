"""The quota's pages: what they say, what operators may do there, and that they come when the store is unavailable."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrations.core import clock
from integrations.core.errors import StoreUnavailable
from integrations.core.models import AuditEntry, LeaderLease
from integrations.quota import usage
from integrations.quota.models import Parked, Usage
from integrations.quota.pages import spending
from integrations.quota.parking.parked_task_sender import LEASE_NAME
from integrations.quota.permits import queries, scripts
from integrations.quota.permits.lanes import Lane
from integrations.quota.permits.queries import Snapshot
from integrations.tenants.models import Location
from tests.quota.parked import APP, KEY, RESOURCE, opened, park

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_redis")]

OVERVIEW, DETAIL, PARKED = "/admin/quota/usage/", f"/admin/quota/usage/resource/{KEY}/", "/admin/quota/parked/"
NOON = datetime(2026, 5, 1, 12, 3, tzinfo=UTC)


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("op", "op@example.com", "a-long-operator-password"))
    return client


def spend(calls: int, job: str = "sync.advance", lane: Lane = Lane.BULK, *, ago: timedelta = timedelta()) -> None:
    at = usage.bucket(clock.now() - ago)
    Usage.objects.create(key=KEY, bucket_at=at, lane=lane.value, job=job, calls=calls)


def test_calls_are_counted_by_job_and_lane_and_written_together() -> None:
    for _ in range(3):
        with usage.spent_by("sync.advance"):
            usage.count(f"{APP}:{RESOURCE}", Lane.BULK)
    usage.count(f"{APP}:{RESOURCE}", Lane.INTERACTIVE)
    assert not Usage.objects.exists(), "not inside a transaction of the caller"
    usage.counter.flush()
    with usage.spent_by("sync.advance"):
        usage.count(f"{APP}:{RESOURCE}", Lane.BULK)
    usage.counter.flush()
    rows = {(row.job, row.lane): row.calls for row in Usage.objects.all()}
    assert sum(rows.values()) == 5
    assert set(rows) == {("sync.advance", "bulk"), ("", "interactive")}


def test_a_bucket_is_five_minutes() -> None:
    assert usage.bucket(NOON) == datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
    assert usage.bucket(NOON + timedelta(minutes=2)) == datetime(2026, 5, 1, 12, 5, tzinfo=UTC)


def test_a_day_has_288_buckets_and_the_last_is_under_way() -> None:
    found = spending.buckets(NOON)
    assert (len(found), found[-1]) == (288, usage.bucket(NOON))
    assert found[0] == usage.bucket(NOON) - timedelta(hours=23, minutes=55)


def test_the_overview_shows_calls_by_job_and_parked_tasks(page: Client) -> None:
    opened(daily_limit=1000, daily_remaining=400)
    spend(1234)
    spend(66, "", Lane.INTERACTIVE)
    spend(999, ago=timedelta(days=1, minutes=10))
    park(1)
    html = page.get(OVERVIEW).content.decode()
    for said in (RESOURCE, "1,300", "600 of 1,000", "1 of 100 in use", "pages and commands", "sync.advance"):
        assert said in html, said
    assert "stopped" in html, "no worker runs"
    assert page.get(OVERVIEW, {"q": "elsewhere"}).context["rows"] == []


def test_tenants_are_shown_and_found_by_their_names(page: Client) -> None:
    Location.objects.create(id=RESOURCE, name="Denver Dental", created_at=clock.now())
    spend(5)
    html = page.get(OVERVIEW, {"q": "denver"}).content.decode()
    assert f'{KEY}/">Denver Dental</a><div class="dash-note">{RESOURCE}<br>' in html
    assert page.get(OVERVIEW, {"q": "toronto"}).context["rows"] == []
    assert page.get(DETAIL).context["title"] == "Denver Dental"


def test_the_overview_adds_the_day_up_once(page: Client) -> None:
    spend(5)
    with CaptureQueriesContext(connection) as asked:
        page.get(OVERVIEW)
    assert sum('"quota_usage"."job"' in query["sql"] for query in asked) == 1


def test_who_waits_stands_first_and_a_day_that_runs_out_is_red(page: Client) -> None:
    opened(daily_limit=1000, daily_remaining=99)
    busy = f"{APP}:another"
    Usage.objects.create(key=busy, bucket_at=usage.bucket(clock.now()), lane="bulk", job="", calls=5000)
    park(1)
    html = page.get(OVERVIEW).content.decode()
    assert html.index(f">{RESOURCE}</a>") < html.index(">another</a>")
    assert f'<progress class="bad" aria-label="Day of {RESOURCE}"' in html
    assert '<progress class="bad" aria-label="Day"' in page.get(DETAIL).content.decode()


def test_the_thread_that_sends_parked_tasks_is_shown_with_its_trouble(page: Client) -> None:
    LeaderLease.objects.hold(LEASE_NAME, "web-3:4711:abcd", timedelta(minutes=1), sent=0, unstarted=0, trouble="")
    assert "web-3, process 4711" in page.get(OVERVIEW).content.decode()
    LeaderLease.objects.update(trouble="the broker does not take messages")
    assert "stuck" in page.get(OVERVIEW).content.decode()


def test_one_resource_over_the_day(page: Client) -> None:
    opened()
    spend(40)
    park(7)
    spend(2, lane=Lane.INTERACTIVE)
    answer = page.get(DETAIL)
    bulk, interactive = answer.context["row"].plot.columns
    assert (bulk.colour, interactive.colour) == ("bulk", "interactive")
    assert bulk.y == pytest.approx(interactive.y + interactive.height), "bulk is at the bottom"
    assert answer.context["row"].plot.measures.startswith("calls in 5 minutes each, at most ")
    wanted = parse_qs(urlsplit(bulk.link).query)
    assert (wanted["resource_id"], wanted["lane"]) == ([RESOURCE], ["bulk"])
    html = answer.content.decode()
    assert html.count("<rect") == 2
    assert f'href="{PARKED}?q={KEY}"' in html
    assert "tests.spend" in html
    assert page.get("/admin/quota/usage/resource/nonsense/").status_code == 404


def test_a_resource_says_what_is_kept_of_its_day(page: Client) -> None:
    opened(daily_limit=1000, daily_remaining=400, daily_reset_ms=12 * 3600 * 1000)
    spend(40)
    html = page.get(DETAIL).content.decode()
    assert "bulk work leaves <b>125</b>" in html
    assert "events leave <b>50</b>" in html
    assert "a fixed share" in html
    assert "At its pace, bulk work " in html


def test_the_pages_come_when_the_store_is_away(page: Client, store_unavailable: Callable[[], None]) -> None:
    spend(10)
    store_unavailable()
    assert "unavailable" in page.get(OVERVIEW).content.decode()
    assert "does not answer" in page.get(DETAIL).content.decode()


def test_a_store_that_hangs_is_asked_for_one_resource_and_not_for_each(
    page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def snapshot(app: str, resource: str) -> Snapshot:
        asked.append(resource)
        raise StoreUnavailable("the quota store does not answer")

    monkeypatch.setattr(queries, "snapshot", snapshot)
    for resource in ("one", "two", "three"):
        Usage.objects.create(key=f"app:{resource}", bucket_at=clock.now(), lane="bulk", calls=1)
    html = page.get(OVERVIEW).content.decode()
    assert all(f'href="/admin/quota/usage/resource/app:{resource}/"' in html for resource in ("one", "two", "three"))
    assert len(asked) == 1


def test_parked_tasks_can_be_moved_and_dropped(page: Client) -> None:
    for number in (1, 2, 3):
        park(number)
    rows = {row.kwargs["number"]: row for row in Parked.objects.all()}
    page.post(PARKED, {"action": "start_next", "_selected_action": [rows[3].pk]})
    page.post(PARKED, {"action": "drop", "confirmed": "yes", "_selected_action": [rows[1].pk]})
    left = [row.kwargs["number"] for row in Parked.objects.order_by("place_at")]
    assert left == [3, 2]
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {"quota.moved_to_front", "quota.dropped"}


def test_who_may_only_look_is_offered_no_action(client: Client) -> None:
    user = User.objects.create_user("viewer", password="a-long-viewer-password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_parked"))
    client.force_login(user)
    park(1)
    assert client.get(PARKED).status_code == 200
    client.post(PARKED, {"action": "drop", "confirmed": "yes", "_selected_action": [Parked.objects.get().pk]})
    assert Parked.objects.count() == 1
    assert client.get(OVERVIEW).status_code == 403
    assert client.get(DETAIL).status_code == 403


def test_an_idle_resource_shows_as_free(page: Client) -> None:
    opened(3)
    scripts.client().delete(scripts.keys(KEY)[0])  # as Redis does half an hour after the last call
    now = queries.snapshot(APP, RESOURCE)
    assert now.free == now.limit


def test_the_figure_of_a_day_agrees_with_its_plot(page: Client) -> None:
    spend(3)
    spend(4, ago=timedelta(hours=23, minutes=50))
    spend(5, ago=timedelta(hours=24, minutes=10))
    (found,) = spending.resources(clock.now())
    assert found.calls == sum(map(sum, found.series.values())) == 7
    assert sum(share.calls for share in spending.shares(clock.now())) == 7
