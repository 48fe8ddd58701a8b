"""Celery tasks of the vault."""

from __future__ import annotations

import structlog

from integrations.core import clock
from integrations.core.celery_tasks import enqueue, task
from integrations.core.process import stopping
from integrations.vault import rotation, signed_tables

log = structlog.get_logger(__name__)

TURN = 60.0  # seconds; then another message goes on, so that a worker that ends waits for none


@task("vault.sign_rows")
def sign_rows(**_: object) -> None:
    """Beat sends this every hour: sign what the release before has written; then count what is not ours."""
    signed_tables.sign_in_transition()
    signed_tables.examine()


@task("vault.rotate")
def rotate(**_: object) -> None:
    """An operator asked for it on a page, and the audit trail has it: re-seal what older keys sealed, in turns.

    A forged message does nothing where the newest key sealed everything, and what an operator may want elsewhere: to
    re-seal is always safe.
    """
    if not rotation.is_needed():
        log.info("job.not_due", task="vault.rotate")
        return
    until = clock.monotonic() + TURN
    watcher = rotation.Watcher(stop=lambda: clock.monotonic() >= until or stopping.is_requested())
    outcome = rotation.run(actor="system", watcher=watcher)
    if outcome.stopped:
        enqueue("vault.rotate")
