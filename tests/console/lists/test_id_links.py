"""Ids on the operators' pages are links to their timelines; files keep the columns themselves."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from integrations.sync.models import Run
from integrations.tenants.installation_change import InstallationChange
from integrations.upserts.models import UpsertRow
from tests.operators.conftest import people as people

TIMELINE = 'href="/admin/problems/problem/timeline/?id='


@pytest.fixture
def traced(people: dict[str, Any]) -> dict[str, Any]:
    Run.objects.update(trace_id="t-1")
    UpsertRow.objects.update(trace_id="t-2", record_id="c9")
    InstallationChange.objects.update(event_id="w/3")
    return people


def shown(client: Client, path: str) -> str:
    page = client.get(path)
    assert page.status_code == 200
    return page.content.decode()


@pytest.mark.slow
def test_ids_lead_to_their_timelines(operator_client: Client, traced: dict[str, Any]) -> None:
    for path, ids in {
        f"/admin/sync/run/{traced['sync.Run'].pk}/change/": ["t-1"],
        "/admin/upserts/upsertrow/": ["t-2", "c9"],
        f"/admin/upserts/upsertrow/{traced['upserts.UpsertRow'].pk}/change/": ["t-2", "c9"],
        "/admin/tenants/installationchange/": ["w%2F3"],
        "/admin/jobs/trigger/": [traced["webhooks.Event"].webhook_id],
        f"/admin/webhooks/event/{traced['webhooks.Event'].pk}/change/": [traced["webhooks.Event"].webhook_id],
        "/admin/": ["t-1"],
    }.items():
        text = shown(operator_client, path)
        assert [one for one in ids if f'{TIMELINE}{one}"' not in text] == [], path


def test_the_column_that_leads_to_the_row_and_an_empty_one_are_no_such_links(
    operator_client: Client, traced: dict[str, Any]
) -> None:
    assert TIMELINE not in shown(operator_client, "/admin/sync/record/")
    Run.objects.update(trace_id="")
    assert f'{TIMELINE}"' not in shown(operator_client, f"/admin/sync/run/{traced['sync.Run'].pk}/change/")


def test_files_have_the_columns_as_before(operator_client: Client, traced: dict[str, Any]) -> None:
    answer = operator_client.post("/admin/upserts/upsertrow/export/", {"do": "download", "form": "csv"})
    head, row = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert {"trace_id", "record_id"} <= set(head.split(","))
    assert {"t-2", "c9"} <= set(row.split(","))
