"""Watching asked-for runs to their end, with bars for a person. It reads, sleeps and reads; it moves nothing."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from integrations.core import clock
from integrations.jobs.models import Run, Schedule
from integrations.jobs.queries import Standing, standings

_PAUSE = 0.5


def until_done(schedule_ids: Sequence[int], *, show: bool) -> None:
    """Return when every schedule has had the run that was asked for. Progress goes to standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not show) as bars:
        tasks: dict[int, TaskID] = {}
        while True:
            found = standings(Schedule.objects.filter(pk__in=schedule_ids))
            for standing in found:
                _show(bars, tasks, standing)
            if all(is_done(standing) for standing in found):
                return
            clock.sleep(_PAUSE)


def is_done(standing: Standing) -> bool:
    """No run on its way, and none that could start now."""
    due = standing.schedule.due_at
    waits = due is not None and due <= clock.now()
    return standing.status != Run.Status.RUNNING and not waits


def _show(bars: Progress, tasks: dict[int, TaskID], standing: Standing) -> None:
    schedule, run = standing.schedule, standing.run
    if schedule.pk not in tasks:
        tasks[schedule.pk] = bars.add_task(f"{schedule.tenant_id} {schedule.job}", total=None)
    if run is not None:
        total = run.done if run.status == Run.Status.COMPLETE else run.total
        bars.update(tasks[schedule.pk], completed=run.done, total=total)
