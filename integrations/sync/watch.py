"""Watching asked-for runs to their end, with bars for a person. It reads, sleeps and reads; it moves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from integrations.core import clock
from integrations.sync.models import Plan, Run
from integrations.sync.queries import Progress, progress

_PAUSE = 0.5


def until_done(plan_ids: Sequence[int], *, asked_at: datetime, show: bool) -> None:
    """Return when every plan has had the run asked for at `asked_at`. Progress goes to standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True), disable=not show) as bars:
        tasks: dict[int, TaskID] = {}
        while True:
            entries = progress(Plan.objects.filter(pk__in=plan_ids))
            for entry in entries:
                _show(bars, tasks, entry)
            if all(is_done(entry, asked_at) for entry in entries):
                return
            clock.sleep(_PAUSE)


def is_done(entry: Progress, asked_at: datetime) -> bool:
    """No run on its way, and none due since it was asked for."""
    waits = entry.due_at is not None and entry.due_at <= asked_at
    return entry.status != Run.Status.RUNNING and not (waits and entry.enabled)


def _show(bars: Bars, tasks: dict[int, TaskID], entry: Progress) -> None:
    if entry.plan_id not in tasks:
        tasks[entry.plan_id] = bars.add_task(f"{entry.location_id} {entry.resource}", total=None)
    total = entry.seen if entry.status == Run.Status.COMPLETE else entry.total
    bars.update(tasks[entry.plan_id], completed=entry.seen, total=total)
