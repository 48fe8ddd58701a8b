"""The operator's pages: they open, they show how far runs are, and their actions act."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from integrations.core.models import AuditEntry
from integrations.sync import deletions
from integrations.sync.models import Plan, Record, Run
from tests.sync.conftest import LOCATION, alive, run_once, start
from tests.sync.listing import of

# The tests collect no static files, which whitenoise remarks on.
pytestmark = pytest.mark.filterwarnings("ignore:No directory at:UserWarning")


@pytest.fixture
def operator(db: None) -> Client:
    client = Client(HTTP_HOST="app.example.com")
    client.force_login(User.objects.create_superuser("operator", password="a long enough password"))
    return client


def page(name: str, *args: object) -> str:
    return reverse(f"admin:sync_{name}", args=args)


def act(client: Client, model: str, action: str, row: Plan | Run) -> None:
    data = {"action": action, "_selected_action": [row.pk], "confirmed": "yes"}
    assert client.post(page(f"{model}_changelist"), data, secure=True).status_code == 302


@pytest.mark.parametrize("model", ["plan", "run", "record"])
def test_lists_open(operator: Client, plan: Plan, model: str) -> None:
    run_once(plan, of(3))
    answer = operator.get(page(f"{model}_changelist"), secure=True)
    assert answer.status_code == 200


def test_a_run_shows_how_far_it_is(operator: Client, plan: Plan) -> None:
    Run.objects.filter(pk=start(plan).pk).update(seen=30, total=120)
    content = operator.get(page("run_changelist"), secure=True).content
    assert b'<progress max="100" value="25">25 %</progress>' in content


def test_a_record_is_shown_and_cannot_be_changed(operator: Client, plan: Plan) -> None:
    listing = of(1)
    listing.rows["c00000"]["firstName"] = "<script>"
    run_once(plan, listing)
    url = page("record_change", Record.objects.get().pk)
    content = operator.get(url, secure=True).content.decode()
    assert "&lt;script&gt;" in content
    assert operator.post(url, {"record_id": "x"}, secure=True).status_code == 403


def test_a_record_is_found_by_its_id(operator: Client, plan: Plan) -> None:
    run_once(plan, of(3))
    content = operator.get(page("record_changelist"), {"q": "c00001"}, secure=True).content.decode()
    assert "c00001" in content
    assert "c00002" not in content


@pytest.mark.parametrize(("whole_id", "number"), [("c00001", 1), (LOCATION, 3), ("c0000", 0)])
def test_records_are_looked_for_by_their_index(operator: Client, plan: Plan, whole_id: str, number: int) -> None:
    run_once(plan, of(3))
    listed = operator.get(page("record_changelist"), {"q": whole_id}, secure=True).context["cl"].queryset
    assert listed.count() == number
    asked = str(listed.query)
    assert "UPPER(" not in asked, "no index holds it"
    assert 'FROM "sync_plan"' in asked, "the index begins with three columns of a plan"


@pytest.mark.parametrize("model", ["run", "record"])
def test_no_filter_reads_the_whole_table(operator: Client, plan: Plan, model: str) -> None:
    run_once(plan, of(3))
    with CaptureQueriesContext(connection) as asked:
        operator.get(page(f"{model}_changelist"), secure=True)
    of_model = [query["sql"] for query in asked if f'FROM "sync_{model}"' in query["sql"]]
    assert of_model
    assert not [sql for sql in of_model if "DISTINCT" in sql or ("COUNT(" in sql and "LIMIT 10000" not in sql)]


def test_records_are_filtered_by_resource(operator: Client, plan: Plan) -> None:
    run_once(plan, of(3))
    for resource, number in (("contacts", 3), ("users", 0)):
        answer = operator.get(page("record_changelist"), {"resource": resource}, secure=True)
        assert answer.context["cl"].result_count == number


def test_run_now_and_in_full(operator: Client, plan: Plan) -> None:
    run_once(plan, of(3))
    act(operator, "plan", "run_now", plan)
    assert Run.objects.latest("pk").kind == "incremental"
    act(operator, "run", "cancel", Run.objects.latest("pk"))
    assert Run.objects.latest("pk").status == Run.Status.CANCELLED
    act(operator, "plan", "run_in_full", plan)
    assert Run.objects.latest("pk").kind == "full"
    act(operator, "run", "cancel", Run.objects.latest("pk"))
    act(operator, "plan", "repair", plan)
    assert Run.objects.latest("pk").kind == "repair"
    recorded = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"sync.asked", "sync.cancelled"} <= recorded


@pytest.mark.slow
def test_what_the_brake_held_back_can_be_let_go(operator: Client, plan: Plan) -> None:
    whole = run_once(plan, of(100))
    run = run_once(plan, of(20), full_due_at=None)
    assert run.error_code == deletions.BRAKE
    offers = [
        b"Apply the deletions" in operator.get(f"/admin/sync/run/{pk}/change/").content for pk in (whole.pk, run.pk)
    ]
    assert offers == [False, True], "only the run that the brake stopped has them"
    act(operator, "run", "delete_held_back", run)
    assert len(alive()) == 20
    act(operator, "run", "delete_held_back", run)
    assert AuditEntry.objects.filter(action="sync.released").count() == 1
