"""Abstract models of plans and runs: the columns, constraints and indexes that the engine needs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from django.db import models

from integrations.core import masking
from integrations.core.sql.known_values import known_values

NOT_COMPLETE = ["running", "failed", "cancelled"]  # few, and found by an index of their own; complete are millions


class AbstractPlan(models.Model):
    """What is done for one tenant, and when next: `due_at`, empty while nothing is planned or a run is under way.

    Its runs have the related name `runs`.
    """

    not_due: ClassVar[dict[str, Any]] = {"due_at": None}  # columns of a plan that is not due

    enabled = models.BooleanField("switched on", default=True)
    due_at = models.DateTimeField("next run", null=True, blank=True, db_index=True)
    created_at = models.DateTimeField("created")

    class Meta:
        abstract = True


class AbstractRun(models.Model):
    """One execution of a plan, over as many turns as it takes.

    A subclass has a foreign key to its plan, which `plan_field` names, the indexes of `run_indexes` and the
    constraints of `run_constraints`.
    """

    PERSONAL: ClassVar[Mapping[str, masking.Masker]] = {
        "error": masking.text,
        "vendor_answer": masking.body,
        "checkpoint": masking.body,
    }

    class Status(models.TextChoices):
        """A run is running until it ends in one of the next three ways. An unknown one has stopped over a write that
        may have happened or not: it goes on when an operator says which, and its plan starts no other run before.
        """

        RUNNING = "running", "running"
        COMPLETE = "complete", "complete"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"
        UNKNOWN = "unknown", "waits: did a write happen?"

    task: ClassVar[str]  # the task that goes on with a run, called with `run_id`
    lease_term: ClassVar[timedelta]
    plan_field: ClassVar[str]
    cleared_at_end: ClassVar[dict[str, Any]] = {}  # columns that an ended run no longer needs

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RUNNING)
    due_at = models.DateTimeField("next turn", help_text="when the next turn may begin")
    lease_owner = models.CharField("leased by", max_length=64, blank=True)
    lease_until = models.DateTimeField("leased until", null=True, blank=True)
    attempts = models.PositiveIntegerField("failures in a row", default=0, help_text="at this checkpoint")
    error_code = models.CharField(max_length=40, blank=True)
    error = models.CharField(max_length=300, blank=True)
    trace_id = models.CharField(max_length=64, blank=True)
    vendor_answer = models.JSONField(
        "HighLevel's answer", null=True, blank=True, help_text="what HighLevel answered, redacted"
    )
    started_at = models.DateTimeField("started")
    finished_at = models.DateTimeField("ended", null=True, blank=True)

    class Meta:
        abstract = True

    def with_mac(self, columns: dict[str, Any]) -> dict[str, Any]:
        """The columns that are written with these. A room whose runs have MACs adds theirs."""
        return columns

    def keep(self, columns: dict[str, Any]) -> None:
        """Called after these columns were written."""

    @property
    def is_ours(self) -> bool:
        """Whether this application wrote the run, as far as its room can tell. One that is not is never resumed."""
        return True

    @property
    def plan_key(self) -> int:
        """The primary key of the run's plan."""
        return int(getattr(self, f"{self.plan_field}_id"))


def run_indexes(plan_field: str, prefix: str = "") -> list[models.Index]:
    """Indexes for the queries of the engine, the pages and the metrics. `prefix` makes their names unique."""
    return [
        models.Index(fields=["due_at"], condition=models.Q(status="running"), name=f"{prefix}run_due"),
        models.Index(fields=[plan_field, "-id"], name=f"{prefix}run_latest"),
        models.Index(
            fields=["status", "finished_at"],
            condition=models.Q(status__in=NOT_COMPLETE),
            name=f"{prefix}run_not_complete",
        ),
        models.Index(fields=["error_code", "id"], name=f"{prefix}run_by_error"),
        models.Index(fields=["trace_id"], condition=~models.Q(trace_id=""), name=f"{prefix}run_by_trace_id"),
    ]


def run_constraints(plan_field: str) -> list[models.BaseConstraint]:
    """States that exclude each other: at most one run of a plan is under way, a run has an end exactly when it has
    ended or stopped, and a lease has an owner and a term or neither."""
    running, leased = models.Q(status="running"), models.Q(lease_until__isnull=False)
    finished = models.Q(finished_at__isnull=False)
    return [
        *known_values(status=AbstractRun.Status.values),
        models.UniqueConstraint(fields=[plan_field], condition=running, name=f"one_running_run_per_{plan_field}"),
        models.CheckConstraint(
            condition=(running & ~finished) | (~running & finished), name="%(app_label)s_run_finished_or_running"
        ),
        models.CheckConstraint(
            condition=(models.Q(lease_owner="") & ~leased) | (~models.Q(lease_owner="") & leased),
            name="%(app_label)s_run_lease_complete",
        ),
    ]
