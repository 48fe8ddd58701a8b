"""Reads on upserts for apps, pages and commands, and the deletion of old ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, QuerySet

from integrations.core.errors import BadRequest, SealBroken
from integrations.core.runs import run_progress
from integrations.gateway.support.refused_call import RefusedCall, of_row
from integrations.upserts import upsert_key
from integrations.upserts.models import Run, Upsert, UpsertRow
from integrations.upserts.upsert_key import RowCipher

_State = UpsertRow.State
SETTLED = (_State.DONE, _State.UNCHANGED, _State.INVALID, _State.REFUSED)
_BATCH = 20


@dataclass(frozen=True, slots=True)
class UpsertProgress:
    """How far an upsert is. `status` is draft, running, waiting (for its next try), failed, stopped or complete.

    The numbers are rows by what became of them; `waiting` includes the one that is sent just now. `error` is why the
    latest run ended or tries again. Times are ISO 8601, empty while there is none.
    """

    id: int
    operation: str
    tenant: str
    status: str
    rows: int
    done: int
    unchanged: int
    invalid: int
    refused: int
    unknown: int
    waiting: int
    error: str = ""
    trace_id: str = ""
    started_at: str = ""
    due_at: str = ""

    @property
    def settled(self) -> int:
        """Rows about which nothing is left to do."""
        return self.done + self.unchanged + self.invalid + self.refused

    @property
    def percent(self) -> int:
        """Settled rows of all."""
        return 100 * self.settled // self.rows if self.rows else 100

    def as_json(self) -> dict[str, Any]:
        """The progress as JSON."""
        return asdict(self)


def find(upsert_id: int) -> Upsert:
    """The upsert with its app. Raises BadRequest when there is none."""
    found = Upsert.objects.select_related("app").filter(pk=upsert_id).first()
    if found is None:
        raise BadRequest(f"there is no upsert {upsert_id}: manage.py upsert list")
    return found


def progress(upsert: Upsert) -> UpsertProgress:
    """How far it is."""
    return progress_of([upsert])[0]


def progress_of(upserts: Iterable[Upsert]) -> list[UpsertProgress]:
    """How far each is; two queries and one look for each, whatever the number of rows."""
    listed = list(upserts)
    counts: dict[int, dict[str, int]] = {}
    rows = UpsertRow.objects.filter(upsert__in=listed).values_list("upsert", "state").annotate(Count("pk")).order_by()
    for pk, state, number in rows:
        counts.setdefault(pk, {})[state] = number
    latest = Upsert.objects.filter(pk__in=[one.pk for one in listed]).latest_runs()
    return [_progress(one, counts.get(one.pk, {}), latest.get(one.pk)) for one in listed]


def paces(upserts: Iterable[Upsert], now: datetime) -> dict[int, str]:
    """Of each upsert with a run under way its rate, the time that is left and what it waits for (`run_progress`)."""
    running = {run.upsert_id: run for run in Run.objects.filter(upsert__in=list(upserts)).running()}
    if not running:
        return {}
    left = UpsertRow.objects.filter(upsert__in=list(running), state__in=(_State.WAITING, _State.SENT)).order_by()
    waiting = dict(left.values_list("upsert").annotate(Count("pk")))
    return {pk: run_progress.words(run, run.done, run.done + waiting.get(pk, 0), now) for pk, run in running.items()}


def refused_call(row: UpsertRow) -> RefusedCall:
    """The call of a row that HighLevel refused or did not answer. The row needs its upsert and app."""
    upsert = row.upsert
    made = {"operation": upsert.operation, "version": upsert.version, "source": f"row {row.number} of {upsert}"}
    return of_row(row, app=upsert.app, tenant=upsert.tenant, at=row.settled_at, **made)


def delete_old(now: datetime) -> int:
    """Delete upserts whose last run ended UPSERT_RETENTION_DAYS ago, and drafts that are as old; how many."""
    until = now - timedelta(days=settings.UPSERT_RETENTION_DAYS)
    old = Upsert.objects.without_run().filter(Q(due_at=None), created_at__lt=until)
    ids = list(old.exclude(runs__finished_at__gte=until).values_list("pk", flat=True).distinct()[:_BATCH])
    remove(ids)
    return len(ids)


def remove(ids: Iterable[int]) -> None:
    """Delete upserts with their rows, runs and keys. A worker at one of them loses its run."""
    chosen = list(ids)
    UpsertRow.objects.filter(upsert__in=chosen).delete()
    Upsert.objects.filter(pk__in=chosen).delete()


def rows_that_say(rows: QuerySet[UpsertRow], words: Sequence[str]) -> list[int]:
    """The keys of rows that are not settled and whose content has one of these texts; it opens each of them.

    A row that does not open is among them: it can be sent no more, and what it has is unknown.
    """
    found: list[int] = []
    wanted = [word.lower() for word in words]
    for upsert in Upsert.objects.filter(pk__in=rows.exclude(body="").order_by().values("upsert").distinct()):
        ciphers = _cipher(upsert)
        for row in rows.filter(upsert=upsert).exclude(body="").iterator():
            text = _text(ciphers, row)
            if text is None or any(word in text for word in wanted):
                found.append(row.pk)
    return found


def _cipher(upsert: Upsert) -> RowCipher | None:
    try:
        return upsert_key.cipher(upsert)
    except SealBroken:
        return None


def _text(cipher: RowCipher | None, row: UpsertRow) -> str | None:
    try:
        content = cipher.content(row) if cipher is not None else None
    except (SealBroken, ValueError):
        return None
    return None if content is None else json.dumps([content.params, content.body], ensure_ascii=False).lower()


def _progress(upsert: Upsert, counts: dict[str, int], run: Run | None) -> UpsertProgress:
    known = run is not None and run.status != Run.Status.COMPLETE
    return UpsertProgress(
        id=upsert.pk,
        operation=upsert.operation,
        tenant=upsert.tenant_id,
        status=_status(upsert, counts, run),
        rows=sum(counts.values()),
        done=counts.get(_State.DONE, 0),
        unchanged=counts.get(_State.UNCHANGED, 0),
        invalid=counts.get(_State.INVALID, 0),
        refused=counts.get(_State.REFUSED, 0),
        unknown=counts.get(_State.UNKNOWN, 0),
        waiting=counts.get(_State.WAITING, 0) + counts.get(_State.SENT, 0),
        error=run.error if run is not None and known else upsert.stopped_because,
        trace_id=run.trace_id if run is not None and known else "",
        started_at=upsert.started_at.isoformat() if upsert.started_at else "",
        due_at=upsert.due_at.isoformat() if upsert.due_at else "",
    )


def _status(upsert: Upsert, counts: dict[str, int], run: Run | None) -> str:
    if upsert.phase == Upsert.Phase.DRAFT:
        return "draft"
    if upsert.phase == Upsert.Phase.STOPPED:
        return "stopped"
    if run is not None and run.status == Run.Status.RUNNING:
        return "running"
    if upsert.due_at is not None:
        return "waiting"
    if run is not None and run.status == Run.Status.COMPLETE and not counts.get(_State.WAITING):
        return "complete"
    return "failed"
