"""Waits for requested job runs and shows their progress (`manage.py job run --wait`)."""

from __future__ import annotations

from collections.abc import Sequence

from integrations.core import clock
from integrations.core.command_output import progress_display
from integrations.core.command_output.progress_display import WorkProgress
from integrations.jobs.models import Run, Schedule
from integrations.jobs.queries import ScheduleWithRun, with_latest_runs


def until_done(schedule_ids: Sequence[int], *, show: bool) -> None:
    """Return when every schedule has had its requested run. Progress goes to standard error."""
    schedules = Schedule.objects.filter(pk__in=schedule_ids)
    progress_display.show_until_done(
        lambda: [_work_progress(scheduled) for scheduled in with_latest_runs(schedules.all())], show=show
    )


def is_done(scheduled: ScheduleWithRun) -> bool:
    """Whether no run is under way and none is due, or a person has to decide first."""
    if scheduled.status == Run.Status.UNKNOWN:
        return True
    due = scheduled.schedule.due_at
    waits = due is not None and due <= clock.now()
    return scheduled.status != Run.Status.RUNNING and not waits


def _work_progress(scheduled: ScheduleWithRun) -> WorkProgress:
    schedule, run = scheduled.schedule, scheduled.run
    done = run.done if run else 0
    total = done if scheduled.status == Run.Status.COMPLETE else run.total if run else None
    return WorkProgress(schedule.pk, f"{schedule.tenant_id} {schedule.job}", done, total, is_done(scheduled))
