"""Who sees personal data only masked does not get it in another way: by filters, through other rows, in messages."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.core import clock
from integrations.jobs.models import Run as JobRun
from integrations.outbox.models import Run as OutboxRun
from tests.operators.conftest import EMAIL, PERSONAL, PROSE, SignIn

FILTERS = [
    "sync/record/?payload__email__startswith=j",
    "outbox/entry/?body__email__startswith=j",
    "outbox/entry/?entity__startswith=j",
    "webhooks/event/?payload__email__startswith=j",
    "jobs/write/?request__body__email__startswith=j",
    "jobs/run/?page__items__0__email__startswith=j",
    "core/bulkaction/?query__contains=j",
]


@pytest.mark.slow
def test_it_is_no_filter(people: dict[str, Any], sign_in: SignIn) -> None:
    support, operator = sign_in("support"), sign_in("operator")
    for address in FILTERS:
        assert support.get(f"/admin/{address}").status_code == 400, address
        assert operator.get(f"/admin/{address}").status_code == 200, address
    assert support.get("/admin/outbox/entry/?state__exact=rejected").status_code == 200


@pytest.mark.parametrize(("role", "sees"), [("support", False), ("operator", True)])
def test_what_a_run_or_an_outbox_stopped_over_is_masked(
    people: dict[str, Any], sign_in: SignIn, role: str, sees: bool
) -> None:
    run, box = people["jobs.Run"], people["outbox.TenantOutbox"]
    JobRun.objects.filter(pk=run.pk).update(status="unknown", finished_at=clock.now())
    now = clock.now()
    OutboxRun.objects.create(outbox=box, status="failed", error=PROSE, due_at=now, started_at=now, finished_at=now)
    client = sign_in(role)
    for address in (
        f"jobs/run/{run.pk}/change/",
        f"outbox/tenantoutbox/{box.pk}/change/",
        "outbox/tenantoutbox/",
    ):
        text = client.get(f"/admin/{address}").content.decode()
        assert any(one in text for one in PERSONAL) is sees, address


def test_nor_is_it_in_the_message_about_a_decision(people: dict[str, Any], sign_in: SignIn) -> None:
    client, write = sign_in("support"), people["jobs.Write"]
    post = {"action": "it_happened", "_selected_action": [write.pk]}
    text = client.post("/admin/jobs/write/", post, follow=True).content.decode()
    assert f"write {write.pk}: the answer may still come" in text
    assert EMAIL not in text
