"""The export of a filtered list, its range of time and its saved filters."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client, RequestFactory
from django.utils.http import urlencode

from integrations.core import audit, clock
from integrations.core.lists import list_columns, list_file, spreadsheet
from integrations.core.models import AuditEntry, SavedFilter
from integrations.gateway.models import Call
from integrations.operators import roles
from integrations.tenants.models import App, Installation
from tests.console.conftest import COMPANY, LOCATION

pytestmark = pytest.mark.django_db
EXPORT = "/admin/gateway/call/export/"


def fail(app: App, **fields: Any) -> Call:
    values: dict[str, Any] = {
        "at": clock.now(),
        "operation": "contacts.get-contact",
        "lane": "bulk",
        "status": 400,
        "code": "request_rejected",
        "message": "no such contact",
        "took_ms": 5,
        "method": "GET",
        "path": "/contacts/x",
    }
    return Call.objects.create(app=app, resource_id=LOCATION, **(values | fields))


def download(client: Client, query: str = "", **form: Any) -> str:
    answer = client.post(f"{EXPORT}?{query}", {"do": "download", **form})
    assert answer.status_code == 200, answer.content
    text: str = answer.getvalue().decode()  # type: ignore[attr-defined]
    return text


def person(role: str) -> Client:
    user = User.objects.create_user(f"the-{role}", password="-", is_staff=True)
    user.groups.add(roles.of(role))
    client = Client()
    client.force_login(user)
    return client


def test_a_file_has_the_rows_of_the_filters_in_the_lists_order(agency: Installation, operator_client: Client) -> None:
    first, second = fail(agency.app), fail(agency.app)
    fail(agency.app, lane="events")
    rows = list(csv.DictReader(io.StringIO(download(operator_client, "lane__exact=bulk"))))
    assert [int(row["id"]) for row in rows] == [second.pk, first.pk]
    assert (rows[0]["tenant_id"], rows[0]["tenant_name"]) == (LOCATION, f"Studio {LOCATION}")
    assert rows[0]["at"] == second.at.isoformat()
    began, ended = AuditEntry.objects.order_by("-pk")[1], AuditEntry.objects.latest("pk")
    assert (began.action, began.actor, began.subject) == ("list.export_began", "operator op", "list:gateway.call")
    assert began.detail["filter"] == {"lane__exact": "bulk"}
    assert (ended.action, ended.detail) == ("list.export_ended", {"rows": 2, "complete": True})


def test_columns_and_format_are_chosen(agency: Installation, operator_client: Client) -> None:
    call = fail(agency.app)
    text = download(operator_client, column=["status", "took_ms", "no such"], form="jsonl")
    assert [json.loads(line) for line in text.splitlines()] == [{"status": 400, "took_ms": 5}]
    assert download(operator_client, column="id", form="csv").splitlines() == ["id", str(call.pk)]
    assert operator_client.post(EXPORT, {"do": "download", "form": "exe"}).status_code == 400


def test_no_text_becomes_a_formula(agency: Installation, operator_client: Client) -> None:
    for message in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "＝1", "a=1"):
        fail(agency.app, message=message)
    rows = list(csv.DictReader(io.StringIO(download(operator_client, column=["message", "took_ms"]))))
    assert [row["message"] for row in rows][::-1] == [
        "'=1+1",
        "'+1",
        "'-1",
        "'@SUM(A1)",
        "'\t=1",
        "' =1",
        "'＝1",
        "a=1",
    ]
    assert spreadsheet.cell(-5) == "-5", "a number is none"


def test_who_sees_personal_data_masked_gets_a_masked_file(agency: Installation) -> None:
    fail(agency.app, message="duplicate of jane@example.com")
    client = person("support")
    assert "jane@example.com" not in download(client, column=["id", "message"])
    assert "duplicate of •••" in download(client, column=["id", "message"])
    assert "jane@example.com" in download(person("operator"), column="message")
    assert client.post(f"{EXPORT}?message__contains=jane", {"do": "download"}).status_code == 400


def test_a_viewer_saves_filters_and_downloads_nothing(agency: Installation, client: Client) -> None:
    viewer = person("viewer")
    assert viewer.get(EXPORT).status_code == 200
    assert viewer.post(EXPORT, {"do": "download"}).status_code == 403
    assert client.post(EXPORT, {"do": "download"}).status_code == 302, "a stranger signs in first"
    user = User.objects.create_user("mail", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="export_lists"))
    client.force_login(user)
    assert client.post(EXPORT, {"do": "download"}).status_code == 403, "who may not see the list may not export it"
    assert not AuditEntry.objects.filter(action="list.export_began").exists()


def test_a_range_of_time_narrows_every_list(agency: Installation, operator_client: Client) -> None:
    now = clock.now()
    ages = {fail(agency.app, at=now - age).pk: age for age in (timedelta(minutes=5), timedelta(days=2))}
    recent, older = ages
    found = {
        query: [int(row["id"]) for row in csv.DictReader(io.StringIO(download(operator_client, query)))]
        for query in ("when=1d", "when=7d", urlencode({"when_to": f"{now - timedelta(days=1):%Y-%m-%dT%H:%M}"}))
    }
    assert list(found.values()) == [[recent], [older, recent], [older]]
    listed = operator_client.get("/admin/gateway/call/?when=1d&lane__exact=bulk")
    assert [row.pk for row in listed.context["cl"].result_list] == [recent]
    for wrong in ("when=2y", "when_from=yesterday"):
        assert operator_client.post(f"{EXPORT}?{wrong}", {"do": "download"}).status_code == 400
        assert operator_client.get(f"/admin/gateway/call/?{wrong}").status_code == 302


def test_every_list_has_an_export_and_no_column_of_it_is_secret(operator: User) -> None:
    request = RequestFactory().get("/admin/")
    request.user = operator
    seen = {}
    for model, page in admin.site._registry.items():
        names = [column.name for column in list_columns.columns(page, request)]
        assert len(names) == len(set(names)), model
        assert len(names) > 1, model
        seen[model._meta.label] = set(names)
    assert not seen["auth.User"] & {"password"}
    every = set().union(*seen.values())
    assert not {name for name in every if any(word in name for word in ("sealed", "password", "secret", "session_"))}


@pytest.mark.slow  # a page and a file of every list
def test_every_export_can_be_read(agency: Installation, operator_client: Client) -> None:
    audit.record("x.y", actor="operator op", subject=f"Location:{LOCATION}", why="it is so")
    rows = {}
    for model, page in admin.site._registry.items():
        url = f"/admin/{model._meta.app_label}/{model._meta.model_name}/export/"
        assert operator_client.get(url).status_code == 200, model
        everything = [column.name for column in list_columns.columns(page, _request(operator_client))]
        answer = operator_client.post(url, {"do": "download", "form": "jsonl", "column": everything})
        found = [json.loads(line) for line in answer.getvalue().decode().splitlines()]  # type: ignore[attr-defined]
        rows[model._meta.label] = len(found)
    assert rows["tenants.Installation"] == 3
    assert rows["tenants.Company"] == 1
    assert rows["core.AuditEntry"] > 1


def _request(client: Client) -> Any:
    request = RequestFactory().get("/admin/")
    request.user = User.objects.get(username="op")
    return request


def test_a_filter_is_saved_shown_and_deleted(agency: Installation, operator_client: Client) -> None:
    fail(agency.app)
    form = {"do": "save", "name": " Slow  ones ", "column": ["id", "took_ms"], "form": "jsonl"}
    answer = operator_client.post(f"{EXPORT}?p=3&when=1d&lane__exact=bulk", form)
    assert answer["Location"] == "/admin/gateway/call/?lane__exact=bulk&when=1d"
    shown = operator_client.get(answer["Location"])
    assert [(one["row"].name, one["is_shown"]) for one in shown.context["list_tools"]["saved"]] == [("Slow ones", True)]
    page = operator_client.get(f"{EXPORT}?lane__exact=bulk&when=1d")
    assert {column.name for column, is_chosen in page.context["columns"] if is_chosen} == {"id", "took_ms"}
    assert page.context["form"] == "jsonl"
    operator_client.post(f"{EXPORT}?lane__exact=events", {**form, "form": "csv"})
    row = SavedFilter.objects.get()
    assert (row.query, row.form) == ("lane__exact=events", "csv"), "the same name again replaces it"
    operator_client.post(EXPORT, {"do": "forget", "filter": row.pk})
    assert not SavedFilter.objects.exists()
    actions = AuditEntry.objects.filter(action__startswith="filter.").order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["filter.saved", "filter.saved", "filter.deleted"]


def test_a_shared_filter_is_seen_by_others_unless_it_may_name_a_person(agency: Installation) -> None:
    owner, support, viewer = person("operator"), person("support"), person("viewer")
    for query, name in (("lane__exact=bulk", "Bulk"), ("q=Jane", "Jane")):
        owner.post(f"{EXPORT}?{query}", {"do": "save", "name": name, "shared": "on"})
    owner.post(f"{EXPORT}?lane__exact=events", {"do": "save", "name": "Mine"})
    viewer.post(f"{EXPORT}?lane__exact=bulk", {"do": "save", "name": "Theirs", "shared": "on"})
    seen = {
        name: [one["row"].name for one in client.get("/admin/gateway/call/").context["list_tools"]["saved"]]
        for name, client in (("owner", owner), ("support", support), ("viewer", viewer))
    }
    assert seen == {"owner": ["Mine", "Bulk", "Jane"], "support": ["Bulk"], "viewer": ["Theirs", "Bulk"]}
    shared = SavedFilter.objects.get(name="Bulk")
    viewer.post(EXPORT, {"do": "forget", "filter": shared.pk})
    assert SavedFilter.objects.filter(pk=shared.pk).exists(), "a viewer may not"
    support.post(EXPORT, {"do": "forget", "filter": shared.pk})
    assert not SavedFilter.objects.filter(pk=shared.pk).exists()


@pytest.mark.parametrize(
    ("form", "query"),
    [({"name": ""}, ""), ({"name": "x" * 61}, ""), ({"name": "long"}, "q=" + "x" * 2_001)],
)
def test_what_cannot_be_saved_says_why(
    agency: Installation, operator_client: Client, form: dict[str, str], query: str
) -> None:
    answer = operator_client.post(f"{EXPORT}?{query}", {"do": "save", **form}, follow=True)
    assert next(str(one) for one in answer.context["messages"]).startswith("Not saved: ")
    assert not SavedFilter.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_reader_who_goes_away_ends_the_transaction(agency: Installation, operator_client: Client) -> None:
    fail(agency.app)
    answer = operator_client.post(EXPORT, {"do": "download"})
    parts: Iterator[bytes] = iter(answer.streaming_content)  # type: ignore[attr-defined]
    next(parts)
    answer.close()
    ended = AuditEntry.objects.latest("pk")
    assert (ended.action, ended.detail) == ("list.export_ended", {"rows": 0, "complete": False})


@pytest.mark.slow
def test_memory_stays_flat(agency: Installation, operator_client: Client) -> None:
    """Four times the rows take no more memory, because a cursor of the server gives them batch by batch."""
    peaks = []
    for rows in (1_500, 4_500):
        Call.objects.bulk_create([_call(agency.app) for _ in range(rows)], batch_size=1_000)
        answer = operator_client.post(EXPORT, {"do": "download", "column": ["id", "message"]})
        tracemalloc.start()
        lines = sum(part.count(b"\n") for part in answer.streaming_content)  # type: ignore[attr-defined]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert lines == Call.objects.count() + 1
    assert list_file.BATCH < 1_500 / 2
    assert peaks[1] < peaks[0] * 1.5


def _call(app: App) -> Call:
    return Call(app=app, resource_id=COMPANY, at=clock.now(), operation="x", lane="bulk", took_ms=1, message="m" * 200)
