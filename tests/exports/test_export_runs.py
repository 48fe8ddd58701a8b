"""Runs of exports: complete files, each change in one of them whatever dies in between, and what ends with time."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.models import AuditEntry
from integrations.exports import asking, export_files, queries, reading, runs
from integrations.exports.models import Export, ExportChunk, ExportPart, Run
from integrations.sync.export import file_formats
from integrations.sync.models import FeedPosition, Plan, Record
from integrations.tenants.models import App
from tests.exports.conftest import OTHER, Make, content, merge, work
from tests.support.forging import copied
from tests.sync.conftest import LOCATION
from tests.sync.feed.test_feed import settle


def ids(run: Run, resource: str = "contacts") -> list[str]:
    return [json.loads(line)["id"] for line in content(run, resource).decode().splitlines()]


def test_one_has_all_records_of_all_locations(make: Make) -> None:
    run = work(make(resources=["contacts", "opportunities", "contacts"]))
    assert (run.status, run.rows) == ("complete", 5)
    assert sorted(ids(run)) == ["ann", "bob", "eve"]
    assert ids(run, "opportunities") == ["deal1", "deal2"]
    assert run.export.due_at is None, "it is made once"
    assert AuditEntry.objects.get(action="export.asked").detail["resources"] == ["contacts", "opportunities"]


def test_what_is_written_into_the_database_goes_nowhere_else(make: Make, filled: App, settings: Settings) -> None:
    """A forged export makes a file in the database, of records that are there; encrypted fields stay out of it."""
    settings.SEALED_FIELDS = ["contacts.email"]
    merge(filled, "contacts", "zed", location="their9Location", email="zed@planted.example")
    Plan.objects.create(app=filled, location_id="their9Location", resource="contacts", created_at=clock.now())
    copied("exports_export", make().pk, locations="ARRAY['their9Location']", made_by="'operator eve'")
    forged = Export.objects.latest("pk")
    trail = AuditEntry.objects.count()
    run = work(forged)
    assert (run.status, [json.loads(line)["id"] for line in content(run).splitlines()]) == ("complete", ["zed"])
    assert b"planted.example" not in content(run)
    assert AuditEntry.objects.count() == trail, "nothing is said in the name of an operator"


def test_one_of_a_location_has_its_records_alone_and_no_tombstones(make: Make) -> None:
    Record.objects.filter(record_id="ann").update(deleted_at=clock.now(), deleted_by="event")
    run = work(make(locations=[LOCATION]))
    assert ids(run) == ["bob"]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_many_turns_make_one_file_of_every_row_once(
    make: Make, filled: App, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    merge(filled, "contacts", *(f"more{number:02}" for number in range(23)))
    monkeypatch.setattr(reading, "BATCH", 4)
    monkeypatch.setattr(runs, "LARGEST", 5)
    run = work(make(form=form))
    assert (run.status, run.rows) == ("complete", 26)
    assert ExportPart.objects.filter(run=run).count() == 4
    text = content(run).decode()
    found = list(csv.DictReader(io.StringIO(text))) if form == "csv" else [json.loads(one) for one in text.splitlines()]
    assert len({one["id"] for one in found}) == len(found) == 26


def test_a_schedule_has_all_and_then_each_change_once(make: Make, filled: App) -> None:
    settle(1)
    export = make(repeat="daily", at="06:30")
    first = work(export)
    assert sorted(ids(first)) == ["ann", "bob", "eve"]
    merge(filled, "contacts", "ann", phone="+1")
    merge(filled, "contacts", "new", location=OTHER)
    settle(2)
    second = work(export)
    changes = {one["id"]: one["change"] for one in map(json.loads, content(second).decode().splitlines())}
    assert changes == {"ann": "updated", "new": "added"}
    third = work(export)
    assert (third.rows, content(third)) == (0, b"")
    export.refresh_from_db()
    assert export.due_at is not None
    assert (export.due_at.hour, export.due_at.minute) == (6, 30)
    runs.restart(export)
    assert len(ids(work(export))) == 4


def test_a_schedule_of_one_location_has_its_changes_alone(make: Make, filled: App) -> None:
    settle(1)
    export = make(repeat="weekly", day=6, locations=[LOCATION])
    assert asking.words(export) == "Sundays at 06:00 UTC"
    assert sorted(ids(work(export))) == ["ann", "bob"]
    merge(filled, "contacts", "eve", location=OTHER, phone="+1")
    settle(2)
    assert work(export).rows == 0


def test_a_worker_that_dies_loses_and_repeats_no_change(
    make: Make, filled: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge(filled, "contacts", *(f"more{number:02}" for number in range(10)))
    settle(1)
    monkeypatch.setattr(reading, "BATCH", 4)
    monkeypatch.setattr(runs, "LARGEST", 4)
    export, store, calls = make(repeat="daily"), export_files.store, []

    def dies(*args: Any, **fields: Any) -> ExportPart:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("killed")
        return store(*args, **fields)

    monkeypatch.setattr(export_files, "store", dies)
    broken = work(export)
    assert (broken.status, broken.error_code, broken.rows) == ("failed", "unexpected", 4)
    again = work(export)
    assert again.status == "complete"
    found = ids(broken) + ids(again)
    assert len(found) == len(set(found)) == 13
    export.refresh_from_db()
    assert export.due_at is not None, "a schedule goes on after a failure"


def test_the_columns_are_those_of_the_first_file(make: Make, filled: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BATCH", 1)
    monkeypatch.setattr(runs, "LARGEST", 1)
    export = make(form="csv", locations=[LOCATION])
    runs.start_due(clock.now())
    run = Run.objects.get()
    runs.advance(run.pk)
    merge(filled, "custom_fields", "f1")
    run = work_on(run)
    rows = list(csv.reader(io.StringIO(content(run).decode())))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert "custom: Name of f1" not in rows[0]
    assert export.consumer not in FeedPosition.objects.values_list("consumer", flat=True)


def work_on(run: Run) -> Run:
    for _ in range(5):
        Run.objects.filter(pk=run.pk).update(due_at=clock.now() - timedelta(seconds=1))
        runs.advance(run.pk)
    run.refresh_from_db()
    assert run.status == "complete"
    return run


def test_parquet_files_are_read_one_by_one(make: Make) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    run = work(make(form="parquet"))
    table = parquet.read_table(io.BytesIO(content(run))).to_pylist()
    assert sorted(row["id"] for row in table) == ["ann", "bob", "eve"]


def test_large_files_are_read_in_chunks(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_files, "CHUNK", 100)
    run = work(make())
    chunks = list(export_files.read(export_files.available(run, clock.now())))
    assert len(chunks) == ExportChunk.objects.count() > 2
    assert sorted(ids(run)) == ["ann", "bob", "eve"]


def test_files_expire_and_removal_leaves_nothing(make: Make) -> None:
    settle(1)
    export = make(repeat="daily")
    run = work(export)
    assert export_files.delete_expired(clock.now()) == 0
    ExportPart.objects.update(expires_at=clock.now())
    assert not export_files.available(run, clock.now()).exists()
    assert export_files.delete_expired(clock.now()) == 1
    work(export)
    queries.remove(Export.objects.filter(pk=export.pk))
    left = (Run, ExportPart, ExportChunk, FeedPosition)
    assert [model.objects.exists() for model in left] == [False] * 4  # type: ignore[attr-defined]


def test_progress_is_of_what_the_listings_counted(make: Make) -> None:
    Plan.objects.filter(resource="contacts", location_id=LOCATION).update(listed=40)
    Plan.objects.filter(resource="contacts", location_id=OTHER).update(listed=2)
    assert work(make()).total == 42
    assert work(make(locations=[LOCATION])).total == 40
    assert work(make(resources=["opportunities"])).total is None


def test_a_cancelled_run_keeps_its_files(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BATCH", 1)
    monkeypatch.setattr(runs, "LARGEST", 1)
    export = make()
    runs.start_due(clock.now())
    run = Run.objects.get()
    runs.advance(run.pk)
    assert runs.cancel(Run.objects.all(), clock.now(), reason="by an operator") == [run.pk]
    assert len(ids(run)) == 1
    export.refresh_from_db()
    assert export.due_at is None


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"resources": []}, "choose a resource"),
        ({"resources": ["nothing"]}, "no resource nothing"),
        ({"form": "xlsx"}, "no format"),
        ({"locations": ["nowhere"]}, "not installed on nowhere"),
        ({"repeat": "hourly"}, "once, daily or weekly"),
        ({"repeat": "weekly", "day": 7}, "once, daily or weekly"),
        ({"repeat": "daily", "at": "25:00"}, "is no time"),
        ({"locations": [f"l{number}" for number in range(1_001)]}, "1,000 locations"),
    ],
)
def test_what_cannot_be_exported_is_refused(make: Make, fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadRequest, match=complaint):
        make(**fields)
    assert not Export.objects.exists()


def test_parquet_is_refused_where_it_cannot_be_written(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise BadRequest(file_formats.NEEDS_PYARROW)

    monkeypatch.setattr(file_formats, "_pyarrow", refuse)
    with pytest.raises(BadRequest, match="pip install"):
        make(form="parquet")


def test_a_schedule_s_next_time_is_after_now(make: Make) -> None:
    noon = datetime(2026, 11, 4, 12, 0, tzinfo=UTC)  # a Wednesday
    assert runs.next_time(make(repeat="weekly", day=2, at="11:00"), noon) == datetime(2026, 11, 11, 11, 0, tzinfo=UTC)
    assert runs.next_time(make(repeat="weekly", day=2, at="13:00"), noon) == datetime(2026, 11, 4, 13, 0, tzinfo=UTC)
    assert runs.next_time(make(), noon) is None
