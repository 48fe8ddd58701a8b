"""Runs an action over many rows in batches, as the operator who asked for it.

Each batch is the list's own action on at most `BATCH` rows in the order of their keys, and its end is one conditional
UPDATE of the cursor. So a worker that lost its turn, or whose action was cancelled, writes nothing. A worker that is
killed within a batch leaves it to be done again: actions on a list can be repeated. Rows that came after the question
are left out; rows that the filters match no more are not touched.

The operator's rights count when a batch begins, not when it was asked for. Both have to be proven, the operator by the
seal of the account and the action by its mark (`core.pages.bulk_mark`): a row that another program wrote into the
database does nothing, and one that ended, by the audit trail, is not done again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import F, QuerySet
from django.http import HttpRequest, QueryDict

from integrations.core import clock
from integrations.core.models import BulkAction
from integrations.core.pages import bulk_actions, bulk_mark
from integrations.operators.rights.sealed_backend import SealedBackend

BATCH = 50
TURN_SECONDS = 10.0
LEASE = timedelta(seconds=120)  # of a batch, whose rows may each need a call of the vendor
_NOTE = 300
Status = BulkAction.Status


class _Notes(list[str]):
    """Takes the messages of an action in place of a browser's session: what went wrong is kept."""

    def add(self, level: int, message: Any, extra_tags: str = "") -> None:
        if level >= messages.WARNING:
            self.append(str(message))


def turn(bulk_id: int) -> None:
    """Work for some seconds. Does nothing when it ended, or while another worker has it."""
    row, now = BulkAction.objects.running().filter(pk=bulk_id).first(), clock.now()
    if row is None or not _claim(row, now):
        return
    until = clock.monotonic() + TURN_SECONDS
    while _batch(row):
        if clock.monotonic() >= until:
            BulkAction.objects.running().filter(pk=row.pk).update(due_at=clock.now())
            return


def _claim(row: BulkAction, now: datetime) -> bool:
    """Of two workers one goes on: the due time is the row's version."""
    row_now = BulkAction.objects.running().filter(pk=row.pk, due_at=row.due_at)
    return bool(row_now.update(due_at=now + LEASE))


def _batch(row: BulkAction) -> bool:
    """One batch. False when there is no further one."""
    if not bulk_mark.fits(row, clock.now()):
        return _end(row, Status.FAILED, "no operator asked for this here, or too long ago: ask again on the list")
    if bulk_actions.has_ended(row):
        return _end(row, Status.FAILED, "this ended before, and another program changed its row: ask again on the list")
    request = _request(row)
    page: Any = admin.site.get_model_admin(apps.get_model(row.model))
    allowed = page.get_actions(request) if request.user.is_active and request.user.is_staff else {}
    if row.action not in allowed:
        return _end(row, Status.FAILED, f"{row.operator} may not do this any more")
    keys = list(_left(row, page, request).values_list("pk", flat=True)[:BATCH])
    if not keys:
        return _end(row, Status.COMPLETE, row.note)
    # By their keys alone: the filters' joins and annotations are the list's own business.
    allowed[row.action][0](page, request, page.get_queryset(request).filter(pk__in=keys))
    notes: list[str] = request._messages  # type: ignore[attr-defined]  # noqa: SLF001 - where Django's messages are
    return _advance(row, keys, notes)


def _left(row: BulkAction, page: Any, request: HttpRequest) -> QuerySet[Any]:
    """The chosen rows after the cursor, in the order of their keys."""
    if row.ids:
        rows = page.get_queryset(request).filter(pk__in=row.ids)
    else:
        rows = page.get_changelist_instance(request).get_queryset(request)
    after = {"pk__gt": row.cursor} if row.cursor else {}
    found: QuerySet[Any] = rows.filter(pk__lte=row.newest, **after).order_by("pk")
    return found


def _advance(row: BulkAction, keys: list[Any], notes: list[str]) -> bool:
    """Note the end of a batch. False when it was cancelled meanwhile, or another worker went on."""
    cursor, note = str(keys[-1]), (notes[-1][:_NOTE] if notes else row.note)
    mine = BulkAction.objects.running().filter(pk=row.pk, cursor=row.cursor)
    now = clock.now()
    if not mine.update(cursor=cursor, done=F("done") + len(keys), note=note, due_at=now + LEASE):
        return False
    row.cursor, row.note, row.done = cursor, note, row.done + len(keys)
    return True


def _end(row: BulkAction, status: Status, note: str) -> bool:
    if BulkAction.objects.filter(pk=row.pk).end(status, clock.now(), note=note[:_NOTE]):
        bulk_actions.record(BulkAction.objects.get(pk=row.pk), status.value)
    return False


def _request(row: BulkAction) -> HttpRequest:
    """The request that a list's action expects: its operator, and the filters of the list."""
    request = HttpRequest()
    request.method = "POST"
    request.path = request.path_info = "/"
    request.GET = QueryDict(row.query)
    request.user = SealedBackend().get_user(row.user_id) or User(is_active=False)
    request._messages = _Notes()  # type: ignore[attr-defined]  # noqa: SLF001 - where Django's messages are
    return request
