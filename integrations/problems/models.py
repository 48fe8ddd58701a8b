"""Models of problems: the problem, the tenants that have it, and how far each kind of failure was read."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q

from integrations.core.sql.known_values import known_values
from integrations.tenants.models import App


class FailureKind(models.TextChoices):
    """What failed."""

    CALL = "call", "API call"
    EVENT = "event", "Webhook"
    SYNC = "sync", "Sync"
    JOB = "job", "Job"
    JOB_EVENT = "job_event", "Event of a job"
    CREDENTIAL = "credential", "Credential"
    OUTBOX = "outbox", "Outbox"
    ENTRY = "entry", "Outbox entry"
    WRITE = "write", "Write of a job"
    EXPORT = "export", "Export"
    UPSERT = "upsert", "Bulk upsert"
    UPSERT_ROW = "upsert_row", "Row of a bulk upsert"


class ProblemQuerySet(models.QuerySet["Problem"]):
    """Problems by what an operator has decided."""

    def fixed(self) -> ProblemQuerySet:
        """Called fixed, and not seen since."""
        return self.filter(fixed_at__isnull=False)

    def muted(self, now: datetime) -> ProblemQuerySet:
        """Not fixed, and muted at this moment."""
        return self.filter(fixed_at=None, muted_until__gt=now)

    def open(self, now: datetime) -> ProblemQuerySet:
        """Neither fixed nor muted."""
        return self.filter(Q(muted_until=None) | Q(muted_until__lte=now), fixed_at=None)


class Problem(models.Model):
    """One cause of failures of one app: kind, subject, error code, HTTP status, and the words of the error without what
    differs. `app` is empty for one that was last seen before problems knew their app.
    """

    fingerprint = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the cause")
    # No constraint and no index: the table is small, and both would lock that of the apps while they are added.
    app = models.ForeignKey(
        App, on_delete=models.CASCADE, null=True, blank=True, db_constraint=False, db_index=False, related_name="+"
    )
    kind = models.CharField(max_length=12, choices=FailureKind.choices)
    subject = models.CharField(max_length=200, help_text="the operation, type of event, resource or job")
    code = models.CharField("error", max_length=40, blank=True)
    status = models.PositiveSmallIntegerField("HTTP status", null=True, blank=True)
    words = models.CharField(max_length=300, blank=True, help_text="of the error, without ids, numbers and names")
    count = models.PositiveBigIntegerField("failures", default=0)
    tenants = models.PositiveIntegerField(default=0)
    first_seen = models.DateTimeField("first seen")
    last_seen = models.DateTimeField("last seen", db_index=True)
    opened_at = models.DateTimeField(
        "open since", db_index=True, help_text="when it was first seen, or seen again after it was fixed"
    )
    reopened = models.PositiveIntegerField(
        "times it came back", default=0, help_text="how often it was seen again after it was fixed"
    )
    fixed_at = models.DateTimeField("fixed", null=True, blank=True)
    fixed_by = models.CharField(max_length=200, blank=True)
    muted_until = models.DateTimeField(null=True, blank=True)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name="taken by",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )

    objects = ProblemQuerySet.as_manager()

    class Meta:
        constraints = known_values(kind=FailureKind.values)
        indexes = [models.Index(fields=["kind", "subject", "code"], name="problem_by_subject")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.subject}: {self.error}"

    @property
    def error(self) -> str:
        """The error's code in words, with the HTTP status."""
        return " ".join(filter(None, [str(self.status or ""), self.code.replace("_", " ")])) or "failed"

    @property
    def extent(self) -> str:
        """How often and how widely it fails."""
        times, tenants = ("" if number == 1 else "s" for number in (self.count, self.tenants))
        return f"{self.count:,} time{times} at {self.tenants:,} tenant{tenants}"


class AffectedTenant(models.Model):
    """One tenant of a problem: how often, when, and its latest failure."""

    problem = models.ForeignKey(Problem, on_delete=models.CASCADE, related_name="affected")
    tenant_id = models.CharField("tenant", max_length=64)
    count = models.PositiveBigIntegerField("failures", default=0)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    row = models.BigIntegerField(help_text="key of the row of its latest failure")
    trace_id = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["problem", "tenant_id"], name="each_tenant_of_a_problem_once")]
        indexes = [
            models.Index(fields=["problem", "-last_seen"], name="affected_latest"),
            models.Index(fields=["tenant_id", "-last_seen"], name="affected_by_tenant"),
        ]

    def __str__(self) -> str:
        return f"{self.tenant_id} in problem {self.problem_id}"


class ReadPosition(models.Model):
    """How far one kind of failure was read. `at` and `row` are the last failure that was counted.

    Keys are given before their rows are committed. So a source that is read by key (`failure_sources`) is read only up
    to `until`: the newest key `ahead` of an earlier look, at `ahead_at`, whose rows are all committed by now.
    """

    name = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField()
    row = models.BigIntegerField(default=0)
    until = models.BigIntegerField(default=0)
    ahead = models.BigIntegerField(default=0)
    ahead_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
