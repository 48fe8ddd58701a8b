"""Bulk upserts from the rows to the results: prepared, priced, sent once each, cancelled and resumed."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.models import AuditEntry
from integrations.core.runs import current_run
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Schedule
from integrations.tenants.models import Installation
from integrations.upserts import bulk_upsert, runs
from integrations.upserts.models import Upsert, UpsertRow
from integrations.upserts.result_file import RowResult
from tests.upserts.conftest import PATH, Loader, people, states

pytestmark = pytest.mark.django_db


def of_row(upsert: int, number: int) -> RowResult:
    return next(one for one in bulk_upsert.results(upsert) if one.row == number)


def test_one_that_a_job_prepares_names_the_run(loader: Loader) -> None:
    now = clock.now()
    schedule = Schedule.objects.create(
        app=loader.app, job="a.job", level="Location", tenant_id=loader.location, created_at=now
    )
    run = JobRun.objects.create(schedule=schedule, due_at=now, started_at=now)
    with current_run.working_on(run):
        prepared = loader.prepare(people("ann"))
    assert Upsert.objects.get(pk=prepared).made_in == f"jobs:{run.pk}"
    assert Upsert.objects.get(pk=loader.prepare(people("ann"))).made_in == "", "a page or a command"


def test_a_file_is_priced_then_sent_and_has_a_result_for_each_row(loader: Loader, tmp_path: Path) -> None:
    known, changed, *_ = loader.sync()
    file = tmp_path / "people.csv"
    lines = [
        ("E-mail", "First", "Tags", "Unused"),
        (known["email"].upper(), known["firstName"], "", "x"),  # as the copy has it
        (changed["email"], "Renamed", "", ""),
        ("new@bulk.example", "New", "vip; Gold", ""),
        ("", "Nobody", "", ""),
        ("new@bulk.example", "Again", "", ""),
    ]
    with file.open("w", newline="") as out:
        csv.writer(out).writerows(lines)
    columns = {"email": "E-mail", "firstName": "First", "tags": "Tags"}
    upsert = loader.prepare(file, columns=columns)
    price = bulk_upsert.price(upsert)
    assert (price.rows, price.calls, price.unchanged, price.invalid) == (5, 2, 1, 2)
    assert (price.share, price.compared_with) == (2 / 200_000, "contacts")
    assert price.copy_read_at
    assert {(reason.words, reason.rows, reason.first) for reason in price.reasons} == {
        ("it has neither an e-mail address nor a telephone number to find the contact by", 1, 4),
        ("it is the same record as an earlier row", 1, 5),
    }
    assert loader.sent() == 0, "a price costs no write"
    bulk_upsert.start(upsert, by="operator ann")
    run = loader.finish(upsert)
    assert (run.status, run.done) == ("complete", 3)
    assert states(upsert) == ["unchanged", "done", "done", "invalid", "invalid"]
    assert loader.sent() == 2
    made = loader.contact("new@bulk.example")
    assert made is not None
    assert (made["firstName"], sorted(made["tags"])) == ("New", ["gold", "vip"])
    results = list(bulk_upsert.results(upsert))
    assert [(one.row, one.outcome) for one in results] == [
        (1, "unchanged"),
        (2, "updated"),
        (3, "created"),
        (4, "invalid"),
        (5, "invalid"),
    ]
    assert (results[0].id, results[2].id) == (known["id"], made["id"])
    assert results[2].trace_id
    formulas = ["=1", " =1", "＝1", "\n=1"]
    for number, text in enumerate(formulas, start=1):
        UpsertRow.objects.filter(upsert=upsert, number=number).update(vendor_message=text)
    table = list(csv.DictReader(io.StringIO("".join(bulk_upsert.result_csv(upsert)), newline="")))
    assert [row["outcome"] for row in table] == [one.outcome for one in results]
    assert [row["vendor_said"] for row in table[:4]] == [f"'{text}" for text in formulas]
    progress = bulk_upsert.progress(upsert)
    assert (progress.status, progress.rows, progress.done, progress.settled) == ("complete", 5, 2, 5)
    assert not UpsertRow.objects.exclude(body="").exists(), "what is settled is not kept"
    actions = set(AuditEntry.objects.filter(action__startswith="upsert.").values_list("action", "actor"))
    assert actions == {("upsert.prepared", "an app"), ("upsert.started", "operator ann")}


def test_json_lines_and_objects_and_an_update_by_id(loader: Loader, tmp_path: Path) -> None:
    one, two, *_ = loader.sync()
    file = tmp_path / "rows.jsonl"
    file.write_text(
        f'{{"contactId": "{one["id"]}", "firstName": "{one["firstName"]}", "dnd": false}}\n\nno json\n[1]\n'
        f'{{"contactId": "{two["id"]}", "companyName": "Acme"}}\n{{"contactId": "gone", "companyName": "Acme"}}\n'
    )
    upsert = loader.start(file, "contacts.update-contact")
    assert loader.finish(upsert).status == "complete"
    assert states(upsert) == ["unchanged", "invalid", "invalid", "done", "refused"]
    refused = of_row(upsert, 5)
    assert (refused.outcome, refused.status) == ("refused", 400)
    assert refused.vendor_said
    assert refused.trace_id
    given = [{"email": "map@bulk.example", "custom": {"since": 2}}, "no object"]
    from_objects = loader.start(given, columns={"email": "email"})
    loader.finish(from_objects)
    assert states(from_objects) == ["done", "invalid"]


def test_what_the_files_have_against_rows_is_a_remark_and_stops_none(loader: Loader, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("name,pipelineId,isRemoveAllFollowers,followers\nDeal,p1,maybe,[x\nDeal,,yes,u1\n")
    upsert = loader.prepare(file, "opportunities.Upsert-opportunity", fixed={"status": "lukewarm"})
    price = bulk_upsert.price(upsert)
    assert (price.invalid, price.calls) == (0, 2)
    assert "1 from row 2: the body needs pipelineId" in price.remarks
    assert "2 from row 1: documented as one of abandoned, all, lost, open, won in the body: status" in price.remarks
    assert "1 from row 1: documented as boolean in the body: isRemoveAllFollowers" in price.remarks
    assert "1 from row 1: documented as array in the body: followers" in price.remarks
    assert states(upsert) == ["waiting", "waiting"]


def test_a_row_that_is_nested_deeply_is_a_row_that_cannot_be_sent(loader: Loader, tmp_path: Path) -> None:
    lines = tmp_path / "rows.jsonl"
    depths = (300, 600, 900, 100_000)
    deep = [f'{{"email": "d{depth}@bulk.example", "custom": {"[" * depth}{"]" * depth}}}' for depth in depths]
    lines.write_text("\n".join([*deep, '{"email": "flat@bulk.example"}']))
    assert states(loader.prepare(lines))[-2:] == ["invalid", "waiting"]
    table = tmp_path / "rows.csv"
    table.write_text(f"email,{'a.' * 5_000}b\nd@bulk.example,1\nflat@bulk.example,\n")
    assert states(loader.prepare(table)) == ["invalid", "waiting"]
    nested: list[Any] = []
    for _ in range(5_000):
        nested = [nested]
    assert states(loader.prepare([{"email": "o@bulk.example", "custom": nested}])) == ["invalid"]


def test_a_refusal_is_a_result_and_stops_no_other_row(loader: Loader) -> None:
    upsert = loader.start([*people("a", "b"), {"email": "no address"}])
    assert loader.finish(upsert).status == "complete"
    assert states(upsert) == ["done", "done", "refused"]
    assert "email must be an email" in of_row(upsert, 3).vendor_said


def test_a_refusal_that_every_row_would_meet_stops_the_run(loader: Loader) -> None:
    upsert = loader.start(people("a", "b", "c"))
    loader.vendor.fault(PATH, "status", times=1, status=403)
    assert loader.finish(upsert).status == "failed"
    assert states(upsert) == ["waiting"] * 3
    assert bulk_upsert.progress(upsert).status == "failed"
    bulk_upsert.resume(upsert)
    assert (loader.finish(upsert).status, states(upsert)) == ("complete", ["done"] * 3)


def test_a_cancelled_one_goes_on_where_it_was(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    upsert = loader.start(people("a", "b", "c"))
    monkeypatch.setattr(runs, "TURN", 0.0)
    with monkeypatch.context() as patched:
        patched.setattr(runs.UpsertTurn, "_is_over", lambda turn, until: "done" in states(upsert))
        assert loader.turn(upsert).status == "running"
    assert states(upsert) == ["done", "waiting", "waiting"]
    bulk_upsert.cancel(upsert, by="operator ann")
    progress = bulk_upsert.progress(upsert)
    assert (progress.status, progress.error, progress.waiting) == ("stopped", "cancelled by operator ann", 2)
    assert runs.start_due(clock.now()) == []
    monkeypatch.undo()
    bulk_upsert.resume(upsert, by="operator ann")
    assert (loader.finish(upsert).status, states(upsert), loader.sent()) == ("complete", ["done"] * 3, 3)


def test_it_starts_only_with_a_price(loader: Loader) -> None:
    upsert = loader.prepare(people("a"))
    with pytest.raises(BadRequest, match="price it before it starts"):
        bulk_upsert.start(upsert)
    bulk_upsert.price(upsert)
    bulk_upsert.start(upsert)
    with pytest.raises(BadRequest, match="is started"):
        bulk_upsert.start(upsert)
    with pytest.raises(BadRequest, match="was started"):
        bulk_upsert.price(upsert)
    with pytest.raises(BadRequest, match="there is no upsert 0"):
        bulk_upsert.progress(0)


def test_an_uninstall_stops_it_and_a_missing_permit_parks_it(loader: Loader) -> None:
    upsert = loader.start(people("a"))
    loader.vendor.fault(PATH, "quota", times=1)
    run = loader.turn(upsert)
    assert (run.status, run.error, states(upsert)) == ("running", "", ["waiting"])
    Installation.objects.update(status="uninstalled")
    assert loader.turn(upsert).status == "cancelled"
    assert bulk_upsert.progress(upsert).error == "the app was uninstalled"


@pytest.mark.parametrize(
    ("operation", "how", "words"),
    [
        ("contacts.get-contact", {}, "does not write one record"),
        ("contacts.delete-contact", {}, "does not write one record"),
        ("contacts.upsert", {}, "contacts.upsert-contact"),
        ("contacts.upsert-contact", {"columns": {"email": "E-Mail"}}, "no row has the column E-Mail"),
        ("contacts.upsert-contact", {"columns": {"": "email"}}, "1 to 200 characters"),
        ("contacts.upsert-contact", {"location": "elsewhere"}, "is not installed on Location elsewhere"),
        ("contacts.upsert-contact", {"rows": []}, "there are no rows"),
        ("contacts.upsert-contact", {"rows": Path("people.xlsx")}, "ends in .csv"),
        ("contacts.upsert-contact", {"rows": Path("nowhere.csv")}, "cannot be read"),
    ],
)
def test_what_cannot_be_prepared_is_refused(loader: Loader, operation: str, how: dict[str, Any], words: str) -> None:
    given = {"rows": people("a"), "operation": operation} | how
    with pytest.raises(BadRequest, match=words):
        loader.prepare(**given)
    assert not Upsert.objects.exists()
