"""What operators do with exports, on the page and by command: run, pause, cancel, begin again, remove.

Each function writes its audit entry in the transaction of the change.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from integrations.core import audit
from integrations.exports import queries, runs
from integrations.exports.models import Export, Run


def run_now(exports: QuerySet[Export], now: datetime, *, actor: str) -> list[int]:
    """Make them due now, except those that are paused; the ids of those that are due."""
    with transaction.atomic():
        ids = _ids(exports.filter(enabled=True))
        Export.objects.filter(pk__in=ids).update(due_at=now)
        _note("run", ids, actor)
    return ids


def pause(exports: QuerySet[Export], *, actor: str) -> list[int]:
    """Start no run of these schedules until `go_on`; their ids. The first run afterwards has what changed meanwhile."""
    with transaction.atomic():
        ids = _ids(exports.filter(enabled=True).exclude(times=""))
        Export.objects.filter(pk__in=ids).update(enabled=False)
        _note("paused", ids, actor)
    return ids


def go_on(exports: QuerySet[Export], now: datetime, *, actor: str) -> list[int]:
    """Run paused ones again, the first time now; their ids."""
    with transaction.atomic():
        ids = _ids(exports.filter(enabled=False))
        Export.objects.filter(pk__in=ids).update(enabled=True, due_at=now)
        _note("continued", ids, actor)
    return ids


def cancel_run(exports: QuerySet[Export], now: datetime, *, actor: str) -> list[int]:
    """End the runs under way; the ids of these runs. Their files stay."""
    with transaction.atomic():
        found = Run.objects.filter(export__in=exports.values("pk")).running()
        stopped = runs.cancel(found, now, reason="by an operator")
        _note("cancelled", _ids(exports), actor)
    return stopped


def begin_again(exports: QuerySet[Export], *, actor: str) -> list[int]:
    """Let the next run of these schedules have all records, not only what changed; their ids."""
    with transaction.atomic():
        ids = _ids(exports.exclude(times=""))
        for export in Export.objects.filter(pk__in=ids).select_related("app"):
            runs.restart(export)
        _note("restarted", ids, actor)
    return ids


def remove(exports: QuerySet[Export], *, actor: str) -> list[int]:
    """Delete exports, their runs and files, and their positions in the change feeds; their ids."""
    with transaction.atomic():
        ids = _ids(exports)
        queries.remove(Export.objects.filter(pk__in=ids))
        _note("removed", ids, actor)
    return ids


def _ids(exports: QuerySet[Export]) -> list[int]:
    return sorted(exports.values_list("pk", flat=True))


def _note(what: str, ids: list[int], actor: str) -> None:
    if ids:
        audit.record(f"export.{what}", actor=actor, subject="exports", exports=ids)
