"""Failures are counted by their cause: each once, of all kinds, and a storm costs a few statements."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hlapp import celery
from integrations.problems import decisions, forgetting, roll_up, tasks
from integrations.problems.models import AffectedTenant, Problem, ReadPosition
from integrations.tenants.models import App
from tests.console.conftest import LOCATION, OTHER
from tests.problems.conftest import MINUTE, NOON, Looks, fail_call, only, poison

pytestmark = pytest.mark.django_db


def test_failures_of_one_cause_at_two_tenants_are_one_problem(app: App, look: Looks) -> None:
    fail_call(app)
    latest = fail_call(app, OTHER, at=NOON + MINUTE, trace_id="t-2", message="Contact with id 77 of loc2 not found")
    fail_call(app, message="", code="", slow=True)
    assert look() == 2
    problem = only()
    assert (problem.kind, problem.subject, problem.count, problem.tenants) == ("call", "contacts.get-contact", 2, 2)
    assert problem.words == "Contact with id # of # not found"
    assert (problem.first_seen, problem.last_seen, problem.opened_at) == (NOON, NOON + MINUTE, NOON)
    rows = AffectedTenant.objects.values_list("tenant_id", "count", "row", "trace_id")
    assert (OTHER, 1, latest.pk, "t-2") in rows
    assert look() == 0, "each is counted once"


def test_a_row_whose_key_was_given_early_and_committed_late_is_counted(app: App, look: Looks) -> None:
    first = fail_call(app)
    late = first.pk + 100
    fail_call(app, pk=late + 1)
    look(times=1)
    fail_call(app, pk=late)  # its transaction ended after the look that saw the key behind it
    assert look() == 3


@pytest.mark.slow
@pytest.mark.usefixtures("one_of_each")
def test_every_kind_of_failure_is_read(look: Looks) -> None:
    assert look() == 13
    assert sorted(Problem.objects.values_list("kind", "subject", "code")) == [
        ("call", "contacts.get-contact", "request_rejected"),
        ("credential", "OAuth (API 2.0) of a location", "x"),
        ("entry", "contacts.create-note", "conflict"),
        ("entry", "contacts.create-note", "x"),
        ("event", "ContactCreate", "handler_bug"),
        ("export", "csv", "x"),
        ("job", "a.job", "x"),
        ("job_event", "a.job", "x"),
        ("outbox", "sending", "x"),
        ("sync", "contacts", "x"),
        ("upsert", "contacts.upsert-contact", "x"),
        ("upsert_row", "contacts.upsert-contact", "fate_unknown"),
        ("write", "a.write", "fate_unknown"),
    ]
    assert {row.tenant_id for row in AffectedTenant.objects.all()} == {LOCATION}
    assert look() == 0


def test_first_attempts_of_an_event_that_waits_are_no_problem(app: App, look: Looks) -> None:
    event = poison(app, 1, status="pending")
    event.failed_attempts.update(next_at=NOON + MINUTE)
    for number in (2, 3):
        event.failed_attempts.create(number=number, at=NOON, error_code="install_pending", next_at=NOON + MINUTE)
    assert look() == 1
    assert only().code == "install_pending"


@pytest.mark.slow
def test_a_storm_costs_a_few_statements(app: App, look: Looks) -> None:
    poison(app, 0)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO gateway_call (at, app_id, resource_id, operation, job, lane, slow, status, code, message,"
            " trace_id, took_ms, method, path, query) SELECT %s, %s, 'loc' || n %% 300, 'contacts.get-contact', '',"
            " 'bulk', false, 400, 'request_rejected', 'Contact ' || n || ' not found', 't' || n, 5, 'GET', '/', '[]'"
            " FROM generate_series(1, 12000) n",
            [NOON, app.pk],
        )
    look(times=1)
    with CaptureQueriesContext(connection) as asked:
        look(times=1)
    problem = Problem.objects.get(kind="call")
    assert (problem.count, problem.tenants) == (12_000, 300)
    updates = [one["sql"] for one in asked if "INSERT INTO problems_problem" in one["sql"]]
    assert len(updates) == 4, "three batches of calls, and one of events"
    assert len(asked) < 150


@pytest.mark.slow
def test_a_fixed_problem_opens_again_when_it_is_seen_again(app: App, look: Looks) -> None:
    fail_call(app)
    look()
    fixed_at = look.now
    assert decisions.fix([only()], fixed_at, by="operator op") == 1
    assert decisions.fix([only()], fixed_at, by="operator op") == 0
    fail_call(app, at=fixed_at - MINUTE)
    look()
    assert (only().fixed_at, only().count) == (fixed_at, 2), "it failed before it was fixed"
    fail_call(app, at=fixed_at + MINUTE)
    look()
    again = only()
    assert (again.fixed_at, again.fixed_by, again.reopened) == (None, "", 1)
    assert again.opened_at == fixed_at + MINUTE


def test_words_that_never_repeat_make_no_endless_list(app: App, look: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll_up, "MOST_WORDS", 3)
    for letter in "abcdefgh":
        fail_call(app, message=f"unknown word {letter}")
    look()
    assert Problem.objects.count() == 4
    assert Problem.objects.get(words="").count == 5
    fail_call(app, message="unknown word a")
    fail_call(app, message="unknown word z")
    look()
    counts = dict(Problem.objects.values_list("words", "count"))
    assert (counts["unknown word a"], counts[""]) == (2, 6)


def test_two_workers_do_not_read_one_source_at_once(app: App, look: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_call(app)
    look(times=1)
    taken: Any = ReadPosition.objects.none()
    with monkeypatch.context() as patch:
        patch.setattr(ReadPosition.objects, "select_for_update", lambda **_: taken)
        assert look(times=1) == 0
    assert look() == 1


def test_beat_starts_a_look_and_the_retention(app: App) -> None:
    assert {"problems.roll_up", "problems.tidy"} <= celery.app.conf.beat_schedule.keys()
    tasks.tidy()
    tasks.count_failures()
    assert ReadPosition.objects.count() == 13


def test_what_nobody_has_had_for_long_goes_and_so_does_what_is_too_much(
    app: App, look: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "MOST", 2)
    ages = {
        "fixed long ago": (31, True),
        "fixed": (29, True),
        "old": (91, False),
        "aging": (80, False),
        "new": (1, False),
    }
    for name, (days, fixed) in ages.items():
        seen = NOON - timedelta(days=days)
        Problem.objects.create(
            fingerprint=name,
            kind="job",
            subject=name,
            first_seen=seen,
            last_seen=seen,
            opened_at=seen,
            fixed_at=seen if fixed else None,
        )
    assert forgetting.tidy(NOON) == 3
    assert set(Problem.objects.values_list("subject", flat=True)) == {"fixed", "new"}
