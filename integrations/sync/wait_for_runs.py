"""Waits for requested sync runs and shows their progress (`manage.py sync --wait`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from integrations.core.command_output import progress_display
from integrations.core.command_output.progress_display import WorkProgress
from integrations.sync.models import Plan, Run
from integrations.sync.queries import Progress, progress


def until_done(plan_ids: Sequence[int], *, asked_at: datetime, show: bool) -> None:
    """Return when every plan has had the run requested at `asked_at`. Progress goes to standard error."""
    plans = Plan.objects.filter(pk__in=plan_ids)
    progress_display.show_until_done(
        lambda: [_work_progress(entry, asked_at) for entry in progress(plans.all())], show=show
    )


def is_done(entry: Progress, asked_at: datetime) -> bool:
    """Whether no run is under way and none is due since the request."""
    waits = entry.due_at is not None and entry.due_at <= asked_at
    return entry.status != Run.Status.RUNNING and not (waits and entry.enabled)


def _work_progress(entry: Progress, asked_at: datetime) -> WorkProgress:
    total = entry.seen if entry.status == Run.Status.COMPLETE else entry.total
    title = f"{entry.location_id} {entry.resource}"
    return WorkProgress(entry.plan_id, title, entry.seen, total, is_done(entry, asked_at))
