"""Models of the core room: the audit trail, leases of leader threads, worker processes, actions over many
rows, and saved filters of lists.

Only `core.audit` writes the tables of the audit trail. Triggers in the database refuse UPDATE, DELETE and TRUNCATE of
entries and exported heads, and DELETE and TRUNCATE of the head.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.db.models.functions import Now

from integrations.core import audit_seals
from integrations.core.audit_seals import TrailHead
from integrations.core.celery_tasks import threads_by_queue
from integrations.core.sql.known_values import known_values

_HEAD = tuple(field.name for field in fields(TrailHead))


class AuditEntry(models.Model):
    """Who did what to which tenant, when.

    `hash` is the chain value: it covers the entry and `previous`, the chain value of the entry before it. `seal` is the
    MAC of number and chain value under the key with the id `key_id`; entries of the release before seals have none.
    """

    number = models.PositiveBigIntegerField(unique=True, editable=False, help_text="without gaps")
    at = models.DateTimeField("when", db_index=True)
    actor = models.CharField(max_length=200)
    action = models.CharField(max_length=100, db_index=True)
    subject = models.CharField(max_length=200, db_index=True)
    detail = models.JSONField(default=dict)
    previous = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32, unique=True)
    key_id = models.CharField(
        "key of the seal", max_length=32, blank=True, editable=False, help_text="of the key in VAULT_KEYS"
    )
    seal = models.BinaryField(max_length=32, null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor} {self.action} {self.subject}"

    @property
    def chain_value(self) -> bytes:
        """The chain value that the content demands; `hash` is the stored one."""
        content = {name: getattr(self, name) for name in ("at", "actor", "action", "subject", "detail")}
        return audit_seals.chain_value(bytes(self.previous), **content)

    @property
    def sealed_message(self) -> bytes:
        """What `seal` has to cover."""
        return audit_seals.entry_message(self.number, bytes(self.hash))


class AuditHead(models.Model):
    """The newest entry's number and chain value, sealed (`core.audit_seals.TrailHead`). One row, which writers lock."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    number = models.PositiveBigIntegerField(default=0)
    value = models.BinaryField(max_length=32, default=audit_seals.GENESIS)
    base_number = models.PositiveBigIntegerField(default=0)
    base_value = models.BinaryField(max_length=32, default=audit_seals.GENESIS)
    sealed_from = models.PositiveBigIntegerField(default=1)
    at = models.DateTimeField(null=True)
    key_id = models.CharField(max_length=32, default="")
    seal = models.BinaryField(max_length=32, default=b"")

    def __str__(self) -> str:
        return f"entry {self.number}"

    @property
    def head(self) -> TrailHead:
        """The row as a value."""
        return TrailHead(
            number=self.number,
            value=bytes(self.value),
            base_number=self.base_number,
            base_value=bytes(self.base_value),
            sealed_from=self.sealed_from,
            at=self.at,
            key_id=self.key_id,
            seal=bytes(self.seal),
        )

    @staticmethod
    def columns(head: TrailHead) -> dict[str, Any]:
        """The values to store for a head."""
        return {name: getattr(head, name) for name in _HEAD}


class AuditHeadExport(models.Model):
    """A head that was exported. `trouble` says which place did not take it, and why."""

    number = models.PositiveBigIntegerField(db_index=True)
    head = models.JSONField()
    exported_at = models.DateTimeField()
    places = ArrayField(models.CharField(max_length=20), default=list)
    trouble = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"entry {self.number} at {self.exported_at:%Y-%m-%d %H:%M:%S}"


class WorkerProcessManager(models.Manager["WorkerProcess"]):
    """Worker processes report here that they are alive. The dispatcher reads how many threads they have."""

    def report(self, name: str, *, threads: int, queues: Iterable[str], now: datetime, **state: Any) -> None:
        """Record that the process `name` is alive and serves `queues` with `threads` threads.

        `state`: `memory` in bytes; `work`, what its threads work on (`core.process.activity.Activity.summary`), and
        `hung`, what those work on that hang (`describe`).
        """
        fields = {"threads": threads, "queues": list(queues), "seen_at": now, **state}
        self.update_or_create(name=name, defaults=fields, create_defaults=fields | {"started_at": now})

    def threads(self, since: datetime) -> dict[str, int]:
        """How many threads may work for each queue, of processes that reported since `since`."""
        found: Counter[str] = Counter()
        for threads, queues in self.filter(seen_at__gt=since).values_list("threads", "queues"):
            found.update(threads_by_queue(threads, queues))
        return dict(found)

    def reports(self, since: datetime) -> dict[str, datetime]:
        """When each process that reported since `since` last did, by its own clock."""
        return dict(self.filter(seen_at__gt=since).values_list("name", "seen_at"))

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
    """One worker process that runs, or that fell silent in the last hour."""

    name = models.CharField(max_length=64, primary_key=True, help_text="host, process id and a random part")
    queues = ArrayField(models.CharField(max_length=40))
    threads = models.PositiveIntegerField()
    # The database's defaults serve processes of the release before, which do not know the columns.
    hung = models.JSONField("hangs", default=list, db_default=[], help_text="what its hung threads work on")
    work = models.JSONField("works on", default=list, db_default=[], help_text="what its threads work on")
    memory = models.PositiveBigIntegerField(default=0, db_default=0, help_text="resident bytes; 0: not known")
    started_at = models.DateTimeField("started")
    seen_at = models.DateTimeField("last report")

    objects: ClassVar[WorkerProcessManager] = WorkerProcessManager()

    class Meta:
        verbose_name = "worker process"
        verbose_name_plural = "worker processes"

    def __str__(self) -> str:
        return self.name


class BulkActionQuerySet(models.QuerySet["BulkAction"]):
    """Bulk actions by their status, and its changes."""

    def running(self) -> BulkActionQuerySet:
        """Those that have not ended."""
        return self.filter(status="running")

    def end(self, status: str, now: datetime, **fields: str) -> int:
        """Running to one of the three ends."""
        return self.running().update(status=status, due_at=None, finished_at=now, **fields)


class BulkAction(models.Model):
    """An action of a list over many rows, which a worker goes through in batches (`core.pages.bulk_actions`)."""

    class Status(models.TextChoices):
        """It runs until it ends in one of the other three ways."""

        RUNNING = "running", "running"
        COMPLETE = "complete", "complete"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    model = models.CharField(max_length=80, help_text="of the rows: app and model")
    action = models.CharField(max_length=80)
    label = models.CharField("action", max_length=100)
    query = models.TextField("filter", blank=True, help_text="filters of the list, as its address has them")
    ids = models.JSONField(default=list, help_text="the chosen rows; empty: all that the filters match")
    newest = models.CharField(max_length=64, help_text="key of the last row; later ones are left out")
    cursor = models.CharField(max_length=64, blank=True, help_text="key of the last row that is done")
    user_id = models.BigIntegerField(help_text="of the operator, whose rights count for each batch")
    operator = models.CharField(max_length=150)
    mark = models.CharField(max_length=160, editable=False, help_text="signature over the above: an operator asked")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RUNNING)
    total = models.PositiveBigIntegerField()
    done = models.PositiveBigIntegerField(default=0)
    note = models.CharField(max_length=300, blank=True, help_text="the last thing that went wrong")
    due_at = models.DateTimeField(null=True, blank=True, help_text="when a worker goes on with it")
    created_at = models.DateTimeField("asked for")
    finished_at = models.DateTimeField("finished", null=True, blank=True)

    objects = BulkActionQuerySet.as_manager()

    class Meta:
        constraints = known_values(status=["running", "complete", "failed", "cancelled"])
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="bulk_action_due"),
        ]

    def __str__(self) -> str:
        return f"{self.label}: {self.total:,} rows"


class SavedFilterQuerySet(models.QuerySet["SavedFilter"]):
    """Saved filters by list and by who sees them."""

    def of_list(self, model: type[models.Model], user: Any) -> SavedFilterQuerySet:
        """Those of this list that the operator has saved or that are shared, the operator's own first."""
        mine = self.filter(models.Q(owner=user.pk) | models.Q(is_shared=True), model=model._meta.label_lower)  # noqa: SLF001
        return mine.select_related("owner").order_by("is_shared", "name", "pk")


class SavedFilter(models.Model):
    """Filters, search, order and range of time of one list, and the columns and format of its export."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    model = models.CharField(max_length=80, help_text="of the list: app and model")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=2_000, blank=True, help_text="filters of the list, as its address has them")
    columns = ArrayField(models.CharField(max_length=80), default=list, help_text="of an export; none: the list's own")
    form = models.CharField("format", max_length=5, default="csv")
    is_shared = models.BooleanField("shared", default=False, help_text="with all who may see the list")
    saved_at = models.DateTimeField()

    objects = SavedFilterQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "owner", "name"], name="each_filter_of_an_owner_once")]
        permissions = [("export_lists", "May download lists as files")]
        indexes = [models.Index(fields=["model"], condition=models.Q(is_shared=True), name="shared_filters")]

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
