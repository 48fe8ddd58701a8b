"""`bulk_upsert`: writes many records of a tenant by one operation, priced before it starts, with a result for each.

::

    upsert = bulk_upsert.prepare("contacts.upsert-contact", Path("people.csv"), app=app, location=location_id,
                                 columns={"email": "E-mail", "firstName": "First name"})
    price = bulk_upsert.price(upsert)
    if price.calls < 5_000:
        bulk_upsert.start(upsert)

Workers send the rows in the bulk lane, one after the other, each once. Rows that the synced copy has already are
skipped. A row whose answer was lost is unknown until a look-up or a person decides about it (`runs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import transaction

from integrations.core import audit, clock
from integrations.core.errors import BadRequest
from integrations.tenants.models import App
from integrations.upserts import look_up, preparing, pricing, queries, result_file, row_calls, row_sources, runs
from integrations.upserts import upsert_key as keys
from integrations.upserts.models import Run, Upsert, UpsertRow
from integrations.upserts.pricing import Price
from integrations.upserts.queries import UpsertProgress
from integrations.upserts.result_file import RowResult

PRICE_HOLDS = timedelta(days=1)
_AN_APP = "an app"


def prepare(  # noqa: PLR0913 - the rows with their operation and tenant; all but the first two are keywords
    operation: str,
    rows: Iterable[Mapping[str, Any]] | Path,
    *,
    app: App,
    location: str | None = None,
    company: str | None = None,
    columns: Mapping[str, str] | None = None,
    fixed: Mapping[str, Any] | None = None,
    version: str | None = None,
    name: str = "",
    by: str = _AN_APP,
) -> int:
    """Check and store the rows as a draft, and return its id. Nothing is sent.

    `rows` are objects, or the path of a CSV or JSON Lines file. `columns` maps the operation's fields to their columns;
    without it a column fills the field of its name. `fixed` has fields that are the same in every row. Rows that cannot
    be sent are kept as invalid. Raises BadRequest for an operation that writes no single record, for a file that cannot
    be read, for a column that no row has, and for no rows or more than 100,000.
    """
    mapping = row_calls.mapping_of(
        operation, app, location=location, company=company, version=version, columns=columns, fixed=fixed
    )
    sources = row_sources.of_file(rows) if isinstance(rows, Path) else preparing.rows_of(rows)
    title = name or (rows.name if isinstance(rows, Path) else "")
    return preparing.prepare(mapping, sources, app, name=title, by=by, now=clock.now()).pk


def price(upsert_id: int) -> Price:
    """What the draft would cost now: calls, share of the day, seconds, and the rows that are not sent, with reasons.

    Raises BadRequest for one that was started.
    """
    return pricing.price(queries.find(upsert_id), clock.now())


def start(upsert_id: int, *, by: str = _AN_APP) -> None:
    """Let the workers send it. Raises BadRequest unless it is a draft that was priced within a day."""
    now = clock.now()
    with transaction.atomic():
        upsert = _locked(upsert_id, Upsert.Phase.DRAFT)
        if upsert.priced_at is None or upsert.priced_at < now - PRICE_HOLDS:
            raise BadRequest(f"upsert {upsert_id} has no price of today: price it before it starts")
        upsert.started_at = now
        _move(upsert, Upsert.Phase.STARTED, now, "started", by)


def cancel(upsert_id: int, *, by: str = _AN_APP, reason: str = "") -> None:
    """Send nothing more, also when a worker is at it: it stops after the row of this moment. What was sent stays.

    Raises BadRequest unless it was started. `resume` goes on with the rows that wait.
    """
    now = clock.now()
    with transaction.atomic():
        upsert = _locked(upsert_id, Upsert.Phase.STARTED)
        upsert.stopped_because = (reason or f"cancelled by {by}")[:200]
        _move(upsert, Upsert.Phase.STOPPED, now, "cancelled", by)
        runs.cancel(Run.objects.filter(upsert=upsert), now, reason=upsert.stopped_because)


def resume(upsert_id: int, *, by: str = _AN_APP) -> None:
    """Go on with one that was cancelled or has failed. Rows that were settled are not sent again. Raises BadRequest."""
    now = clock.now()
    with transaction.atomic():
        upsert = _locked(upsert_id, Upsert.Phase.STOPPED, Upsert.Phase.STARTED)
        if upsert.sealed is None:
            raise BadRequest(keys.KEY_LOST)
        if Run.objects.filter(upsert=upsert).running().exists():
            raise BadRequest(f"upsert {upsert_id} runs already")
        upsert.stopped_because = ""
        _move(upsert, Upsert.Phase.STARTED, now, "resumed", by)


def decide(upsert_id: int, row: int, *, happened: bool, by: str) -> None:
    """Say whether a row of unknown fate was written: it is done, or it is sent again when the upsert goes on.

    Raises BadRequest when it is not unknown, or when its answer may still come.
    """
    now = clock.now()
    with transaction.atomic():
        upsert = _locked(upsert_id, Upsert.Phase.STOPPED, Upsert.Phase.STARTED)
        found = UpsertRow.objects.select_for_update().filter(upsert=upsert, number=row).first()
        if found is None or found.state != UpsertRow.State.UNKNOWN:
            raise BadRequest(f"row {row} is {found.get_state_display() if found else 'not there'}, not unknown")
        if (left := look_up.seconds_for_answer(found, now)) > 0:
            raise BadRequest(f"the answer may still come: decide in {left:.0f} seconds")
        if happened:
            UpsertRow.objects.of(found).happened("", f"it happened, says {by}", now)
        else:
            _send_again(upsert, found, now)
        word = "happened" if happened else "did_not_happen"
        audit.record(f"upsert.{word}", actor=by, subject=upsert.tenant.audit_subject, upsert=upsert_id, row=row)


def remove(upsert_id: int, *, by: str = _AN_APP) -> None:
    """Delete an upsert with its rows and results. Raises BadRequest while it sends."""
    with transaction.atomic():
        upsert = _locked(upsert_id, *Upsert.Phase.values)
        if Run.objects.filter(upsert=upsert).running().exists() or upsert.due_at is not None:
            raise BadRequest(f"upsert {upsert_id} runs: cancel it first")
        queries.remove([upsert_id])
        audit.record("upsert.removed", actor=by, subject=upsert.tenant.audit_subject, upsert=upsert_id)


def progress(upsert_id: int) -> UpsertProgress:
    """How far it is, and why it does not go on. Raises BadRequest for an unknown id."""
    return queries.progress(queries.find(upsert_id))


def results(upsert_id: int) -> Iterator[RowResult]:
    """What became of each row, in the order of the file. Raises BadRequest for an unknown id."""
    return result_file.results(queries.find(upsert_id))


def result_csv(upsert_id: int) -> Iterator[str]:
    """The result file, line by line. Raises BadRequest for an unknown id."""
    return result_file.as_csv(queries.find(upsert_id))


def _send_again(upsert: Upsert, row: UpsertRow, now: datetime) -> None:
    if not row.body or upsert.sealed is None:
        raise BadRequest(f"row {row.number} cannot be sent again: {keys.KEY_LOST}")
    cipher = keys.cipher(upsert)
    content = cipher.encrypted(row.number, cipher.content(row), may_be_sent=True)
    UpsertRow.objects.of(row).did_not_happen(content)
    if upsert.phase == Upsert.Phase.STARTED:
        Upsert.objects.filter(pk=upsert.pk).plan_next(now)


def _locked(upsert_id: int, *phases: str) -> Upsert:
    audit.lock()
    upsert = Upsert.objects.select_for_update(of=("self",)).select_related("app").filter(pk=upsert_id).first()
    if upsert is None or upsert.phase not in phases:
        found = "not there" if upsert is None else upsert.get_phase_display()
        raise BadRequest(f"upsert {upsert_id} is {found}")
    return upsert


def _move(upsert: Upsert, phase: str, now: datetime, what: str, by: str) -> None:
    keys.move(upsert, phase)
    upsert.due_at = now if phase == Upsert.Phase.STARTED else None
    Upsert.objects.save_phase(upsert)
    audit.record(f"upsert.{what}", actor=by, subject=upsert.tenant.audit_subject, upsert=upsert.pk)
