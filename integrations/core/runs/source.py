"""The due source of a room's runs, for the dispatcher."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

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
) -> DueSource:
    """A `DueSource` of runs. `take` is `RunQuerySet.take_due` for this room; `prepare` starts runs of due plans."""
    return DueSource(
        name=name,
        task=runs.model.task,
        argument="run_id",
        prepare=prepare,
        take=take,
        find_unstarted=runs.find_unstarted,
        make_due_again=lambda ids, _: runs.release_queued(ids),
        queue=queue,
        every=_LOOK_EVERY,
    )
