"""What somebody writes into the tables of the sync, without a key of the vault, fetches nothing of a tenant."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import Unreachable
from integrations.core.models import AuditEntry
from integrations.sync import plans, resource_choices, runs, webhook_handlers
from integrations.sync.choose import adaptive_intervals
from integrations.sync.choose.adaptive_intervals import Bounds
from integrations.sync.models import AdaptiveChoice, Plan, Record, ResourceChoice, Run
from integrations.sync.narrowing.field_choice import FieldChoice
from integrations.sync.signed import plan_macs
from integrations.tenants.models import App, Installation
from integrations.vault import signed_tables
from integrations.webhooks.models import Event
from tests.support.forging import Attacks, copied, each
from tests.support.signed import sign, transition
from tests.sync.conftest import HERE, LOCATION, run_once, start, to_the_end, turn
from tests.sync.listing import Listing, of

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ADAPTS = Bounds(enabled=True, shortest=HOUR, longest=DAY, calls_per_day=100)


def work(vendor: Listing) -> list[Run]:
    """Start what is due, and do a turn of every run under way. The runs that exist then, newest first."""
    plans.start_due(clock.now())
    for pk in Run.objects.running().values_list("pk", flat=True):
        runs.advance(pk, page=vendor.page, record=vendor.record)
    return list(Run.objects.order_by("-pk"))


@pytest.mark.slow
def test_a_plan_that_is_written_fetches_nothing(app: App, plan: Plan) -> None:
    vendor = of(3)
    assert run_once(plan, vendor).status == "complete"
    mine = Plan.objects.filter(pk=plan.pk)
    plan_macs.write(mine, due_at=clock.now())
    kept = mine.values("due_at", "due_mac").get()
    plans.switch(mine, clock.now(), enabled=False)
    plans.switch(mine, clock.now() + HOUR, enabled=True)
    vendor.requests.clear()
    pk = plan.pk
    attacks: Attacks = {
        "made due": lambda: mine.update(due_at=clock.now()),
        "made due with the MAC of another moment": lambda: mine.update(due_at=clock.now(), due_mac=kept["due_mac"]),
        "inserted for another location": lambda: copied("sync_plan", pk, location_id="'theirs'", due_at="now()"),
        "inserted for another resource": lambda: copied("sync_plan", pk, resource="'users'", due_at="now()"),
        "moved to another location": lambda: mine.update(location_id="theirs", **kept),
        "made another resource": lambda: mine.update(resource="opportunities", **kept),
        "other fields": lambda: mine.update(fields={"only": ["email"]}, **kept),
        "other filters": lambda: mine.update(filters={"query": "a name"}, **kept),
        "another interval": lambda: mine.update(every=timedelta(minutes=5), **kept),
        "another adapted interval": lambda: mine.update(adapted_every=timedelta(minutes=5), **kept),
        "history": lambda: mine.update(keeps_history=True, **kept),
        "more calls": lambda: mine.update(calls_per_day=1_000_000, **kept),
        "no MAC": lambda: mine.update(mac=None, **kept),
    }
    for name in each(attacks):
        held = work(vendor)[0]
        assert (held.status, held.error_code, vendor.requests) == ("failed", "seal_broken", []), name
        assert (held.plan.enabled, held.plan.due_at) == (False, None), name
        assert plans.switch(Plan.objects.filter(pk=held.plan_id), clock.now(), enabled=True) == [], name
        assert work(vendor)[0].pk == held.pk, name
        assert signed_tables.misfits()["sync.Plan"] == 1, name
        assert signed_tables.discard("sync.Plan", [held.plan_id], actor="ann") == [held.plan_id], name
        assert signed_tables.misfits()["sync.Plan"] == 0, name
    mine.update(**kept)
    assert work(vendor)[0].status == "complete", "what the application itself made due once is done"


def test_a_paused_plan_and_one_that_is_left_out_stay_so(app: App, plan: Plan) -> None:
    vendor = of(3)
    plan_macs.write(Plan.objects.all(), due_at=clock.now(), enabled=False, is_left_out=True)
    Plan.objects.update(enabled=True, is_left_out=False)
    assert work(vendor)[0].error_code == "seal_broken"
    assert vendor.requests == []


def test_a_run_that_is_written_or_changed_asks_for_nothing(app: App, plan: Plan) -> None:
    vendor = of(205)
    run = turn(start(plan), vendor)
    other = Plan.objects.create(app=app, location_id="other", resource="contacts", created_at=clock.now())
    runs.cancel(Run.objects.all(), clock.now(), reason="by an operator")
    mine, now = Run.objects.filter(pk=run.pk), clock.now()
    again = {"status": "running", "finished_at": None, "due_at": now}
    page = {"next": {"searchAfter": ["2020-01-01", "c00001"]}}
    running = {"status": "'running'", "finished_at": "NULL", "due_at": "now()"}
    failed: dict[str, Any] = {"status": "failed", "error_code": Unreachable.code}
    vendor.requests.clear()

    def resumed() -> None:
        mine.update(checkpoint=page, **failed)
        plan_macs.write(Plan.objects.filter(pk=plan.pk), due_at=now)

    attacks: Attacks = {
        "resumed": lambda: mine.update(**again),
        "another checkpoint": lambda: mine.update(checkpoint=page, **again),
        "another kind": lambda: mine.update(kind="repair", **again),
        "another plan": lambda: mine.update(plan=other, **again),
        "inserted": lambda: copied("sync_run", run.pk, **running),
        "inserted for another plan": lambda: copied("sync_run", run.pk, plan_id=str(other.pk), **running),
    }
    for name in each(attacks):
        assert work(vendor)[0].pk >= run.pk, name
        assert Run.objects.filter(error_code="seal_broken", status="failed").count() == 1, name
        assert vendor.requests == [], name
    for _ in each({"a failed one goes on": resumed}):
        assert work(vendor)[0].pk > run.pk, "a new run begins at the first page"
        assert vendor.requests[0]["cursor"] is None


def test_a_plan_that_changes_while_it_runs_stops_its_run(app: App, plan: Plan) -> None:
    vendor = of(205)
    run = start(plan)
    Plan.objects.update(filters={"query": "a name"})
    assert turn(run, vendor).error_code == "seal_broken"
    assert "the run's plan is not of this application" in run.error
    assert vendor.requests == []
    sign(Plan)
    Plan.objects.update(filters={})
    sign(Plan)
    run = start(plan)
    vendor.before = lambda number: Plan.objects.update(fields={"only": ["email"]}) and None
    assert turn(run, vendor).error_code == "seal_broken"
    assert not Record.objects.exists(), "a page is not kept under rules of somebody else"


def test_webhooks_follow_no_plan_of_somebody_else(app: App, plan: Plan) -> None:
    payload = {"type": "ContactCreate", "locationId": LOCATION, "id": "c1", "email": "a@example.com", "phone": "+1"}

    def receive() -> None:
        webhook_handlers.apply(Event(app=app, type="ContactCreate", payload=payload, occurred_at=clock.now()))

    attacks: Attacks = {
        "other fields": lambda: Plan.objects.update(fields={"only": ["email"]}),
        "inserted": lambda: (Plan.objects.all().delete(), Plan.objects.bulk_create([plan])),
    }
    for name in each(attacks):
        Plan.objects.filter(fields={}).update(mac=None)
        receive()
        assert not Record.objects.exists(), name
    receive()
    assert Record.objects.get().payload["phone"] == "+1"


@pytest.mark.slow
def test_a_choice_that_is_written_makes_no_plans_and_no_intervals(app: App, installation: Installation) -> None:
    App.objects.update(scopes="contacts.readonly payments/orders.readonly opportunities.readonly")
    app.refresh_from_db()
    resource_choices.choose(app, ["opportunities"], clock.now(), enabled=False)
    resource_choices.set_interval(app, ["contacts"], HOUR, clock.now())
    row = ResourceChoice.objects.get(resource="contacts")
    every = ResourceChoice.objects.all()

    def planned() -> dict[str, Any]:
        Plan.objects.all().delete()
        plans.make(app.pk, LOCATION)
        return dict(Plan.objects.order_by("resource").values_list("resource", "every"))

    ours = {"contacts": HOUR, "pipelines": None}
    assert planned() == ours
    less = {"pipelines": None}
    attacks: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
        "inserted": (lambda: copied("sync_resourcechoice", row.pk, resource="'orders'"), ours),
        "switched on": (lambda: every.filter(resource="opportunities").update(enabled=True), ours),
        "another interval": (lambda: every.update(every=timedelta(minutes=5)), less),
        "other fields": (lambda: every.update(fields={"only": ["email"]}), less),
        "other filters": (lambda: every.update(filters={"query": "a"}), less),
        "history": (lambda: every.update(keeps_history=True), less),
        "no MAC": (lambda: every.update(mac=None), less),
    }
    for name in each({name: attack for name, (attack, _) in attacks.items()}):
        assert planned() == attacks[name][1], name
        resource_choices.set_history(app, ["contacts"], clock.now(), keeps=True)
        again = ResourceChoice.objects.get(resource="contacts")
        assert (again.fields, again.filters) == ({}, {}), f"{name}: what an operator chooses next keeps nothing of it"
    adaptive_intervals.choose(app, ADAPTS, clock.now(), actor="ann")
    AdaptiveChoice.objects.update(shortest=timedelta(minutes=5), calls_per_day=10_000_000)
    assert adaptive_intervals.adapt(app.pk) == 0
    assert (adaptive_intervals.row(app), adaptive_intervals.bounds(app).enabled) == (None, False)
    assert AdaptiveChoice.objects.get().due_at is None


@pytest.mark.slow
def test_every_choice_is_signed_and_vouches_for_nothing_else(app: App, plan: Plan) -> None:
    App.objects.update(scopes="contacts.readonly payments/orders.readonly")
    app.refresh_from_db()
    now, names = clock.now(), ["contacts"]
    theirs = Plan.objects.create(app=app, location_id="theirs", resource="contacts", created_at=now)
    Plan.objects.filter(pk=theirs.pk).update(fields={"only": ["email"]})
    here: dict[str, Any] = {"location_id": LOCATION}
    choices: list[dict[str, Any]] = [{}, {"tenant": HERE}]
    for where in choices:
        resource_choices.choose(app, ["contacts", "orders"], now, enabled=True, **where)
        resource_choices.set_interval(app, names, HOUR, now, **where)
        resource_choices.set_history(app, names, now, keeps=True, **where)
        resource_choices.set_fields(app, names, FieldChoice.parse("without phone"), now, **where)
        resource_choices.set_filters(app, ["opportunities"], {"status": "open"}, now, **where)
        plans.request_runs(Plan.objects.filter(**here), now, full=True)
        resource_choices.choose(app, ["orders"], now, enabled=False, **where)
        found = Plan.objects.get(resource="contacts", **here)
        assert (found.every, found.keeps_history, found.fields) == (HOUR, True, {"without": ["phone"]})
        assert signed_tables.misfits() == {"sync.Plan": 1}, "only the one that somebody else changed"
    resource_choices.follow_app(app, names, now, tenant=HERE)
    resource_choices.set_interval(app, names, None, now)
    run_once(Plan.objects.get(resource="contacts", **here), of(3))
    adaptive_intervals.choose(app, ADAPTS, now, actor="ann")
    assert adaptive_intervals.adapt(app.pk) > 0
    assert signed_tables.misfits() == {"sync.Plan": 1}
    adaptive_intervals.choose(app, Bounds(enabled=False, shortest=HOUR, longest=DAY, calls_per_day=9), now, actor="ann")
    assert signed_tables.misfits() == {"sync.Plan": 1}
    assert not Plan.objects.exclude(adapted_every=None).exists()


def test_many_plans_are_written_in_several_statements(app: App, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_macs, "BATCH", 2)
    for number in range(4):
        Plan.objects.create(app=app, location_id=f"l{number}", resource="contacts", created_at=clock.now())
    now = clock.now()
    assert plan_macs.write(Plan.objects.filter(every=None), every=HOUR, due_at=now) == 5
    assert set(Plan.objects.values_list("every", "due_at")) == {(HOUR, now)}
    assert signed_tables.misfits() == {}


def test_plans_of_the_release_before_go_on_and_are_signed_until_the_transition_ends(app: App, plan: Plan) -> None:
    """An old process writes no MAC, and changes rows whose MACs it leaves as they were."""
    vendor = of(205)
    run = start(plan)
    transition(clock.now() + HOUR)
    Plan.objects.update(mac=b"stale", every=HOUR)
    Run.objects.update(mac=None)
    assert to_the_end(run, vendor).status == "complete"
    Plan.objects.update(due_at=clock.now(), due_mac=None)
    assert signed_tables.sign_in_transition()["sync.Plan"] == 1
    transition(clock.now() - timedelta(seconds=1))
    assert work(vendor)[0].error_code == "seal_broken"
    assert signed_tables.vouch(actor="ann", reason="changed by hand")["sync.Plan"] == 1
    assert AuditEntry.objects.filter(action="vault.rows_signed").count() == 2
    assert plans.switch(Plan.objects.all(), clock.now(), enabled=True) == [plan.pk]
    assert work(vendor)[0].status == "complete"
