"""Deletes the fields that are left out from stored records and from their history, in batches, by the workers.

A page or a webhook that was read under the earlier choice may commit a field after the last batch. So there is a
second pass when all of them have ended (`_SETTLED`). The change feed shows the records again, without the fields; no
history is written, because nothing has changed at the vendor.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from integrations.core import clock
from integrations.sync import records
from integrations.sync.models import HistoryEntry, Plan, Record
from integrations.sync.narrowing.field_choice import ONLY, FieldChoice, needed
from integrations.sync.resources import RESOURCES

SECONDS = 10.0  # of one message; the next one goes on
ROWS = 2_000  # of one transaction
_SETTLED = timedelta(minutes=2)  # longer than any transaction that writes records
# `left_out` says of a key whether it goes.
_FIND = """
SELECT id FROM {table}
WHERE app_id = %(app)s AND location_id = %(location)s AND resource = %(resource)s
    AND EXISTS (SELECT FROM jsonb_object_keys({column}) AS key WHERE {left_out})
LIMIT %(most)s
"""
_KEPT = """(
    SELECT coalesce(jsonb_object_agg(key, value), '{{}}'::jsonb) FROM jsonb_each({column}) WHERE NOT ({left_out})
)"""
_STRIP = """
UPDATE {table} SET {column} = {kept}{more} WHERE id = ANY(%(ids)s)
"""
_BY_NAME = {True: "key <> ALL(%(names)s)", False: "key = ANY(%(names)s)"}  # by whether only these stay


def forget(plan_id: int) -> int:
    """Delete for some seconds; from how many records and entries. The plan is due again while there may be more."""
    until, count = clock.monotonic() + SECONDS, 0
    while clock.monotonic() < until:
        plan = Plan.objects.filter(pk=plan_id, fields_due_at__isnull=False).first()
        if plan is None or plan.resource not in RESOURCES:
            Plan.objects.filter(pk=plan_id).update(fields_due_at=None)
            return count
        stripped = _batch(plan)
        count += stripped
        if not stripped:
            settled_at = (plan.fields_chosen_at or clock.now()) + _SETTLED
            _done(plan, None if clock.now() >= settled_at else settled_at)
            return count
    Plan.objects.filter(pk=plan_id, fields_due_at__isnull=False).update(fields_due_at=clock.now())
    return count


def _done(plan: Plan, due_at: datetime | None) -> None:
    """Unless the choice has changed meanwhile."""
    Plan.objects.filter(pk=plan.pk, fields_chosen_at=plan.fields_chosen_at).update(fields_due_at=due_at)


def _batch(plan: Plan) -> int:
    """One batch of records and one of entries; how many."""
    choice = FieldChoice.of_json(plan.fields)
    if not plan.fields:
        return 0
    always = needed(RESOURCES[plan.resource])
    only = choice.how == ONLY
    names = sorted(choice.names | always) if only else sorted(choice.names - always)
    mine = {"app": plan.app_id, "location": plan.location_id, "resource": plan.resource, "names": names, "most": ROWS}
    with transaction.atomic():
        found = records.lock(Record.objects.filter(pk__in=_ids("sync_record", "payload", mine, only=only)))
        ids = list(found.values_list("pk", flat=True)) if _still_counts(plan) else []
        more = ", last_change = NULL, changed_in = pg_current_xact_id()::text::bigint"
        _strip("sync_record", "payload", {**mine, "ids": ids}, only=only, more=more)
    with transaction.atomic():
        entries = _ids("sync_historyentry", "fields", mine, only=only) if _still_counts(plan) else []
        _strip("sync_historyentry", "fields", {**mine, "ids": entries}, only=only)
        HistoryEntry.objects.filter(pk__in=entries, what=HistoryEntry.What.CHANGED, fields={}).delete()
    return len(ids) + len(entries)


def _still_counts(plan: Plan) -> bool:
    """Whether the choice is still the one that was read. Asked under the records' locks: later pages come later."""
    return Plan.objects.filter(pk=plan.pk, fields_chosen_at=plan.fields_chosen_at).exists()


def _ids(table: str, column: str, values: dict[str, Any], *, only: bool) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(_FIND.format(table=table, column=column, left_out=_BY_NAME[only]), values)
        return [pk for (pk,) in cursor.fetchall()]


def _strip(table: str, column: str, values: dict[str, Any], *, only: bool, more: str = "") -> None:
    kept = _KEPT.format(column=column, left_out=_BY_NAME[only])
    with connection.cursor() as cursor:
        cursor.execute(_STRIP.format(table=table, column=column, kept=kept, more=more), values)
