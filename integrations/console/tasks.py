"""Celery tasks of the console: bulk actions, alerts, exports of the audit trail's head, beat's heartbeat.

Beat starts the last two, the dispatcher the others.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from integrations.console import audit_export, bulk_run
from integrations.console.alerts import alert_channels, watch
from integrations.console.doctor import beat_proof, heartbeat_checks
from integrations.core import clock, dispatch
from integrations.core.celery_tasks import URGENT, task
from integrations.core.models import BulkAction

log = structlog.get_logger(__name__)


@task("console.export_audit_head")
def export_audit_head(**_: object) -> None:
    """Export the head if there are new entries (`console.audit_export`)."""
    audit_export.export(clock.now())


@task("console.heartbeat")
def heartbeat(*, proof: str = "", **_: object) -> None:
    """Note that a message of beat has arrived (`console.doctor.heartbeat_checks`), if it is beat's (`beat_proof`)."""
    if beat_proof.holds(proof):
        heartbeat_checks.heard_from_beat()
    else:
        log.warning("beat.not_proven", hint="beat is of another release or has another SECRET_KEY, or it is not beat")


@task("console.alert")
def alert(**_: object) -> None:
    """Tell operators what is new (`console.alerts`)."""
    watch.look(clock.now())


@task("console.bulk_action")
def bulk_action(*, bulk_id: int, **_: object) -> None:
    """One turn of an action over many rows (`console.bulk_run`)."""
    bulk_run.turn(bulk_id)


# Actions that have rows left.
SOURCE = dispatch.rows_due(
    BulkAction,
    "due_at",
    name="bulk actions",
    task="console.bulk_action",
    argument="bulk_id",
    every=timedelta(seconds=1),
)


def _once_a_minute(_limit: int, _now: datetime) -> list[int]:
    """There is no row: each look of the dispatcher, `every` so long, is one message."""
    return [1] if alert_channels.configured() else []


ALERTS = dispatch.DueSource(
    name="alerts",
    task="console.alert",
    argument="look",
    take=_once_a_minute,
    find_unstarted=lambda _: (),
    make_due_again=lambda _ids, _now: None,
    queue=URGENT,
    every=timedelta(minutes=1),
)
