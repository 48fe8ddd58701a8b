"""Models of sync: Plan, Run, Record and what is suppressed.

Plans (which resource of which location), runs (one pass), records (the synced copy) and what is suppressed (records
that must not come back).
"""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Value
from django.utils.functional import cached_property

from integrations.core.runs.models import AbstractPlan, AbstractRun, run_constraints, run_indexes
from integrations.core.runs.querysets import PlanManager, RunManager
from integrations.sync.changes.history_entry import HistoryEntry
from integrations.sync.resources import RESOURCES, Resource, searchable
from integrations.sync.resources.searchable import TransactionId
from integrations.tenants.credential_kinds import ApiName
from integrations.tenants.models import App, Installation

__all__ = [
    "AdaptiveChoice",
    "FeedPosition",
    "HistoryEntry",
    "Plan",
    "Record",
    "RecordKey",
    "ResourceChoice",
    "Run",
    "SuppressedRecord",
    "SuppressionKey",
]


class Plan(AbstractPlan):
    """The plan to keep one resource of one location synced."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="plans")
    location_id = models.CharField(max_length=64)
    resource = models.CharField(max_length=40)
    cursor_at = models.DateTimeField(null=True, blank=True, help_text="everything changed before this is here")
    full_due_at = models.DateTimeField(
        null=True, blank=True, help_text="from when on the next run reads everything; empty: at once"
    )
    repair_asked_at = models.DateTimeField(
        null=True, blank=True, help_text="since when a repair is asked for; empty: none is"
    )
    counted_at = models.DateTimeField(
        null=True, blank=True, help_text="when the copy was last compared with the vendor's count"
    )
    surplus = models.IntegerField(
        default=0,
        db_default=0,
        help_text="records of the copy beyond the vendor's count that a full run did not explain",
    )
    synced_at = models.DateTimeField(null=True, blank=True)
    position = models.JSONField(
        null=True, blank=True, help_text="the last parent that was visited, in the order of changes"
    )
    calls_per_day = models.PositiveIntegerField(
        null=True, blank=True, help_text="calls of a day below single records; empty: 10,000"
    )
    calls_today = models.PositiveIntegerField(default=0, db_default=0, help_text="of these, made on the day below")
    calls_on = models.DateField(null=True, blank=True)
    is_own_choice = models.BooleanField(
        default=False, db_default=False, help_text="chosen for this location: the app's choice does not change it"
    )
    is_left_out = models.BooleanField(
        default=False, db_default=False, help_text="not chosen, so it does not run; a paused plan is chosen"
    )
    every = models.DurationField(null=True, blank=True, help_text="the wait between two runs; empty: the resource's")
    adapted_every = models.DurationField(
        null=True,
        blank=True,
        editable=False,
        help_text="that wait as it adapts to the location",
    )
    listed = models.PositiveIntegerField(
        null=True, blank=True, help_text="rows of the last listing that was read to its end"
    )
    keeps_history = models.BooleanField(
        default=False, db_default=False, help_text="whether each change of its records is kept"
    )
    drop_due_at = models.DateTimeField(
        null=True, blank=True, help_text="when more of its records are deleted, because somebody asked for that"
    )
    fields = models.JSONField(
        default=dict,
        blank=True,
        db_default=Value({}, models.JSONField()),
        help_text="which fields are kept; empty: all",
    )
    fields_chosen_at = models.DateTimeField(null=True, blank=True)
    fields_due_at = models.DateTimeField(
        null=True, blank=True, help_text="when fields that are left out are next deleted from stored records"
    )
    filters = models.JSONField(
        default=dict,
        blank=True,
        db_default=Value({}, models.JSONField()),
        help_text="filters of the listing, by parameter",
    )

    objects = PlanManager()

    class Meta:
        """One plan per resource of a location."""

        constraints = [models.UniqueConstraint(fields=["app", "location_id", "resource"], name="one_plan_per_resource")]
        indexes = [
            models.Index(fields=["drop_due_at"], condition=models.Q(drop_due_at__isnull=False), name="plan_drop_due"),
            models.Index(
                fields=["fields_due_at"], condition=models.Q(fields_due_at__isnull=False), name="plan_fields_due"
            ),
            models.Index(fields=["location_id"], condition=models.Q(keeps_history=True), name="plan_keeping_history"),
        ]

    def __str__(self) -> str:
        return f"{self.resource} of {self.location_id}"

    @cached_property
    def api_name(self) -> ApiName:
        """The API that the location's installation works with: one query."""
        mine = Installation.objects.locations().filter(app=self.app_id, resource_id=self.location_id)
        row: Installation | None = mine.first()
        if row is None:
            return self.app.dialect_name
        row.app = self.app
        return row.api_name

    @cached_property
    def definition(self) -> Resource | None:
        """The resource as that API lists it, at the chosen interval and narrowed by the chosen filters.

        None if it cannot, or the resource is not here any more.
        """
        known = RESOURCES.get(self.resource)
        here = None if known is None else known.on(self.api_name)
        every = self.every or self.adapted_every
        here = here if here is None or every is None else here.at_intervals_of(every)
        return here if here is None or not self.filters else here.narrowed(self.filters)


class Run(AbstractRun):
    """One pass through a resource, page by page. `checkpoint` and the page's records are committed together."""

    class Kind(models.TextChoices):
        """A full run reads the whole resource, an incremental one what has changed since the last run.

        A repair is a full run that does not trust what the copy says about itself.
        """

        FULL = "full", "full"
        INCREMENTAL = "incremental", "incremental"
        REPAIR = "repair", "repair"

    task = "sync.advance"
    lease_term = timedelta(seconds=30)
    plan_field = "plan"

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="runs")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    checkpoint = models.JSONField(default=dict, help_text="what the next page's request is made from")
    pages = models.PositiveIntegerField(default=0)
    seen = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0, help_text="rows without a usable id")
    total = models.PositiveIntegerField(
        null=True, blank=True, help_text="the vendor's own count, the least of any page with rows"
    )
    changed = models.PositiveIntegerField(default=0, db_default=0, help_text="records that differed from the copy")
    asked = models.PositiveIntegerField(
        default=0, db_default=0, help_text="calls that asked for one record the listing lacks"
    )
    deleted = models.PositiveIntegerField(default=0)

    objects = RunManager()

    class Meta:
        """The constraints and indexes of the engine."""

        constraints = run_constraints("plan")
        indexes = run_indexes("plan")

    def __str__(self) -> str:
        return f"{self.kind} run {self.pk} of {self.plan}"

    @property
    def reads_everything(self) -> bool:
        """Whether the run lists the whole resource, so that a record it lacks may be deleted."""
        return self.kind != self.Kind.INCREMENTAL


class Record(models.Model):
    """One object of the vendor, and the dated evidence about it. `records` has the rule that merges evidence."""

    class Proof(models.TextChoices):
        """What showed that a record is deleted."""

        NONE = "", "not deleted"
        EVENT = "event", "a webhook"
        CALL = "call", "the vendor's answer to a call for this record"
        LISTING = "listing", "two listings that lack it"
        PARENT = "parent", "the deletion of the record that it belongs to"
        EARLIER = "earlier", "an earlier version of this program"

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="records")
    location_id = models.CharField(max_length=64)
    resource = models.CharField(max_length=40)
    record_id = models.CharField(max_length=64)
    payload = models.JSONField()
    version_at = models.DateTimeField(
        help_text="the date of the payload: the vendor's own date of change, if it has one"
    )
    alive_at = models.DateTimeField(
        null=True, blank=True, help_text="the latest moment at which a creation or a listing shows that it existed"
    )
    seen_run = models.BigIntegerField(null=True, blank=True, help_text="the last full run that saw it")
    missing_at = models.DateTimeField(null=True, blank=True, help_text="when the vendor's answers began to lack it")
    deleted_at = models.DateTimeField(null=True, blank=True)
    deleted_by = models.CharField(max_length=10, blank=True, choices=Proof.choices, db_default="")
    updated_at = models.DateTimeField(help_text="when this row's payload or deletion was last changed here")
    last_change = models.JSONField(
        null=True, editable=False, help_text="what the last merge with history changed (`changes`)"
    )
    # Of rows from before the change feed both are 0.
    changed_in = models.BigIntegerField(
        db_default=TransactionId(), editable=False, help_text="the transaction that last changed it (`sync.feed`)"
    )
    added_in = models.BigIntegerField(
        db_default=TransactionId(), editable=False, help_text="the transaction that made it, or brought it back"
    )

    class Meta:
        """One row per record; a tombstone has a date and a proof, or neither."""

        constraints = [
            models.UniqueConstraint(fields=["app", "location_id", "resource", "record_id"], name="each_record_once"),
            models.CheckConstraint(
                condition=models.Q(deleted_at=None, deleted_by="")
                | (models.Q(deleted_at__isnull=False) & ~models.Q(deleted_by="")),
                name="sync_record_tombstone_proven",
            ),
        ]
        indexes = searchable.INDEXES

    def __str__(self) -> str:
        return f"{self.resource} {self.record_id}"


class FeedPosition(models.Model):
    """How far a consumer has read the changes of a resource (`sync.feed.change_feed`)."""

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="feed_positions")
    consumer = models.CharField(max_length=64)
    resource = models.CharField(max_length=40)
    changed_in = models.BigIntegerField(default=0)
    record_pk = models.BigIntegerField(default=0)
    read_at = models.DateTimeField(help_text="when the consumer last read or acknowledged changes")
    delivered = models.BigIntegerField(default=0, help_text="changes that it acknowledged")
    batches = models.BigIntegerField(default=0, help_text="in so many batches")

    class Meta:
        """One position per consumer and resource."""

        constraints = [models.UniqueConstraint(fields=["app", "consumer", "resource"], name="one_feed_position")]

    def __str__(self) -> str:
        return f"{self.consumer} in {self.resource}"

    @property
    def place(self) -> tuple[int, int]:
        """The place in the feed: the last change that the consumer acknowledged."""
        return self.changed_in, self.record_pk


class ResourceChoice(models.Model):
    """What somebody chose for a resource in the locations of an app (`resource_choices`)."""

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="resource_choices")
    resource = models.CharField(max_length=40)
    enabled = models.BooleanField()
    every = models.DurationField(null=True, blank=True, help_text="the wait between two runs; empty: the resource's")
    keeps_history = models.BooleanField(default=False, db_default=False)
    fields = models.JSONField(default=dict, blank=True, db_default=Value({}, models.JSONField()))
    filters = models.JSONField(default=dict, blank=True, db_default=Value({}, models.JSONField()))

    class Meta:
        """One choice per resource of an app."""

        constraints = [models.UniqueConstraint(fields=["app", "resource"], name="one_choice_per_resource")]

    def __str__(self) -> str:
        return f"{self.resource}: {'on' if self.enabled else 'off'}"


class AdaptiveChoice(models.Model):
    """Whether an app's intervals adapt, the bounds of each interval, and the calls that all of them may cost in a day.

    `planned_calls` are those of the intervals that were set last. They are more than `calls_per_day` only where the
    longest intervals already cost more.
    """

    app = models.OneToOneField(App, on_delete=models.CASCADE, primary_key=True, related_name="adaptive_choice")
    enabled = models.BooleanField()
    shortest = models.DurationField()
    longest = models.DurationField()
    calls_per_day = models.PositiveBigIntegerField(help_text="of all locations together")
    due_at = models.DateTimeField(null=True, blank=True, db_index=True)
    computed_at = models.DateTimeField(null=True, blank=True)
    planned_calls = models.PositiveBigIntegerField(null=True, blank=True)

    def __str__(self) -> str:
        return f"adaptive intervals: {'on' if self.enabled else 'off'}"


class SuppressionKey(models.Model):
    """The key of the hashes in `SuppressedRecord`, sealed by the vault. One row, made with the first suppression."""

    sealed = models.BinaryField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return "key of suppressed records"


class SuppressedRecord(models.Model):
    """A record that was purged on request and must not come back into the copy (`sync.suppression`).

    It has keyed hashes and no id: who reads the table learns neither the location nor the person.
    """

    location_hash = models.BinaryField(max_length=32, db_index=True)
    record_hash = models.BinaryField(max_length=32, unique=True)
    since = models.DateTimeField()

    def __str__(self) -> str:
        return f"suppressed since {self.since:%Y-%m-%d}"


class RecordKey(models.Model):
    """The data key of one location, sealed by the vault: it encrypts the sealed fields of the location's records."""

    location_id = models.CharField(primary_key=True, max_length=64)
    sealed = models.BinaryField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"data key of {self.location_id}"
