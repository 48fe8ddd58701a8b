"""The endpoint's own success rate: what is counted for whom, what pages show of it, and that counting costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from integrations.tenants.models import App
from integrations.webhooks import endpoint, inbox, queries, response_counts
from integrations.webhooks.models import Answers
from integrations.webhooks.response_counts import ResponseOutcome
from tests.webhooks.conftest import NOW, Post, contact


def lines() -> dict[App | None, dict[str, int]]:
    """What is written so far, without the zeros."""
    response_counts.counter.flush()
    found = {}
    for line in Answers.objects.select_related("app"):
        numbers = {outcome.value: getattr(line, outcome.value) for outcome in ResponseOutcome}
        found[line.app] = {name: number for name, number in numbers.items() if number}
    return found


@pytest.mark.django_db
def test_every_kind_of_answer_is_counted_for_its_app(
    post: Post, app: App, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.WEBHOOK_MAX_BYTES = 100_000
    post(contact())
    post(contact())
    post(contact(2))
    post(contact(), headers={})
    post(b"{")
    post(b"x" * 100_001)

    def full(*_: Any) -> Any:
        raise OperationalError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(inbox, "_store", full)
        assert post(contact(3)).status_code == 429
    assert lines() == {
        app: {"stored": 2, "duplicate": 1, "unsigned": 1, "malformed": 1, "too_large": 1, "not_stored": 1}
    }


@pytest.mark.django_db
def test_a_body_that_broke_off_counts_as_unverified(app: App) -> None:
    class Stream:
        def read(self, most: int, /) -> bytes:
            raise EOFError

    assert endpoint.respond(None, {"CONTENT_LENGTH": "10"}, Stream()).status == 400
    assert lines() == {app: {"unsigned": 1}}


@pytest.mark.django_db
def test_a_fault_of_ours_is_counted_too(post: Post, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise AssertionError("a bug")

    monkeypatch.setattr(inbox, "accept", broken)
    with pytest.raises(AssertionError):
        post(contact())
    assert lines() == {app: {"failed": 1}}


@pytest.mark.django_db
def test_a_refusal_counts_for_the_app_of_the_url(post: Post, app: App, other_app: App) -> None:
    post(contact(), url=f"/webhooks/{other_app.client_id}/", headers={})
    post(contact(), url=f"/webhooks/{other_app.highlevel_id}/", headers={})
    post(contact(appId=other_app.highlevel_id))
    post(contact(), url="/webhooks/nosuchapp/")
    post(contact(appId="anotherdevelopersapp"))
    post(contact(), headers={})
    assert lines() == {other_app: {"unsigned": 2, "stored": 1}, None: {"not_here": 2}, app: {"unsigned": 1}}


@pytest.mark.django_db
def test_made_up_names_fill_neither_memory_nor_table(app: App, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_counts.counter, "most", 5)
    for number in range(20):
        client.post(f"/webhooks/made-up-{number}/", b"{}", content_type="application/json")
    assert len(response_counts.counter) <= 6
    assert lines() == {None: {"unsigned": 20}}


@pytest.mark.django_db
def test_counts_add_up_by_day(app: App) -> None:
    for days in (0, 0, 1):
        with time_machine.travel(NOW - timedelta(days=days), tick=False):
            response_counts.count(app.pk, ResponseOutcome.STORED)
            response_counts.counter.flush()
    assert dict(Answers.objects.values_list("day", "stored")) == {NOW.date(): 2, (NOW - timedelta(days=1)).date(): 1}


@pytest.mark.django_db(transaction=True)
def test_counts_are_written_at_once_after_a_pause_and_then_together(
    app: App, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(response_counts.counter, "written_at", -1e9)
    response_counts.count(app.pk, ResponseOutcome.STORED)
    assert Answers.objects.get().stored == 1
    with django_assert_num_queries(0):
        response_counts.count(app.pk, ResponseOutcome.STORED)


@pytest.mark.django_db
def test_what_cannot_be_written_is_kept(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("away")

    response_counts.count(app.pk, ResponseOutcome.STORED)
    with monkeypatch.context() as patch:
        patch.setattr(response_counts.counter, "_write", away)
        response_counts.counter.flush()
    response_counts.count(app.pk, ResponseOutcome.STORED)
    assert lines() == {app: {"stored": 2}}


@pytest.fixture
def history(app: App, other_app: App, at_noon: None) -> None:
    def day(back: int, app: App | None, **numbers: int) -> None:
        Answers.objects.create(day=NOW.date() - timedelta(days=back), app=app, **numbers)

    day(0, app, stored=85, duplicate=5, not_here=5, unsigned=5)
    day(2, app, stored=100)
    day(3, app, stored=0, failed=1_000)
    day(0, other_app, stored=10, malformed=10)
    day(0, None, unsigned=7)


def test_an_app_is_judged_by_its_last_three_days(history: None, app: App, other_app: App) -> None:
    found = {
        one.app: (one.answered, one.refused, one.unverified, one.rejects_all) for one in queries.responses_by_app(NOW)
    }
    assert found == {
        app.name: (195, {}, {"unsigned": 5}, False),
        other_app.name: (20, {"malformed": 10}, {}, False),
        "": (0, {}, {"unsigned": 7}, False),
    }
    assert {one.app: one.share_refused for one in queries.responses_by_app(NOW)} == {
        app.name: 0,
        other_app.name: 0.5,
        "": 0,
    }


def test_the_totals_are_of_all_days(history: None, app: App) -> None:
    found = {row["app_name"]: row for row in queries.answered()}
    assert (found[app.client_id]["stored"], found[app.client_id]["failed"]) == (185, 1_000)
    assert found[""]["unsigned"] == 7


def test_the_page_shows_a_line_a_day(history: None, client: Client) -> None:
    client.force_login(User.objects.create_superuser("olga"))
    page = client.get("/admin/webhooks/answers/")
    assert page.context["cl"].result_count == 5
    for shown in (b"100.0%", b"50.0%", b"none of ours"):
        assert shown in page.content
    line = Answers.objects.all()[0]
    assert client.get(f"/admin/webhooks/answers/{line.pk}/change/").status_code == 200
    assert client.post(f"/admin/webhooks/answers/{line.pk}/delete/", {"post": "yes"}).status_code == 403


def test_counting_never_reaches_the_vendor(post: Post, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the table gone the webhook is stored all the same."""
    written: list[Callable[..., Any]] = []

    def away(*_: Any) -> None:
        written.append(away)
        raise OperationalError("away")

    monkeypatch.setattr(response_counts.counter, "_write", away)
    assert post(contact()).json() == {"status": "stored"}
    response_counts.counter.flush()
    assert written
