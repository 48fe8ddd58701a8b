"""Celery tasks of the problems: the roll-up and the retention, which beat starts."""

from __future__ import annotations

from integrations.core import clock
from integrations.core.celery_tasks import task
from integrations.problems import forgetting, roll_up


@task("problems.roll_up")
def count_failures(**_: object) -> None:
    """Count what failed since the last look (`problems.roll_up`)."""
    roll_up.roll_up(clock.now())


@task("problems.tidy")
def tidy(**_: object) -> None:
    """Delete problems that no tenant has had for long (`problems.forgetting`)."""
    forgetting.tidy(clock.now())
