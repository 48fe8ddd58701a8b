"""Records of the synced copy: brings pages of listings, webhooks and answers about one record into rows.

`evidence` has the rule that decides what counts; it is the same for all of them.

Pages go through COPY into a temporary table and one statement from there. Every transaction that writes several records
locks them in one order, that of their keys as bytes, so that no two of them deadlock: pages, the events of a batch, and
whatever marks or deletes records (`lock`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Collate

from integrations.core import clock, prepared
from integrations.core.errors import SealBroken
from integrations.core.observing import spans
from integrations.sync import evidence, suppression
from integrations.sync.changes.change_origin import NOTED, NOTED_DELETIONS, Origin
from integrations.sync.evidence import INDEX_LAG
from integrations.sync.models import Record
from integrations.sync.narrowing import plan_rules
from integrations.sync.narrowing.plan_rules import ANY, PlanRules
from integrations.sync.resources import RESOURCES, Change, Resource
from integrations.sync.resources.searchable import TransactionId
from integrations.sync.rows import Row, encode, read
from integrations.sync.sealed_fields import FieldSealer
from integrations.vault import row_macs

_STAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS sync_staging
    (n integer, record_id text COLLATE "C", version_at timestamptz, payload jsonb) ON COMMIT DELETE ROWS;
-- A former page of this very transaction may still lie there; TRUNCATE would cost a new file each time.
DELETE FROM pg_temp.sync_staging
"""
_COPY = "COPY pg_temp.sync_staging (n, record_id, version_at, payload) FROM STDIN"

_PAGE = """
WITH written AS (
    INSERT INTO sync_record AS r
        (app_id, location_id, resource, record_id, payload, version_at, alive_at, seen_run, updated_at)
    SELECT %(app)s, %(location)s, %(resource)s, record_id, payload, version_at, %(alive_at)s::timestamptz, %(run)s,
        %(now)s FROM (
            SELECT DISTINCT ON (record_id) record_id, payload, version_at
            FROM pg_temp.sync_staging ORDER BY record_id, version_at DESC, n DESC
        ) newest
    {clause}
    RETURNING r.xmax = 0 AS inserted, r.updated_at = %(now)s AS changed{returned}
){noted}
SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE changed AND NOT inserted) FROM written
"""
_FOR_HISTORY = {"returned": ", r.record_id, r.deleted_at, r.last_change", "noted": f",{NOTED}"}
_WITHOUT = {"returned": "", "noted": ""}
# By whether it is a repair, and whether history is kept.
_PAGES = {
    (repair, history): _PAGE.format(
        clause=evidence.clause(repair=repair, history=history), **(_FOR_HISTORY if history else _WITHOUT)
    )
    for repair in (False, True)
    for history in (False, True)
}

_SINGLE = """
INSERT INTO sync_record AS r (app_id, location_id, resource, record_id, payload, version_at, alive_at, deleted_at,
    deleted_by, seen_run, updated_at)
SELECT %(app)s::bigint, %(location)s::text, %(resource)s::text, %(id)s::text, %(payload)s::jsonb,
    %(version_at)s::timestamptz, %(alive_at)s::timestamptz, %(deleted_at)s::timestamptz, %(deleted_by)s::text,
    %(run)s::bigint, %(now)s::timestamptz
{condition}
{clause}
RETURNING r.updated_at = %(now)s::timestamptz
"""
_IS_PLANNED = """
WHERE EXISTS (
    SELECT FROM sync_plan WHERE app_id = %(app)s::bigint AND location_id = %(location)s::text
    AND resource = %(resource)s::text AND enabled
) AND (%(let_in)s::boolean OR EXISTS (
    SELECT FROM sync_record WHERE app_id = %(app)s::bigint AND location_id = %(location)s::text
    AND resource = %(resource)s::text AND record_id = %(id)s::text
))
"""
_SINGLE_WITH_HISTORY = """
WITH written AS (
    {single} AS changed, r.xmax = 0 AS inserted, r.record_id, r.deleted_at, r.last_change
), {noted}
SELECT changed FROM written
"""


def _single(condition: str) -> dict[bool, str]:
    """The statement of one record, by whether history is kept."""
    plain, noted = (_SINGLE.format(condition=condition, clause=evidence.clause(history=on)) for on in (False, True))
    return {False: plain, True: _SINGLE_WITH_HISTORY.format(single=noted, noted=NOTED)}


_MERGE_ONE = _single("WHERE TRUE")
_MERGE_PLANNED = _single(_IS_PLANNED)


@dataclass(frozen=True, slots=True)
class Placed:
    """A change of a record of one location and resource, and where it comes from."""

    app_id: int
    location_id: str
    resource: str
    change: Change
    origin: Origin | None = None

    @property
    def key(self) -> tuple[int, str, str, str]:
        """The record's key, in whose order records are locked. Python compares texts as "C" does in PostgreSQL."""
        return self.app_id, self.location_id, self.resource, self.change.record_id


@dataclass(frozen=True, slots=True)
class Merged:
    """Counts of what a page changed. `unchanged` includes duplicates inside the page and older versions.

    `skipped` rows have no usable id, or are suppressed (`suppression`).
    """

    inserted: int
    updated: int
    unchanged: int
    skipped: int


def merge(  # noqa: PLR0913 - the columns of a page's evidence
    app_id: int,
    location_id: str,
    resource: str,
    rows: Sequence[Any],
    run_id: int | None = None,
    observed_at: datetime | None = None,
    *,
    repair: bool = False,
    origin: Origin | None = None,
) -> Merged:
    """Bring rows of the vendor's listing into the copy, in one transaction or the caller's.

    `rows` are the listing's objects as they came. `run_id` marks every one of them as seen by that run. `observed_at`
    is when the page was asked for; without it the rows prove only their own versions. `repair` does not trust the
    copy's dates (`evidence.clause`). With an `origin` the changes are kept as history.

    Raises SealBroken for a plan that is not of this application.
    """
    now, definition = clock.now(), RESOURCES[resource]
    admitted = _admitted_rows(definition, location_id, rows)
    rules = plan_rules.of([app_id], [location_id], [resource]).get((app_id, location_id, resource), ANY)
    if not rules.is_ours:
        raise SealBroken(f"the plan is not of this application: {row_macs.NOT_OURS}")
    seal = partial(FieldSealer().payload, location_id, resource)
    parsed, skipped = read(
        definition, admitted, observed_at or now, lambda record_id, row: seal(record_id, rules.kept(row))
    )
    skipped += len(rows) - len(admitted)
    if not parsed:
        return Merged(0, 0, 0, skipped)
    values = {
        "app": app_id,
        "location": location_id,
        "resource": resource,
        "run": run_id,
        "now": now,
        "alive_at": observed_at - INDEX_LAG if observed_at else None,
        "partial": False,
        **(origin.values if origin else {}),
    }
    with spans.span("merge records", resource=resource, records=len(parsed)):
        inserted, updated = _through_staging(_PAGES[repair, origin is not None], parsed, values)
    return Merged(inserted, updated, len(parsed) - inserted - updated, skipped)


def apply(app_id: int, location_id: str, resource: str, change: Change) -> bool:
    """Bring the change that a webhook reports into the copy. False when it came too late to change anything.

    A deletion leaves a tombstone even without a record, because a page under way may still contain it.
    """
    admitted = _admitted([Placed(app_id, location_id, resource, change)])
    rules = _rules(admitted).get((app_id, location_id, resource), ANY)
    return bool(admitted) and _apply_one(_values(admitted[0], FieldSealer(), rules), None)


def apply_planned(changes: Iterable[Placed]) -> None:
    """Bring the changes of records whose plan is enabled into the copy, as the plan's fields and filters say.

    Those of a plan that this application did not write like this are left out.
    Changes of one record are applied in the order given, and records in the order of their keys, with one round trip to
    the database. Those whose plan keeps history need another one.
    """
    now, sealer = clock.now(), FieldSealer()
    ordered = sorted(_admitted(changes), key=lambda placed: placed.key)
    rules = _rules(ordered)
    ordered = [placed for placed in ordered if rules.get(placed.key[:3], ANY).is_ours]
    with spans.span("merge records", records=len(ordered)), prepared.cursor() as cursor:
        for history, group in groupby(ordered, key=lambda placed: _has_history(placed, rules)):
            values = [{"now": now, **_values(placed, sealer, rules.get(placed.key[:3], ANY))} for placed in group]
            cursor.executemany(_MERGE_PLANNED[history], values)


def lock(records: QuerySet[Record]) -> QuerySet[Record]:
    """The same records of one app, locked until the transaction ends, in the order of their keys."""
    key = [Collate(name, "C") for name in ("location_id", "resource", "record_id")]
    ordered = records.order_by(*key).select_for_update(no_key=True)
    return Record.objects.filter(pk__in=list(ordered.values_list("pk", flat=True)))


def delete(locked: QuerySet[Record], *, by: Record.Proof, at: Any, now: datetime, origin: Origin | None = None) -> int:
    """Make tombstones of records, dated `at`; how many. With an `origin` the deletions are kept as history."""
    ids = list(locked.values_list("pk", flat=True)) if origin else []
    count = locked.update(
        deleted_at=at, deleted_by=by, alive_at=None, missing_at=None, updated_at=now, changed_in=TransactionId()
    )
    if origin and ids:
        with connection.cursor() as cursor:
            cursor.execute(NOTED_DELETIONS, {"now": now, "ids": ids, **origin.values})
    return count


def _rules(changes: Sequence[Placed]) -> dict[plan_rules.Key, PlanRules]:
    """What the plans of these changes say."""
    if not changes:
        return {}
    return plan_rules.of(
        {one.app_id for one in changes}, {one.location_id for one in changes}, {one.resource for one in changes}
    )


def _has_history(placed: Placed, rules: Mapping[plan_rules.Key, PlanRules]) -> bool:
    """Whether the plan keeps history and the change says where it comes from."""
    return placed.origin is not None and rules.get(placed.key[:3], ANY).keeps_history


def _admitted(changes: Iterable[Placed]) -> list[Placed]:
    """The changes without those of suppressed records."""
    given = list(changes)
    hidden = suppression.of({one.location_id for one in given})
    if not hidden.hashes:
        return given
    return [
        one
        for one in given
        if not hidden.includes(one.location_id, one.resource, one.change.record_id, one.change.payload)
    ]


def _admitted_rows(resource: Resource, location_id: str, rows: Sequence[Any]) -> list[Any]:
    """The rows of a page without those of suppressed records, which the run counts as skipped."""
    hidden = suppression.of([location_id]) if rows else suppression.Suppressed()
    if not hidden.hashes:
        return list(rows)
    return [
        row
        for row in rows
        if not (isinstance(row, Mapping) and hidden.includes(location_id, resource.name, resource.record_id(row), row))
    ]


def _values(placed: Placed, sealer: FieldSealer, rules: PlanRules) -> dict[str, Any]:
    change, kind = placed.change, Change.Kind
    kept = rules.kept(change.payload)
    fields = {
        "id": change.record_id,
        "payload": encode(sealer.payload(placed.location_id, placed.resource, change.record_id, kept)),
        "let_in": change.kind == kind.DELETED or rules.lets_in(change.payload),
        "version_at": change.at,
        "alive_at": change.created_at if change.kind == kind.CREATED else None,
        "deleted_at": change.at if change.kind == kind.DELETED else None,
        "deleted_by": (Record.Proof.EVENT if change.kind == kind.DELETED else Record.Proof.NONE).value,
        "run": None,
        "partial": True,
        **(placed.origin.values if placed.origin else {}),
    }
    return {"app": placed.app_id, "location": placed.location_id, "resource": placed.resource, **fields}


def confirm(
    record: Record, row: Mapping[str, Any], asked_at: datetime, *, run_id: int, origin: Origin | None = None
) -> bool:
    """Keep a record that the vendor answered with `row` when a run asked for it. True when the payload was renewed.

    An answer has other fields than a row of the listing. So only the fields that the record has are taken from it, and
    only when the answer is the later version.
    """
    resource = RESOURCES[record.resource]
    version_at = resource.version_at(row)
    is_later = version_at is not None and version_at > record.version_at
    taken = {name: value for name, value in resource.payload(row).items() if name in record.payload}
    payload = FieldSealer().payload(record.location_id, record.resource, record.record_id, taken)
    return _apply_one(
        {
            "app": record.app_id,
            "location": record.location_id,
            "resource": record.resource,
            "id": record.record_id,
            "payload": encode(payload if is_later else {}),
            "version_at": min(version_at, asked_at) if version_at and is_later else record.version_at,
            "alive_at": asked_at - INDEX_LAG,
            "deleted_at": None,
            "deleted_by": Record.Proof.NONE.value,
            "run": run_id,
            "partial": True,
            **(origin.values if origin else {}),
        },
        origin,
    )


def _through_staging(statement: str, rows: Iterable[Row], values: dict[str, Any]) -> tuple[int, int]:
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        cursor.execute(_STAGE)
        with cursor.copy(_COPY) as copy:
            for n, row in enumerate(rows):
                copy.write_row((n, row.record_id, row.version_at, row.payload))
        cursor.execute(statement, values)
        inserted, updated = cursor.fetchone()
    return inserted, updated


def _apply_one(values: dict[str, Any], origin: Origin | None) -> bool:
    with prepared.cursor() as cursor:
        cursor.execute(_MERGE_ONE[origin is not None], {"now": clock.now(), **values})
        written = cursor.fetchone()
    return bool(written and written[0])
