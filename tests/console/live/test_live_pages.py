"""Pages that stay up to date: what an update of an open page gets, and the way to rows after the ten thousandth."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from integrations.core import clock
from integrations.core.admin import FirstTenThousand
from integrations.sync.models import Plan, Run
from integrations.tenants.models import Installation
from integrations.webhooks.models import Event, Mailbox
from tests.console.conftest import COMPANY, LOCATION, begin_run

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at:UserWarning")]
LIVE = {
    "": "Syncs under way",
    f"tenants/location/{LOCATION}/change/": "Credentials",
    f"tenants/company/{COMPANY}/change/": "Locations",
    "sync/run/": "result_list",
    "quota/usage/": "Resources",
    "core/workerprocess/": "Work that is due",
    "core/workerprocess/alerts/": "What lasts now",
}


@pytest.mark.slow
@pytest.mark.parametrize("page", LIVE)
def test_an_update_is_the_content_without_the_frame(operator_client: Client, agency: Installation, page: str) -> None:
    begin_run(Plan.objects.get(location_id=LOCATION))
    whole = operator_client.get(f"/admin/{page}").content.decode()
    update = operator_client.get(f"/admin/{page}", headers={"X-Live": "1"}).content.decode()
    assert "data-live" in whole
    assert "<html" in whole
    assert LIVE[page] in update
    assert "<html" not in update
    assert len(update) < len(whole) - 20_000, "neither sidebar nor head"


def test_an_update_takes_no_message_of_an_action(operator_client: Client, agency: Installation) -> None:
    plan = Plan.objects.get(location_id=LOCATION)
    operator_client.post("/admin/sync/plan/", {"action": "run_now", "_selected_action": [plan.pk]})
    operator_client.get("/admin/sync/run/", headers={"X-Live": "1"})
    shown = operator_client.get("/admin/sync/plan/")
    assert "1 plans are due now." in shown.content.decode()


def test_an_update_after_the_sign_out_leads_to_the_sign_in(agency: Installation) -> None:
    answer = Client().get("/admin/sync/run/", headers={"X-Live": "1"})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/login/?next=/admin/sync/run/")


def test_a_long_list_goes_on_after_its_last_page(
    operator_client: Client, agency: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FirstTenThousand, "MOST", 50)
    plan = Plan.objects.get(location_id=LOCATION)
    for _ in range(60):
        begin_run(plan, status="complete", finished_at=clock.now())
    first = operator_client.get("/admin/sync/run/")
    assert "50 or more runs" in first.content.decode()
    assert first.context["cl"].paginator.later_rows == ""
    last = operator_client.get("/admin/sync/run/?p=2&status__exact=complete")
    (oldest,) = Run.objects.order_by("-pk")[49:50]
    assert last.context["cl"].paginator.later_rows == f"?id__lt={oldest.pk}&status__exact=complete"
    later = operator_client.get(f"/admin/sync/run/{last.context['cl'].paginator.later_rows}").context["cl"]
    assert [run.pk for run in later.result_list] == list(
        Run.objects.filter(pk__lt=oldest.pk).order_by("-pk").values_list("pk", flat=True)
    )
    assert later.paginator.later_rows == "", "it ends there"


def test_events_go_on_by_the_moment_of_their_receipt(
    operator_client: Client, agency: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FirstTenThousand, "MOST", 25)
    now = clock.now()
    box = Mailbox.objects.create(app=agency.app, tenant=f"location:{LOCATION}")
    for number in range(30):
        at = now - timedelta(seconds=number // 2)
        moments = {"occurred_at": at, "received_at": at, "due_at": at}
        Event.objects.create(app=agency.app, mailbox=box, webhook_id=f"e{number}", type="A", payload={}, **moments)
    last = operator_client.get("/admin/webhooks/event/").context["cl"]
    seen = [event.webhook_id for event in last.result_list]
    later = operator_client.get(f"/admin/webhooks/event/{last.paginator.later_rows}").context["cl"]
    assert {*seen, *(event.webhook_id for event in later.result_list)} == {f"e{number}" for number in range(30)}
