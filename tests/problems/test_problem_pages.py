"""What operators see of problems, and what they do about them: decide, and try the failures again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from integrations.console.doctor import problem_check
from integrations.console.doctor.findings import Level
from integrations.console.tenant_page import tenant_facts
from integrations.core import clock
from integrations.core.models import AuditEntry, BulkAction
from integrations.problems import cause, decisions, failed_rows, failure_sources, queries
from integrations.problems.models import Problem
from integrations.sync.models import Plan, Run
from integrations.tenants.models import App, Installation
from integrations.webhooks.models import Event
from tests.console.conftest import LOCATION, OTHER
from tests.console.conftest import second_app as second_app
from tests.problems.conftest import MINUTE, NOON, Looks, fail_call, only, poison

pytestmark = pytest.mark.django_db
LIST = "/admin/problems/problem/"


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    """A few minutes after the failures."""
    with time_machine.travel(NOON + 10 * MINUTE, tick=True):
        yield


@pytest.fixture
def problem(agency: Installation, look: Looks) -> Problem:
    """Calls that fail at two locations."""
    fail_call(agency.app, message="Contact with id 12ab not found by ann@example.com")
    fail_call(agency.app, OTHER, message="Contact with id 34cd not found by eve@example.com")
    look()
    return only()


def page(client: Client, problem: Problem) -> str:
    return client.get(f"{LIST}{problem.pk}/change/").content.decode()


def act(client: Client, problem: Problem, action: str) -> None:
    client.post(LIST, {"action": action, "_selected_action": [problem.pk]})
    problem.refresh_from_db()


@pytest.mark.slow
def test_the_list_shows_what_is_open_and_finds_by_words_and_tenant(operator_client: Client, problem: Problem) -> None:
    def listed(query: str = "") -> list[Problem]:
        return list(operator_client.get(f"{LIST}{query}").context["cl"].result_list)

    assert listed() == listed("?q=not+found") == listed(f"?q={LOCATION}") == listed("?q=get-contact") == [problem]
    assert listed("?q=elsewhere") == listed("?state=fixed") == listed("?taken=me") == []
    decisions.mute([problem], clock.now() + MINUTE, by="op")
    assert (listed(), listed("?state=muted"), listed("?state=all")) == ([], [problem], [problem])
    decisions.fix([problem], clock.now(), by="op")
    assert (listed("?state=muted"), listed("?state=fixed")) == ([], [problem])
    text = operator_client.get("/admin/").content.decode()
    assert text.index("/admin/problems/problem/") < text.index("/admin/webhooks/event/"), "high in the sidebar"


def test_the_page_says_who_has_it_and_links_to_the_failures(operator_client: Client, problem: Problem) -> None:
    text = page(operator_client, problem)
    for words in (
        "contacts.get-contact",
        "400 request rejected",
        "Contact with id # not found by …",
        f"Studio {LOCATION}",
        f"Studio {OTHER}",
        "/admin/gateway/call/?operation=contacts.get-contact&amp;code=request_rejected&amp;status=400",
        f"/admin/gateway/call/{problem.affected.get(tenant_id=OTHER).row}/change/",
        f'href="{LIST}timeline/?id=t-1"><code>t-1</code>',
        "What made a call repeats it",
    ):
        assert words in text, words
    assert operator_client.get(f"{LIST}999999/change/").status_code == 404


@pytest.mark.slow
@pytest.mark.usefixtures("one_of_each")
def test_the_links_of_every_kind_lead_to_the_failed_rows(operator_client: Client, look: Looks) -> None:
    look()
    for problem in Problem.objects.all():
        listed = operator_client.get(failed_rows.list_url(problem))
        assert listed.status_code == 200, problem
        assert operator_client.get(f"{LIST}{problem.pk}/change/").status_code == 200
        if problem.kind == "export":  # of many tenants: the list leads to it
            assert [row.form for row in listed.context["cl"].result_list] == ["csv"]
            continue
        (affected,) = problem.affected.all()
        if problem.kind != "outbox":
            assert affected.row in [row.pk for row in listed.context["cl"].result_list], problem
            assert operator_client.get(failed_rows.row_url(problem, affected.row)).status_code == 200, problem
    text = operator_client.get(f"/admin/tenants/location/{LOCATION}/change/").content.decode()
    shown = [problem for problem in Problem.objects.all() if f"{LIST}{problem.pk}/change/" in text]
    assert len(shown) == tenant_facts.LATEST, "the newest are on the tenant's page, too"
    assert "All problems with it" in text


def test_failures_of_two_apps_are_two_problems_each_with_its_app(
    operator_client: Client, agency: Installation, second_app: App, look: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        poison(agency.app, number)
    theirs = [poison(second_app, number) for number in range(5, 10)]
    look()
    first, second = Problem.objects.order_by("app_id")
    assert ([first.app, first.count], [second.app, second.count]) == ([agency.app, 5], [second_app, 5])
    only_words = cause.of(failure_sources.of_event(theirs[0]), first=second_app.pk)
    assert only_words.fingerprint == first.fingerprint, "that of before problems knew their app"
    text = operator_client.get(LIST).content.decode()
    assert "Webhook, Northwind Sync" in text
    assert "Webhook, Second" in text
    listed = operator_client.get(f"{LIST}?app__id__exact={second_app.pk}").context["cl"].result_list
    assert list(listed) == [second]
    assert "app Second" in page(operator_client, second)
    rows = operator_client.get(failed_rows.list_url(second)).context["cl"].result_list
    assert {row.app_id for row in rows} == {second_app.pk}
    monkeypatch.setattr(clock, "now", lambda: NOON + MINUTE)
    words = [one.found for one in problem_check.new_problems()]
    assert any("began in Second: Webhook" in one for one in words)
    operator_client.post(f"{LIST}{second.pk}/again/")
    assert {event.status for event in Event.objects.filter(app=second_app)} == {"pending"}
    assert {event.status for event in Event.objects.filter(app=agency.app)} == {"poisoned"}


def test_a_problem_of_before_apps_gets_its_app_when_it_is_seen_again(agency: Installation, look: Looks) -> None:
    poison(agency.app, 1)
    look()
    Problem.objects.update(app=None)
    poison(agency.app, 2)
    look()
    assert (only().app, only().count) == (agency.app, 2)


def test_an_operator_takes_mutes_fixes_and_opens_a_problem(operator_client: Client, problem: Problem) -> None:
    act(operator_client, problem, "take")
    assert problem.assignee == User.objects.get(username="op")
    assert "op has it" in page(operator_client, problem)
    act(operator_client, problem, "give_up")
    assert problem.assignee is None
    act(operator_client, problem, "mute_for_a_day")
    assert queries.state_of(problem, clock.now()) == "muted"
    act(operator_client, problem, "call_fixed")
    assert "Called fixed" in page(operator_client, problem)
    act(operator_client, problem, "open_again")
    assert queries.state_of(problem, clock.now()) == "open"
    done = AuditEntry.objects.filter(subject=f"problem {problem.pk}").order_by("pk").values_list("action", flat=True)
    assert list(done) == [f"problem.{what}" for what in ("assigned", "assigned", "muted", "fixed", "reopened")]


def test_the_forms_mute_until_a_moment_and_give_it_to_somebody(operator_client: Client, problem: Problem) -> None:
    own = f"{LIST}{problem.pk}"
    User.objects.create_user("eve", is_staff=True)
    operator_client.post(f"{own}/mute/", {"until": "2026-11-03T08:30"})
    operator_client.post(f"{own}/assign/", {"assignee": "eve"})
    problem.refresh_from_db()
    assert problem.muted_until is not None
    assert (f"{problem.muted_until:%d %H:%M}", str(problem.assignee)) == ("03 08:30", "eve")
    for wrong in ("", "soon", "2026-13-99T99:99", "2025-01-01T00:00", "2099-01-01T00:00"):
        answer = operator_client.post(f"{own}/mute/", {"until": wrong}, follow=True)
        assert "Name a moment in the future" in answer.content.decode()
    assert "no such operator" in operator_client.post(f"{own}/assign/", {"assignee": "x"}, follow=True).content.decode()
    operator_client.post(f"{own}/assign/", {"assignee": ""})
    assert Problem.objects.get(muted_until=problem.muted_until).assignee is None
    assert operator_client.get(f"{own}/mute/").url == f"{own}/change/"
    assert operator_client.post(f"{LIST}no/mute/").status_code == 404


def test_only_the_events_of_the_cause_are_processed_again(
    operator_client: Client, agency: Installation, look: Looks
) -> None:
    mine = [poison(agency.app, number) for number in range(3)]
    poison(agency.app, 9, error="ValueError in tag, line 1")
    poison(agency.app, 10, type="ContactUpdate")
    look()
    problem = Problem.objects.get(words__startswith="KeyError", subject="ContactCreate")
    assert "Process its events again" in page(operator_client, problem)
    operator_client.post(f"{LIST}{problem.pk}/again/")
    assert set(Event.objects.filter(status="pending")) == set(mine)
    answer = operator_client.post(f"{LIST}{problem.pk}/again/", follow=True)
    assert "None of its failures is left" in answer.content.decode()


@pytest.mark.slow
def test_many_are_counted_and_confirmed_first_and_a_worker_does_them(
    operator_client: Client, agency: Installation, look: Looks
) -> None:
    for number in range(30):
        poison(agency.app, number)
    look()
    again = f"{LIST}{only().pk}/again/"
    asked = operator_client.post(again)
    text = asked.content.decode()
    assert (asked.context["chosen"].count, "Replay the selected events" in text) == (30, True)
    assert 'name="_selected_action"' not in text, "the page finds them again"
    assert not Event.objects.filter(status="pending").exists()
    answer = operator_client.post(again, {"confirmed": "yes"})
    row = BulkAction.objects.get()
    assert (answer.url, row.total, len(row.ids)) == (f"/admin/core/bulkaction/{row.pk}/change/", 30, 30)


def test_syncs_run_again_once_per_plan_and_not_after_a_newer_run(
    operator_client: Client, agency: Installation, look: Looks
) -> None:
    ended = {
        "status": "failed",
        "started_at": NOON,
        "finished_at": NOON,
        "due_at": NOON,
        "error_code": "x",
        "error": "no",
    }
    plans = [Plan.objects.get(location_id=place) for place in (LOCATION, OTHER)]
    for plan in (*plans, plans[0]):
        Run.objects.create(plan=plan, kind="full", **ended)
    Run.objects.create(plan=plans[1], kind="full", **(ended | {"status": "complete", "error_code": ""}))
    look()
    operator_client.post(f"{LIST}{only().pk}/again/")
    assert [run.plan for run in Run.objects.running()] == [plans[0]]


def test_the_command_lists_shows_and_decides(problem: Problem) -> None:
    def run(*arguments: str) -> str:
        out = StringIO()
        call_command("problems", *arguments, stdout=out)
        return out.getvalue()

    (row,) = json.loads(run("--json"))
    assert (row["subject"], row["count"], row["tenants"], row["state"]) == ("contacts.get-contact", 2, 2, "open")
    assert (set(row["latest_tenants"]), row["trace_ids"]) == ({LOCATION, OTHER}, ["t-1"])
    text = run("list", "--tenant", LOCATION)
    assert "2 times at 2 tenants" in text
    assert "trace ids: t-1" in text
    assert "(muted)" in run("mute", str(problem.pk), "--hours", "2")
    assert "(fixed)" in run("fix", str(problem.pk))
    assert run().strip() == run("--tenant", "elsewhere").strip() == "no such problem"
    assert json.loads(run("--state", "fixed", "--json"))[0]["id"] == problem.pk
    assert "(open)" in run("reopen", str(problem.pk))
    with pytest.raises(CommandError, match="there is no problem 99"):
        run("show", "99")


def test_an_alert_tells_of_a_new_problem_until_somebody_has_it(problem: Problem, operator: User) -> None:
    Problem.objects.update(kind="job")
    (found,) = problem_check.new_problems()
    assert (found.level, found.link) == (Level.WARNING, f"{LIST}{problem.pk}/change/")
    assert "2 times at 2 tenants" in found.found
    decisions.assign([problem], operator, by="op")
    (found,) = problem_check.new_problems()
    assert (found.level, found.found) == (Level.OK, "none began or came back within a day")


def test_one_failure_at_one_tenant_is_no_news_and_nor_is_an_old_problem(problem: Problem) -> None:
    assert next(iter(problem_check.new_problems())).level is Level.OK, "two calls fail now and then"
    Problem.objects.update(count=queries.MANY_CALLS)
    assert next(iter(problem_check.new_problems())).level is Level.WARNING
    Problem.objects.update(kind="job", tenants=1, count=2)
    assert only().extent == "2 times at 1 tenant"
    assert next(iter(problem_check.new_problems())).level is Level.OK
    Problem.objects.update(count=queries.OFTEN)
    assert next(iter(problem_check.new_problems())).level is Level.WARNING
    Problem.objects.update(opened_at=NOON - timedelta(days=2))
    assert next(iter(problem_check.new_problems())).level is Level.OK


def test_of_many_new_problems_the_widest_are_told_one_by_one(problem: Problem) -> None:
    for number in range(7):
        Problem.objects.create(
            fingerprint=str(number),
            kind="job",
            subject=f"job {number}",
            first_seen=NOON,
            last_seen=NOON,
            opened_at=NOON,
            tenants=10 + number,
        )
    *shown, more = problem_check.new_problems()
    assert [one.link.rpartition("/change")[0] for one in shown] == [
        f"{LIST}{one.pk}" for one in Problem.objects.order_by("-tenants")[:5]
    ]
    assert more.found == "2 more began or came back within a day"
