"""`status` on one screen, and as JSON."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from integrations.core.errors import StoreUnavailable
from integrations.sync.models import Plan
from integrations.tenants.models import Installation
from integrations.tokens.models import Credential
from tests.console.conftest import CANARY, LOCATION, begin_run


def status(*arguments: str) -> str:
    out = StringIO()
    call_command("status", *arguments, stdout=out)
    return out.getvalue()


def test_json_has_every_subject(agency: Installation) -> None:
    Credential.objects.filter(resource_id=LOCATION).update(
        state="suspended", reason="Location is not active", last_trace_id="t-1"
    )
    begin_run(Plan.objects.get(location_id=LOCATION))
    found = json.loads(status("--json"))
    assert found["apps"][0]["locations"] == 2
    assert (found["credentials"][0]["active"], found["credentials"][0]["suspended"]) == (1, 1)
    assert found["in_need"] == [
        {"of": "Location loc1", "state": "suspended", "reason": "Location is not active", "trace_id": "t-1"}
    ]
    assert found["sync"][0]["records"] == 6
    assert found["sync"][0]["running"] == 1
    assert {entry["of"] for entry in found["quota"]} == {"Location loc1", "Location loc2", "Company cmp1"}
    assert found["inbox"]["pending"] == 0


def test_the_screen_shows_the_same(agency: Installation) -> None:
    shown = status()
    for words in ("Northwind Sync", "Location loc1", "contacts", "Inbox"):
        assert words in shown
    assert CANARY not in shown


def test_words_of_the_vendor_are_not_read_as_markup(agency: Installation) -> None:
    Credential.objects.filter(resource_id=LOCATION).update(state="suspended", reason="[/bold] [red]not[/red]")
    assert "[red]not[/red]" in status()


@pytest.mark.django_db
def test_an_empty_system_has_a_status_too() -> None:
    assert "Inbox" in status()
    assert json.loads(status("--json"))["apps"] == []


def test_it_comes_without_the_quota_store_too(agency: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> Any:
        raise StoreUnavailable("away")

    monkeypatch.setattr("integrations.quota.permits.queries.snapshot", away)
    assert json.loads(status("--json"))["quota"] is None
    assert "quota store does not answer" in status()
