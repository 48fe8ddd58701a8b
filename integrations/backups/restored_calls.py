"""After a restore: marks waiting entries of the outbox as of unknown fate, stops bulk upserts, and pauses all jobs.

An entry of the outbox that waited when the backup was made has probably been sent since, and a job would do once more
what it did since: the copy knows neither. So entries whose repetition could do harm are of unknown fate, and every job
is paused. Bulk upserts are stopped in the same way (`upserts.restored_rows`). Operators decide about what is unknown
and resume the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from integrations.core import audit, clock
from integrations.core.errors import IntegrationError
from integrations.gateway import safe_writes, target
from integrations.jobs import pausing
from integrations.jobs.define import JOBS
from integrations.jobs.models import Schedule
from integrations.outbox import entry_states
from integrations.outbox.models import Entry
from integrations.upserts import restored_rows

REASON = "the database was restored from a backup: it would do again what it did since"


@dataclass(frozen=True, slots=True)
class HeldCalls:
    """How many entries of the outbox wait for a decision, the jobs that were paused, and the upserts that stopped."""

    entries: int
    jobs: list[str]
    upserts: list[int]


def hold(*, actor: str, made_at: datetime | None) -> HeldCalls:
    """Hold them. `made_at`: as of when the copy is; None if it is unknown."""
    now = clock.now()
    with transaction.atomic():
        audit.lock()
        entries = 0
        for entry in Entry.objects.filter(state__in=("waiting", "sent")).select_related("outbox__app").order_by("pk"):
            if not _may_repeat(entry):
                entry_states.restored(entry, now, made_at=made_at or now)
                entries += 1
        names = {*JOBS, *Schedule.objects.order_by().values_list("job", flat=True).distinct()}
        jobs = [name for name in sorted(names) if pausing.pause(name, now, by=actor, reason=REASON)]
        if entries:
            audit.record("outbox.restored", actor=actor, subject="outbox", entries=entries)
        upserts = restored_rows.hold(now, made_at=made_at or now, by=actor)
    return HeldCalls(entries, jobs, upserts)


def _may_repeat(entry: Entry) -> bool:
    how = {"version": entry.version or None, "params": entry.params, "body": entry.body}
    try:
        return safe_writes.may_repeat(target.find(entry.operation, entry.outbox.app, **how))
    except IntegrationError:
        return False
