"""The inventory names every table and every column, and a new one that it lacks is a warning of `manage.py check`."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks

from integrations.privacy import inventory
from integrations.privacy.holding import Holding
from integrations.sync.models import Record
from integrations.webhooks.models import Mailbox


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, Holding]:
    found = dict(inventory._holdings)
    monkeypatch.setattr(inventory, "_holdings", found)
    return found


def warned() -> dict[str, str]:
    return {found.msg.partition(":")[0]: found.msg for found in run_checks() if found.id == "privacy.W001"}


def test_every_model_and_every_column_is_declared() -> None:
    assert inventory.problems() == {}
    assert warned() == {}


def test_what_is_not_declared_is_named(known: dict[str, Holding]) -> None:
    record = known["sync.Record"]
    parts: dict[str, Any] = {"model": "sync.Record", "title": record.title, "rows": record.rows}
    del known["webhooks.Mailbox"]
    known["sync.Record"] = Holding(**parts, tenant=("location_id",), personal=("record_id", "nothing"))
    known["sync.Plan"] = Holding(model="sync.Plan", title="plans", other=("location_id", "resource"))
    said = warned()
    assert said.keys() == {"sync.Record", "webhooks.Mailbox", "sync.Plan"}
    for word in ("payload is not declared", "resource is not declared", "no text column nothing"):
        assert word in said["sync.Record"]
    assert "no rows are declared" in said["sync.Plan"]


def test_an_app_of_ones_own_declares_its_tables_which_go_first(known: dict[str, Holding]) -> None:
    mine = Holding(model="sync.Record", title="mine", rows=lambda scope: Record.objects.none())
    inventory.declare(mine)
    assert inventory.holdings()[0] is mine
    assert [one.model for one in inventory.holdings()].count("sync.Record") == 1
    found = inventory.of_table(Mailbox._meta.db_table)
    assert found is not None
    assert found.model == "webhooks.Mailbox"
    assert inventory.of_table("no_such_table") is None
