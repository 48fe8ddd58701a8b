"""The usage page and the list of failed and slow calls."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from integrations.core import clock, filters
from integrations.gateway.histogram import SIZE, bucket
from integrations.gateway.models import Call, Usage
from integrations.gateway.stats import queries, usage_plots
from integrations.gateway.stats.queries import SPANS, Slice
from integrations.gateway.stats.usage_plots import CountedSlices
from integrations.tenants.models import App
from tests.sync.conftest import app as app

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at:UserWarning")]
NOW = datetime(2026, 11, 20, 12, 30, 20, tzinfo=UTC)


@pytest.fixture
def operator(db: None) -> Client:
    client = Client(HTTP_HOST="app.example.com")
    client.force_login(User.objects.create_superuser("op", password="a long enough password"))
    return client


def used(app: App, at: datetime, operation: str, calls: int, **fields: Any) -> None:
    buckets = [0] * SIZE
    milliseconds = fields.pop("milliseconds", 120)
    buckets[bucket(milliseconds)] = calls
    values: dict[str, Any] = {"resource_id": "loc1", "job": "sync.advance", "lane": "bulk", "span": 60}
    values |= {"calls": calls, "spent": calls, "took_ms": calls * milliseconds, "slowest_ms": milliseconds}
    values |= {"buckets": buckets, **fields}
    Usage.objects.create(app=app, at=at.replace(second=0, microsecond=0), operation=operation, **values)


def failed(app: App, **fields: Any) -> Call:
    values: dict[str, Any] = {"at": clock.now(), "resource_id": "loc1", "operation": "contacts.get-contact"}
    values |= {"lane": "bulk", "status": 404, "code": "request_rejected", "trace_id": "trace-1", "took_ms": 120}
    values |= {"method": "GET", "path": "/contacts/c1", "query": [["limit", "5"]], "response": {"message": "no"}}
    return Call.objects.create(app=app, **(values | fields))


def test_slices_are_cut_into_bins_and_filtered(app: App) -> None:
    used(app, NOW, "contacts.get-contact", 5)
    used(app, NOW - timedelta(minutes=1), "contacts.get-contact", 7, resource_id="loc2")
    used(app, NOW - timedelta(hours=2), "contacts.get-contact", 100)
    hour = queries.slices(SPANS["hour"], NOW)
    assert [(part.at % 3600 // 60, part.calls) for part in hour] == [(29, 7), (30, 5)]
    assert [part.calls for part in queries.slices(SPANS["hour"], NOW, resource_id="loc2")] == [7]
    assert sum(part.calls for part in queries.slices(SPANS["day"], NOW)) == 112


def test_waiting_for_quota_is_no_error(app: App) -> None:
    waits = {"code": "quota_exhausted", "spent": 3}
    used(app, NOW, "contacts.get-contact", 10, **waits)
    used(app, NOW, "contacts.get-contact", 20, code="server_fault", lane="events")
    used(app, NOW, "contacts.get-contact", 70, lane="interactive")
    (line,) = queries.added_up(queries.slices(SPANS["hour"], NOW), lambda part: part.operation)
    assert (line.sent, line.errors, line.waits) == (93, 23, 7), "the vendor's own 429s are errors"


def cut(at: int, operation: str, calls: int, milliseconds: int = 120) -> Slice:
    buckets = [0] * SIZE
    buckets[bucket(milliseconds)] = calls
    return Slice(at, operation, "", "", calls, calls, milliseconds, buckets)


def test_columns_stack_exactly_and_name_the_largest() -> None:
    span = SPANS["hour"]
    last = queries.begin(span, NOW) + 59 * 60
    parts = [cut(last, f"op{number}", 10 + number) for number in range(9)]
    counted = CountedSlices("Requests", lambda part: part.operation, lambda part: part.spent)
    plot = usage_plots.columns(counted, parts, span, NOW)
    assert [name for _, name, _ in plot.legend] == ["op8", "op7", "op6", "op5", "op4", "op3", "3 others"]
    boxes = sorted(plot.columns, key=lambda box: -box.y)
    assert [box.tooltip for box in boxes] == [f"20 Nov 12:30: {10 + number} op{number}" for number in range(8, -1, -1)]
    for below, above in itertools.pairwise(boxes):
        assert above.y + above.height == pytest.approx(below.y, abs=0.02)


def test_latency_curves_break_where_there_were_no_calls() -> None:
    span = SPANS["hour"]
    first = queries.begin(span, NOW)
    parts = [cut(first + minute * 60, "op", 10, 100 + minute) for minute in (0, 1, 2, 10, 11, 30)]
    plot = usage_plots.latency("Latency", parts, span, NOW)
    assert [len(curve.lines) for curve in plot.curves] == [2, 2, 2], "a lone bin is a dot"
    assert [len(curve.dots) for curve in plot.curves] == [6, 6, 6]
    assert [name for _, name, _ in plot.legend] == ["p50", "p95", "p99"]
    assert plot.legend[0][2] == "120 ms"


@pytest.mark.parametrize("span", [*SPANS, "nonsense"])
def test_the_usage_page_opens_for_every_time(operator: Client, app: App, span: str) -> None:
    used(app, clock.now(), "contacts.get-contact", 1_234)
    used(app, clock.now(), "contacts.create-contact", 200, code="server_fault", job="")
    page = operator.get(reverse("admin:gateway_usage_changelist"), {"span": span}, secure=True).content.decode()
    assert "1,434" in page
    assert page.count("<rect") >= 3
    assert "by hand" in page


def test_a_column_leads_to_its_failed_calls(operator: Client, app: App) -> None:
    now = clock.now()
    used(app, now, "contacts.get-contact", 5, code="request_rejected", job="")
    call = failed(app, at=now)
    failed(app, at=now - timedelta(hours=1))
    page = operator.get(reverse("admin:gateway_usage_changelist"), {"resource_id": "loc1"}, secure=True)
    plots = page.context["plots"]
    assert [plot.measures for plot in plots[:3]] == [
        "requests in 1 minute each; times are UTC",
        "requests in 1 minute each; times are UTC",
        "errors in 1 minute each; times are UTC",
    ]
    for plot in plots[:3]:
        (column,) = plot.columns
        assert column.link in page.content.decode().replace("&amp;", "&")
        assert list(operator.get(column.link, secure=True).context["cl"].result_list) == [call]


def test_the_usage_page_without_any_usage(operator: Client) -> None:
    page = operator.get(reverse("admin:gateway_usage_changelist"), secure=True).content.decode()
    assert "None in this time." in page
    assert "No calls in this time." in page


def test_filters_narrow_the_page(operator: Client, app: App) -> None:
    used(app, clock.now(), "contacts.get-contact", 11, job="")
    used(app, clock.now(), "users.get-user", 22)
    url = reverse("admin:gateway_usage_changelist")
    page = operator.get(url, {"operation": "users.get-user"}, secure=True)
    assert [line.name for line in page.context["operations"]] == ["users.get-user"]
    page = operator.get(url, {"job": "by hand"}, secure=True)
    assert [line.name for line in page.context["operations"]] == ["contacts.get-contact"]
    page = operator.get(url, {"operation": "'; DROP TABLE gateway_usage; --"}, secure=True)
    assert page.context["operations"] == []
    assert Usage.objects.count() == 2


def test_failed_calls_are_found_by_trace_id_tenant_and_operation(operator: Client, app: App) -> None:
    failed(app)
    failed(app, trace_id="trace-2", resource_id="loc2", operation="users.get-user", status=None, code="unreachable")
    url = reverse("admin:gateway_call_changelist")
    for term, operation in (
        ("trace-2", "users.get-user"),
        ("loc1", "contacts.get-contact"),
        ("users", "users.get-user"),
    ):
        rows = operator.get(url, {"q": term}, secure=True).context["cl"].result_list
        assert [row.operation for row in rows] == [operation], term
    rows = operator.get(url, {"code": "unreachable"}, secure=True).context["cl"].result_list
    assert [row.trace_id for row in rows] == ["trace-2"]


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({"resource_id": "loc1"}, {"a", "b", "c"}),
        ({"resource_id": " loc1 ", "status": "404"}, {"a"}),
        ({"resource_id": "loc1", "status": "404", "operation": "contacts.get-contact", "trace_id": "a"}, {"a"}),
        ({"resource_id": "loc2", "trace_id": "a"}, set()),
        ({"status": "none"}, {"d"}),
        ({"status": "none", "q": "contacts"}, set()),
        ({"job": "none"}, {"b", "c", "d"}),
        ({"job": "welcome.greet", "lane": "bulk"}, {"a"}),
        ({"code": "none"}, {"c"}),
        ({"since": "hour"}, {"a", "b", "c"}),
        ({"since": "week", "operation": "users.get-user"}, {"d"}),
        ({"status": "four", "operation": "contacts.get-contact"}, set()),
        ({"trace_id": "", "since": "nonsense"}, {"a", "b", "c", "d"}),
    ],
)
def test_filters_combine(operator: Client, app: App, chosen: dict[str, str], found: set[str]) -> None:
    failed(app, trace_id="a", job="welcome.greet")
    failed(app, trace_id="b", status=422)
    failed(app, trace_id="c", status=200, code="", slow=True)
    before = clock.now() - timedelta(days=2)
    failed(app, trace_id="d", status=None, operation="users.get-user", resource_id="loc2", at=before)
    answer = operator.get(reverse("admin:gateway_call_changelist"), chosen, secure=True)
    assert {row.trace_id for row in answer.context["cl"].result_list} == found


def test_a_filter_offers_what_there_is_and_names_the_empty(operator: Client, app: App) -> None:
    failed(app, job="welcome.greet")
    failed(app, status=None, code="unreachable", message="HighLevel cannot be reached", trace_id="")
    page = operator.get(reverse("admin:gateway_call_changelist"), secure=True)
    filters = {spec.title: spec for spec in page.context["cl"].filter_specs}
    titles = set(filters) - {"app"}
    offered = {title: dict(filters[title].lookup_choices) for title in ("status", "job", "error", "lane")}
    assert offered["status"] == {"404": "404", "none": "no answer"}
    assert offered["job"] == {"none": "by hand", "welcome.greet": "welcome.greet"}
    assert offered["error"] == {"request_rejected": "request_rejected", "unreachable": "unreachable"}
    assert set(offered["lane"]) == {"interactive", "events", "bulk"}
    assert {"tenant", "trace id", "operation", "time"} <= titles
    assert "HighLevel cannot be reached" in page.content.decode()
    assert re.search(r"\d\d:\d\d:\d\d UTC", page.content.decode()), "a moment says its zone"


@pytest.mark.parametrize("column", ["operation", "status", "code", "job"])
def test_what_a_filter_offers_is_read_off_an_index(app: App, column: str) -> None:
    """Each value by one look-up; DISTINCT would read the whole table each time the list opens."""
    for number in range(3):
        failed(app, operation=f"op{number}", status=400 + number, code=f"code{number}", job=f"job{number}")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + filters.distinct_values_sql(Call, column))
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert f"Index Only Scan using call_by_{column}" in plan, plan
    assert "Seq Scan" not in plan


def test_an_empty_list_asks_for_nothing_impossible(operator: Client, app: App) -> None:
    url = reverse("admin:gateway_call_changelist")
    assert "There are no failed or slow calls." in operator.get(url, secure=True).content.decode()
    failed(app)
    page = operator.get(url, {"trace_id": "nobody"}, secure=True).content.decode()
    assert "Nothing matches" in page
    assert "Create a new item" not in page


def test_a_failed_call_is_shown_whole_and_leads_to_the_explorer(operator: Client, app: App) -> None:
    call = failed(app, body={"tags": ["vip"]})
    page = operator.get(reverse("admin:gateway_call_change", args=[call.pk]), secure=True).content.decode()
    assert "GET /contacts/c1?limit=5" in page
    assert "&quot;tags&quot;" in page
    target = reverse("admin:gateway_explore_operation", args=["contacts.get-contact"])
    assert f'href="{target}?app={app.pk}&amp;tenant=loc1&amp;call={call.pk}"' in page


def test_old_style_links_of_the_dashboard_open(operator: Client, app: App) -> None:
    """What the admin's own links would ask for."""
    assert operator.get(reverse("admin:gateway_usage_changelist"), {"q": "loc1"}, secure=True).status_code == 200
