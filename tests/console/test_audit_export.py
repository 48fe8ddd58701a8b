"""Heads of the audit trail leave the database every minute, for the log, a file and an address."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from pytest_httpserver import HTTPServer

from integrations.console import audit_export, tasks
from integrations.core import audit, clock
from integrations.core.audit import exported_heads, maintenance, verification
from integrations.core.models import AuditHeadExport
from tests.core import attacker

pytestmark = pytest.mark.django_db


def test_a_head_goes_to_every_place_once(
    settings: Any, tmp_path: Path, httpserver: HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    token = "hd-8Kq2vXw9Zt4Lm7Rb"
    settings.AUDIT_HEAD_FILE = str(tmp_path / "heads")
    settings.AUDIT_HEAD_URL = httpserver.url_for("/heads/{number}.json")
    settings.AUDIT_HEAD_TOKEN = token
    assert audit_export.export(clock.now()) is None, "the trail has not begun"
    entry = audit.record("x", actor="a", subject="b")
    bearer = {"Authorization": f"Bearer {token}"}
    httpserver.expect_request("/heads/000000000001.json", method="PUT", headers=bearer).respond_with_data("", 201)
    tasks.export_audit_head()
    tasks.export_audit_head()
    [row] = AuditHeadExport.objects.all()
    assert (row.number, row.places, row.trouble) == (1, ["log", "file", "address"], "")
    written = (tmp_path / "heads").read_text().splitlines()
    [(request, _)] = httpserver.log
    assert [json.loads(line) for line in written] == [json.loads(request.get_data())] == [row.head]
    assert row.head["value"] == bytes(entry.hash).hex()
    events: list[Any] = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    assert [{**row.head, "event": "audit.head"}.items() <= event.items() for event in events] == [True]
    assert token not in caplog.text
    found = verification.examine(exported_heads.in_file(tmp_path / "heads"))
    assert (found.failures, found.compared) == ([], 2)


def test_a_place_that_takes_nothing_is_told_and_tried_again(
    settings: Any, tmp_path: Path, httpserver: HTTPServer
) -> None:
    audit.record("x", actor="a", subject="b")
    settings.AUDIT_HEAD_FILE = str(tmp_path)  # a directory
    settings.AUDIT_HEAD_URL = httpserver.url_for("/heads")
    httpserver.expect_oneshot_request("/heads").respond_with_data("", 500)
    first = audit_export.export(clock.now())
    assert first is not None
    assert (first.places, first.trouble.split("; ")[0]) == (["log"], "file: Is a directory")
    assert "answered 500" in first.trouble
    settings.AUDIT_HEAD_FILE = ""
    httpserver.expect_oneshot_request("/heads").respond_with_data("", 200)
    second = audit_export.export(clock.now())
    assert second is not None
    assert (second.places, second.trouble) == (["log", "address"], "")


def test_a_forged_head_is_not_exported(caplog: pytest.LogCaptureFixture) -> None:
    audit.record("x", actor="a", subject="b")
    audit.record("y", actor="a", subject="b")
    with attacker.superuser():
        attacker.cut_and_move_head(2)
    assert audit_export.export(clock.now()) is None
    assert "audit.head_not_proven" in caplog.text


def test_of_old_exports_one_a_day_is_kept() -> None:
    now = clock.now().replace(hour=12)
    for days, hours in ((40, 0), (40, 1), (39, 0), (1, 0), (1, 1)):
        at = now - timedelta(days=days, hours=-hours)
        audit.record("x", actor="a", subject="b")
        audit_export.export(at)
    left = [(now - row.exported_at) // timedelta(hours=1) for row in AuditHeadExport.objects.order_by("id")]
    assert left == [40 * 24 - 1, 39 * 24, 24, 23]
    maintenance.thin_exports(now - audit_export.KEPT)
    assert AuditHeadExport.objects.count() == 4
    assert verification.examine().failures == []


def test_the_settings_of_exports_are_empty_unless_set() -> None:
    assert (configured.AUDIT_HEAD_FILE, configured.AUDIT_HEAD_URL, configured.AUDIT_HEAD_TOKEN) == ("", "", "")
