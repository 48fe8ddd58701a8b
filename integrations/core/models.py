"""Models of the core room: audit entries, the leases of leader threads, and worker processes.

Only `core.audit` writes audit entries, and nothing changes one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.db.models.functions import Now

from integrations.core.celery_tasks import threads_by_queue


class AuditEntry(models.Model):
    """Who did what to which tenant, when. `hash` covers the entry and the one before it."""

    at = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=200)
    action = models.CharField(max_length=100, db_index=True)
    subject = models.CharField(max_length=200, db_index=True)
    detail = models.JSONField(default=dict)
    previous = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32, unique=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor} {self.action} {self.subject}"


class WorkerProcessManager(models.Manager["WorkerProcess"]):
    """Worker processes report here that they are alive. The dispatcher reads how many threads they have."""

    def report(
        self, name: str, *, threads: int, queues: Iterable[str], now: datetime, hung: Sequence[dict[str, Any]] = ()
    ) -> None:
        """Record that the process `name` is alive and serves `queues` with `threads` threads.

        `hung` describes what its hung threads work on (`core.process.activity.Activity.describe`).
        """
        fields = {"threads": threads, "queues": list(queues), "hung": list(hung), "seen_at": now}
        self.update_or_create(name=name, defaults=fields, create_defaults=fields | {"started_at": now})

    def threads(self, since: datetime) -> dict[str, int]:
        """How many threads may work for each queue, of processes that reported since `since`."""
        found: Counter[str] = Counter()
        for threads, queues in self.filter(seen_at__gt=since).values_list("threads", "queues"):
            found.update(threads_by_queue(threads, queues))
        return dict(found)

    def forget(self, since: datetime) -> None:
        """Remove the rows of processes that have not reported since `since`."""
        self.filter(seen_at__lte=since).delete()

    def hung_by_process(self, since: datetime) -> dict[str, list[dict[str, Any]]]:
        """What the hung threads of each living process work on; the list is empty for a healthy process."""
        return dict(self.filter(seen_at__gt=since).values_list("name", "hung"))

    def hung(self, since: datetime) -> list[dict[str, Any]]:
        """What hung threads of living processes work on: rows of process, work, seconds and position."""
        return [{"process": name, **one} for name, found in self.hung_by_process(since).items() for one in found]


class WorkerProcess(models.Model):
    """One running worker process."""

    name = models.CharField(max_length=64, primary_key=True, help_text="host, process id and a random part")
    queues = ArrayField(models.CharField(max_length=40))
    threads = models.PositiveIntegerField()
    # The database's default serves processes of the release before, which do not know the column.
    hung = models.JSONField(default=list, db_default=[], help_text="what its hung threads work on")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    objects: ClassVar[WorkerProcessManager] = WorkerProcessManager()

    def __str__(self) -> str:
        return self.name


class LeaderLeaseManager(models.Manager["LeaderLease"]):
    """Takes, renews and releases leases. Times are the database's, so hosts whose clocks differ agree."""

    def hold(self, name: str, owner: str, term: timedelta, *, sent: int, unstarted: int, trouble: str) -> bool:
        """Take or renew the lease `name` for `term`, and record the state of its leader.

        False while another owner has the lease.
        """
        counts = {"sent": sent, "unstarted": unstarted, "trouble": trouble}
        values: dict[str, Any] = {"name": name, "owner": owner, "term": term} | counts
        with connection.cursor() as cursor:
            cursor.execute(_HOLD, values)
            return bool(cursor.rowcount)

    def release(self, name: str, owner: str) -> None:
        """Let another process lead at once."""
        self.filter(name=name, owner=owner).update(until=Now())


class LeaderLease(models.Model):
    """Which worker process leads (`core.leader`), with its counts and its trouble. One row for each kind of leader."""

    name = models.CharField(max_length=40, primary_key=True)
    owner = models.CharField(max_length=64)
    since = models.DateTimeField()
    until = models.DateTimeField()
    sent = models.PositiveBigIntegerField(default=0, help_text="messages since this owner began to lead")
    unstarted = models.PositiveIntegerField(default=0, help_text="messages that no worker has begun")
    trouble = models.CharField(max_length=200, blank=True)

    objects: ClassVar[LeaderLeaseManager] = LeaderLeaseManager()

    def __str__(self) -> str:
        return self.owner


_HOLD = """
INSERT INTO core_leaderlease AS lease (name, owner, since, until, sent, unstarted, trouble)
VALUES (%(name)s, %(owner)s, now(), now() + %(term)s, %(sent)s, %(unstarted)s, %(trouble)s)
ON CONFLICT (name) DO UPDATE SET
  since = CASE WHEN lease.owner = excluded.owner THEN lease.since ELSE now() END,
  owner = excluded.owner, until = excluded.until,
  sent = excluded.sent, unstarted = excluded.unstarted, trouble = excluded.trouble
WHERE lease.owner = excluded.owner OR lease.until < now()
"""
