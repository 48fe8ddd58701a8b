"""The due source of a room's runs, for the dispatcher."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from integrations.core.celery_tasks import DEFAULT
from integrations.core.dispatch import DueSource
from integrations.core.runs.querysets import R, RunManager

_LOOK_EVERY = timedelta(seconds=0.25)


def due_source(
    name: str,
    runs: RunManager[R],
    *,
    take: Callable[[int, datetime], Collection[int]],
    prepare: Callable[[datetime], object] | None = None,
    queue: str = DEFAULT,
    every: timedelta = _LOOK_EVERY,
) -> DueSource:
    """A `DueSource` of runs. `take` is `RunQuerySet.take_due` for this room; `prepare` starts runs of due plans.

    `every` is the shortest time between two looks. A room whose runs are few and long looks less often.
    """

    def due_rows(now: datetime) -> list[QuerySet[Any]]:
        return [runs.waiting(), runs.plans().due(now)] if prepare is not None else [runs.waiting()]

    return DueSource(
        name=name,
        task=runs.model.task,
        argument="run_id",
        prepare=prepare,
        take=take,
        find_unstarted=runs.find_unstarted,
        make_due_again=lambda ids, _: runs.release_queued(ids),
        due_rows=due_rows,
        queue=queue,
        every=every,
    )
