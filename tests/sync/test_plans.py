"""Plans follow installs and uninstalls, however their messages come."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from integrations.core import clock
from integrations.core.tenant import UserType
from integrations.sync import pace, plans, records, runs, tasks
from integrations.sync.models import Plan, Record, Run
from integrations.tenants.models import App, Installation
from tests.support.signed import sign
from tests.sync.conftest import LOCATION, alive, run_once, start
from tests.sync.listing import of

Status = Run.Status


def uninstall() -> None:
    Installation.objects.update(status=Installation.Status.UNINSTALLED)


def install() -> None:
    Installation.objects.update(status=Installation.Status.INSTALLED)


def resources() -> set[str]:
    return set(Plan.objects.values_list("resource", flat=True))


def test_an_install_makes_the_plans_that_the_scopes_allow_and_starts_them(installation: Installation) -> None:
    App.objects.update(scopes="contacts.readonly opportunities.readonly")
    assert plans.make(installation.app_id, LOCATION) == 3
    assert resources() == {"contacts", "opportunities", "pipelines"}
    assert Run.objects.filter(status=Status.RUNNING, kind="full").count() == 3


def test_a_second_message_changes_nothing(installation: Installation) -> None:
    plans.make(installation.app_id, LOCATION)
    before = list(Plan.objects.order_by("pk").values())
    assert plans.make(installation.app_id, LOCATION) == 0
    assert list(Plan.objects.order_by("pk").values()) == before
    assert Run.objects.count() == len(before)


def test_a_repeated_install_message_does_not_disturb_the_pace(plan: Plan) -> None:
    run_once(plan, of(5))
    plan.refresh_from_db()
    due_at = plan.due_at
    plans.make(plan.app_id, LOCATION)
    plan.refresh_from_db()
    assert plan.due_at == due_at


def test_what_is_not_installed_gets_no_plans(installation: Installation) -> None:
    uninstall()
    assert plans.make(installation.app_id, LOCATION) == 0
    assert not Plan.objects.exists()


def test_due_plans_are_started_once(plan: Plan) -> None:
    now = clock.now()
    Plan.objects.update(due_at=now)
    sign(Plan)
    assert plans.start_due(now - timedelta(seconds=1)) == 0
    assert [plans.start_due(now), plans.start_due(now)] == [1, 0]
    plan.refresh_from_db()
    assert plan.due_at is None


def test_a_disabled_plan_rests(plan: Plan) -> None:
    Plan.objects.update(due_at=clock.now(), enabled=False)
    sign(Plan)
    assert plans.start_due(clock.now()) == 0
    assert plans.request_runs(Plan.objects.all(), clock.now(), full=True) == []


def test_one_run_at_a_time_is_kept_by_the_database_too(plan: Plan) -> None:
    start(plan)
    with pytest.raises(IntegrityError), transaction.atomic():
        Run.objects.create(plan=plan, kind="full", due_at=clock.now(), started_at=clock.now())


def test_a_run_asked_for_during_another_follows_it(plan: Plan) -> None:
    listing = of(5)
    run_once(plan, listing)
    run = start(plan)
    assert plans.request_runs(Plan.objects.all(), clock.now(), full=True) == [plan.pk]
    assert Run.objects.filter(status=Status.RUNNING).get() == run
    Run.objects.filter(pk=run.pk).update(lease_owner="us", lease_until=clock.now() + Run.lease_term)
    runs.SyncTurn(run, "us").complete()
    assert plans.start_due(clock.now()) == 1
    assert Run.objects.get(status=Status.RUNNING).kind == "full"


def test_a_full_run_asked_for_during_a_full_run_follows_it(plan: Plan) -> None:
    run = start(plan)
    plans.request_runs(Plan.objects.all(), clock.now(), full=True)
    Run.objects.filter(pk=run.pk).update(lease_owner="us", lease_until=clock.now() + Run.lease_term)
    runs.SyncTurn(run, "us").complete()
    assert plans.start_due(clock.now()) == 1
    assert Run.objects.get(status=Status.RUNNING).kind == "full"


def test_the_kind_of_a_run(plan: Plan) -> None:
    listing = of(5)
    assert run_once(plan, listing).kind == "full"
    assert run_once(plan, listing).kind == "incremental"
    assert run_once(plan, listing, full_due_at=clock.now()).kind == "full"
    plan.refresh_from_db()
    assert plan.full_due_at is not None
    assert plan.full_due_at > clock.now() + timedelta(hours=11)


def test_a_cancelled_run_comes_again_later(plan: Plan) -> None:
    run = start(plan)
    assert runs.cancel(Run.objects.all(), clock.now(), reason="by an operator") == [run.pk]
    assert runs.cancel(Run.objects.all(), clock.now(), reason="twice") == []
    plan.refresh_from_db()
    assert plan.due_at is not None
    assert plan.due_at > clock.now()


def test_an_uninstall_takes_plans_runs_and_records_along(plan: Plan) -> None:
    run_once(plan, of(5))
    records.merge(plan.app_id, "elsewhere", "contacts", [{"id": "x"}])
    start(plan)
    uninstall()
    assert plans.delete_plans(plan.app_id, LOCATION)
    assert alive() == {"x"}
    assert (Plan.objects.count(), Run.objects.count()) == (0, 0)
    assert plans.delete_plans(plan.app_id, LOCATION), "a second message finds nothing to do"


def test_a_late_uninstall_message_does_not_touch_what_is_installed_again(plan: Plan) -> None:
    run_once(plan, of(5))
    assert not plans.delete_plans(plan.app_id, LOCATION)
    assert len(alive()) == 5
    assert Plan.objects.get().cursor_at is not None


def test_a_location_about_to_be_installed_again_is_not_touched(plan: Plan) -> None:
    run_once(plan, of(5))
    Installation.objects.update(status=Installation.Status.PENDING)
    assert not plans.delete_plans(plan.app_id, LOCATION)
    assert plans.find_mismatches() == ([], [])
    assert len(alive()) == 5


def test_ended_runs_are_kept_for_a_while(plan: Plan) -> None:
    first = run_once(plan, of(5))
    Run.objects.filter(pk=first.pk).update(finished_at=clock.now() - pace.keep_runs())
    second = run_once(plan, of(5))
    assert list(Run.objects.all()) == [second]


def test_many_records_are_deleted_in_batches(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "PURGE_ROWS", 40)
    run_once(plan, of(100))
    uninstall()
    assert plans.delete_plans(plan.app_id, LOCATION)
    assert not Record.objects.exists()


def test_a_reinstall_in_the_middle_of_forgetting_starts_from_nothing(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The turn's time is over after the runs were cancelled; then the app comes back."""
    listing = of(100)
    run_once(plan, listing)
    monkeypatch.setattr(plans, "PURGE_SECONDS", 0.0)
    uninstall()
    assert not plans.delete_plans(plan.app_id, LOCATION)
    assert Plan.objects.get().cursor_at is None, "an incremental run would not bring back what was deleted"
    install()
    assert not plans.delete_plans(plan.app_id, LOCATION)
    plans.make(plan.app_id, LOCATION)
    assert Run.objects.latest("pk").kind == "full"


def test_plans_follow_their_installation(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row is due until nothing is left to do, so neither a lost message nor a killed worker stops it."""
    rows, now = Installation.objects.filter(pk=installation.pk), clock.now()
    rows.sync_at(now)
    assert tasks.FOLLOW_SOURCE.take(5, now) == [installation.pk]
    assert tasks.FOLLOW_SOURCE.take(5, now) == [], "one message at a time"
    plans.apply_installation_change(installation.pk)
    assert (Plan.objects.count(), rows.get().sync_due_at) == (1, None)
    plans.apply_installation_change(installation.pk)
    assert Plan.objects.count() == 1, "a second message finds nothing to do"

    uninstall()
    rows.sync_at(now)
    monkeypatch.setattr(plans, "PURGE_SECONDS", 0.0)
    plans.apply_installation_change(installation.pk)
    assert tasks.FOLLOW_SOURCE.take(5, clock.now()) == [installation.pk], "records are left to delete"
    monkeypatch.undo()
    plans.apply_installation_change(installation.pk)
    assert (Plan.objects.count(), rows.get().sync_due_at) == (0, None)


def test_an_installation_that_begins_again_while_its_plans_are_deleted_gets_new_ones(
    plan: Plan, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Installation.objects.filter(pk=installation.pk)
    uninstall()
    rows.sync_at(clock.now())
    forget = plans.delete_plans

    def begins_again(*arguments: Any) -> bool:
        done = forget(*arguments)
        install()
        rows.sync_at(clock.now())
        return done

    monkeypatch.setattr(plans, "delete_plans", begins_again)
    plans.apply_installation_change(installation.pk)
    assert tasks.FOLLOW_SOURCE.take(5, clock.now()) == [installation.pk]
    plans.apply_installation_change(installation.pk)
    assert rows.get().sync_due_at is None
    assert Plan.objects.get().pk != plan.pk


def test_lost_messages_are_made_up_for(plan: Plan, installation: Installation) -> None:
    assert plans.find_mismatches() == ([], [])
    uninstall()
    assert plans.find_mismatches() == ([], [(plan.app_id, LOCATION)])
    install()
    Plan.objects.all().delete()
    assert plans.find_mismatches() == ([(plan.app_id, LOCATION)], [])
    Installation.objects.update(user_type=UserType.COMPANY)
    assert plans.find_mismatches() == ([], [])


def test_neighbours_are_spread_over_the_last_fifth_of_their_wait() -> None:
    waits = sorted(pace.spread(timedelta(minutes=10), plan_id) for plan_id in range(1, 101))
    assert timedelta(minutes=8) <= waits[0]
    assert waits[-1] <= timedelta(minutes=10)
    gaps = [after - before for before, after in itertools.pairwise(waits)]
    assert max(gaps) < timedelta(seconds=4)


def test_an_incremental_run_looks_back() -> None:
    at = datetime(2026, 1, 1, 12, 0, tzinfo=clock.now().tzinfo)
    assert pace.since(at) == at - timedelta(minutes=15)
