"""A worker killed with SIGKILL while it exports: whole files, and each record and each change once, in two formats."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from integrations.core import clock
from integrations.exports import export_files, reading, runs
from integrations.exports.models import Export, ExportPart, Run
from integrations.tenants.models import App
from tests.exports import worker
from tests.exports.conftest import Make, merge, work
from tests.support.processes import running
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_killed_while_a_file_is_stored(make: Make, filled: App, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(reading, "BATCH", worker.ROWS)
    monkeypatch.setattr(runs, "LARGEST", worker.ROWS)
    merge(filled, "contacts", *(f"more{number:02}" for number in range(10)))
    in_the_feed()
    export = make(form=form, repeat="daily")
    run = killed_at_the_second_file(export)
    assert [part.rows for part in ExportPart.objects.all()] == [4], "the second file is not there, nor a part of it"
    taken_over(run)
    assert (run.status, run.rows) == ("complete", 13)
    first = [row["id"] for row in rows(run)]
    assert len(first) == len(set(first)) == 13

    merge(filled, "contacts", "ann", *(f"more{number:02}" for number in range(8)), phone="+1")
    in_the_feed()
    run = killed_at_the_second_file(export)
    taken_over(run)
    changed = [row["id"] for row in rows(run)]
    assert sorted(changed) == sorted(["ann", *(f"more{number:02}" for number in range(8))])
    assert work(export).rows == 0


def in_the_feed() -> None:
    """Wait until the feed shows all changes: transactions of other tests hold it back."""

    def is_shown() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT max(changed_in) < pg_snapshot_xmin(pg_current_snapshot())::text::bigint FROM sync_record"
            )
            return bool(cursor.fetchone()[0])

    wait_until(is_shown)


def killed_at_the_second_file(export: Export) -> Run:
    """A run whose worker died with its second file written and not stored."""
    Export.objects.filter(pk=export.pk).update(due_at=clock.now())
    runs.start_due(clock.now())
    run = Run.objects.filter(export=export).latest("pk")
    with running("-m", "tests.exports.worker", str(run.pk)) as process:
        process.hear("file 1")
        process.go_on()
        process.hear("file 2")
        process.die()
    run.refresh_from_db()
    assert (run.status, run.rows) == ("running", worker.ROWS)
    return run


def taken_over(run: Run) -> None:
    """The run to its end, by another worker, once the lease of the dead one has run out."""
    Run.objects.filter(pk=run.pk).update(lease_until=clock.now() - timedelta(seconds=1))
    wait_until(lambda: runs.take_due(100, clock.now()) == [run.pk])
    while run.status == Run.Status.RUNNING:
        Run.objects.filter(pk=run.pk).update(due_at=clock.now() - timedelta(seconds=1))
        runs.advance(run.pk)
        run.refresh_from_db()


def rows(run: Run) -> Iterator[dict[str, Any]]:
    """All rows of the run's files, each of which is read by itself."""
    for part in export_files.available(run, clock.now()):
        data = b"".join(export_files.read(ExportPart.objects.filter(pk=part.pk)))
        if run.export.form == "parquet":
            yield from pytest.importorskip("pyarrow.parquet").read_table(io.BytesIO(data)).to_pylist()
        else:
            yield from map(json.loads, data.decode().splitlines())
