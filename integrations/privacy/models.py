"""Model of purges: what is to be deleted for whom, when, how far it has come, and its receipt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import models
from django.db.models import Q

from integrations.core.sql.known_values import known_values
from integrations.core.tenant import Tenant, UserType


class PurgeQuerySet(models.QuerySet["Purge"]):
    """Purges by their status, and its changes."""

    def active(self) -> PurgeQuerySet:
        """Purges that wait or run."""
        return self.filter(status__in=("waiting", "running"))

    def begin(self, *, now: datetime, due_at: datetime, locations: Sequence[str], mac: bytes) -> int:
        """Waiting to running. `locations` are those that are purged with a company."""
        fields = {"begun_at": now, "due_at": due_at, "locations": locations, "mac": mac}
        return self.filter(status="waiting").update(status="running", **fields)

    def end(self, status: str, *, now: datetime, note: str, **fields: object) -> int:
        """Active to complete or cancelled, with the contact's id emptied."""
        emptied = {"due_at": None, "contact_id": "", "mac": None}
        return self.active().update(status=status, finished_at=now, note=note[:300], **emptied, **fields)


class Purge(models.Model):
    """The purge of one tenant, or of one contact of a location. A worker continues at `stage` after another one died.

    It keeps the tenant's id, counts and times, and after its end nothing of a person: `contact_id` is emptied.
    """

    class Status(models.TextChoices):
        """A waiting purge can be cancelled. A running one goes on until nothing is left."""

        WAITING = "waiting", "waiting: can be cancelled"
        RUNNING = "running", "running"
        COMPLETE = "complete", "complete"
        CANCELLED = "cancelled", "cancelled"

    user_type = models.CharField(max_length=8, choices=UserType.choices)
    tenant_id = models.CharField("tenant", max_length=64, db_index=True, help_text="the company's or location's id")
    contact_id = models.CharField(max_length=64, blank=True, help_text="of a contact's purge; emptied at its end")
    of_contact = models.BooleanField("of one contact", default=False)
    locations = models.JSONField(default=list, help_text="locations of a company that are purged with it")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    requested_by = models.CharField(max_length=200)
    requested_at = models.DateTimeField("requested")
    begins_at = models.DateTimeField("begins", help_text="end of the grace period")
    begun_at = models.DateTimeField("begun", null=True, blank=True)
    finished_at = models.DateTimeField("finished", null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True, help_text="when a worker goes on with it")
    stage = models.PositiveSmallIntegerField(default=0, help_text="kind of data that is next")
    passes = models.PositiveIntegerField(default=0, help_text="how often all kinds were gone through")
    found_in_pass = models.PositiveBigIntegerField(default=0)
    counts = models.JSONField(default=dict, help_text="what was deleted, by kind of data")
    note = models.CharField(max_length=300, blank=True, help_text="why it was cancelled, or what it waits for")
    mac = models.BinaryField(null=True, editable=False)
    receipt = models.BigIntegerField(
        "entry of the audit trail", null=True, blank=True, help_text="number of the entry of the audit trail"
    )

    objects = PurgeQuerySet.as_manager()

    class Meta:
        constraints = [
            *known_values(user_type=UserType.values, status=["waiting", "running", "complete", "cancelled"]),
            models.UniqueConstraint(
                fields=["user_type", "tenant_id", "contact_id"],
                condition=Q(status__in=["waiting", "running"]),
                name="one_purge_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["waiting", "running"], due_at__isnull=False)
                | (Q(status__in=["complete", "cancelled"], due_at__isnull=True, contact_id="")),
                name="ended_purge_is_not_due_and_names_nobody",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="purge_due"),
        ]

    def __str__(self) -> str:
        return f"purge {self.pk} of {'a contact of ' if self.of_contact else ''}{self.tenant}"

    @property
    def tenant(self) -> Tenant:
        """The company or location."""
        return Tenant(UserType(self.user_type), self.tenant_id)

    @property
    def is_active(self) -> bool:
        """Whether it waits or runs."""
        return self.status in {self.Status.WAITING, self.Status.RUNNING}
