"""Models of sync: Plan, Run, Record and what is suppressed.

Plans (which resource of which location), runs (one pass), records (the synced copy) and what is suppressed (records
that must not come back).
"""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Value
from django.utils.functional import cached_property

from integrations.core.runs.models import AbstractPlan, run_constraints, run_indexes
from integrations.core.runs.querysets import PlanManager, RunManager
from integrations.core.sql.known_values import known_values
from integrations.core.tenant import Tenant
from integrations.sync.changes.history_entry import HistoryEntry
from integrations.sync.resources import RESOURCES, Resource, searchable, tenant_of
from integrations.sync.resources.searchable import TransactionId
from integrations.sync.tables.adaptive_choice import AdaptiveChoice
from integrations.sync.tables.chosen_variant import ChosenVariant
from integrations.sync.tables.feed_position import FeedPosition
from integrations.sync.tables.signed_run import SignedRun
from integrations.tenants.credential_kinds import ApiName
from integrations.tenants.models import App, Installation

__all__ = [
    "AdaptiveChoice",
    "ChosenVariant",
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
    """The plan to keep one resource of one tenant synced. It is written with its MACs (`signed.plan_macs`).

    A plan with a `variant` is a further listing of the same resource, with filters and an interval of its own
    (`variants`). Which fields are kept, and whether history is, says the one without.

    The resource says whether the tenant is a location or a company (`Resource.level`), and `location_id` has its id:
    the vendor's ids are unique over both.
    """

    not_due = {"due_at": None, "due_mac": None}

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="plans")
    location_id = models.CharField("location id", max_length=64)
    resource = models.CharField(max_length=40)
    variant = models.CharField(max_length=40, blank=True, default="", db_default="")
    cursor_at = models.DateTimeField("changes are here up to", null=True, blank=True)
    full_due_at = models.DateTimeField("next full run", null=True, blank=True, help_text="empty: at once")
    repair_asked_at = models.DateTimeField("repair asked for", null=True, blank=True)
    counted_at = models.DateTimeField("last compared with HighLevel's count", null=True, blank=True)
    surplus = models.IntegerField(
        "unexplained records",
        default=0,
        db_default=0,
        help_text="records of the copy beyond the vendor's count that a full run did not explain",
    )
    synced_at = models.DateTimeField("last synced", null=True, blank=True)
    position = models.JSONField("last parent visited", null=True, blank=True, help_text="in the order of changes")
    calls_per_day = models.PositiveIntegerField(
        "most calls a day", null=True, blank=True, help_text="below single records; empty: 10,000"
    )
    calls_today = models.PositiveIntegerField("calls of that day", default=0, db_default=0)
    calls_on = models.DateField("day of these calls", null=True, blank=True)
    is_own_choice = models.BooleanField("chosen for this location", default=False, db_default=False)
    is_left_out = models.BooleanField("not chosen", default=False, db_default=False)
    every = models.DurationField("wait between runs", null=True, blank=True, help_text="empty: the resource's")
    adapted_every = models.DurationField(
        "adapted wait",
        null=True,
        blank=True,
        editable=False,
        help_text="that wait as it adapts to the location",
    )
    listed = models.PositiveIntegerField("rows of the last whole listing", null=True, blank=True)
    keeps_history = models.BooleanField("keeps history", default=False, db_default=False)
    drop_due_at = models.DateTimeField("next deletion of records, on request", null=True, blank=True)
    fields = models.JSONField(
        default=dict,
        blank=True,
        db_default=Value({}, models.JSONField()),
        help_text="which fields are kept; empty: all",
    )
    fields_chosen_at = models.DateTimeField("fields chosen", null=True, blank=True)
    fields_due_at = models.DateTimeField("next deletion of fields left out", null=True, blank=True)
    filters = models.JSONField(
        default=dict,
        blank=True,
        db_default=Value({}, models.JSONField()),
        help_text="filters of the listing, by parameter",
    )
    mac = models.BinaryField(null=True)
    due_mac = models.BinaryField(null=True)

    objects = PlanManager()

    class Meta:
        """One plan per resource and variant of a location."""

        constraints = [
            models.UniqueConstraint(fields=["app", "location_id", "resource", "variant"], name="one_plan_per_variant")
        ]
        indexes = [
            models.Index(fields=["drop_due_at"], condition=models.Q(drop_due_at__isnull=False), name="plan_drop_due"),
            models.Index(
                fields=["fields_due_at"], condition=models.Q(fields_due_at__isnull=False), name="plan_fields_due"
            ),
            models.Index(fields=["location_id"], condition=models.Q(keeps_history=True), name="plan_keeping_history"),
        ]

    def __str__(self) -> str:
        return f"{self.title} of {self.location_id}"

    @property
    def title(self) -> str:
        """The resource, with the variant if it is one."""
        return f"{self.resource} ({self.variant})" if self.variant else self.resource

    @property
    def tenant(self) -> Tenant:
        """The location or company whose resource it is."""
        return tenant_of(self.resource, self.location_id)

    @cached_property
    def api_name(self) -> ApiName:
        """The API that the tenant's installation works with: one query."""
        tenant = self.tenant
        mine = Installation.objects.filter(app=self.app_id, user_type=tenant.user_type, resource_id=tenant.id)
        row: Installation | None = mine.first()
        if row is None:
            return self.app.dialect_name
        row.app = self.app
        return row.api_name

    @cached_property
    def notes_changes(self) -> bool:
        """Whether its runs keep history: as the plan of the resource without a variant says."""
        main = {"app": self.app_id, "location_id": self.location_id, "resource": self.resource, "variant": ""}
        return self.keeps_history if not self.variant else Plan.objects.filter(**main, keeps_history=True).exists()

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


class Run(SignedRun):
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
    seen = models.PositiveIntegerField("rows read", default=0)
    skipped = models.PositiveIntegerField(default=0, help_text="rows without a usable id")
    total = models.PositiveIntegerField(
        "HighLevel's own count", null=True, blank=True, help_text="the least of any page with rows"
    )
    changed = models.PositiveIntegerField(default=0, db_default=0, help_text="records that differed from the copy")
    asked = models.PositiveIntegerField("single records asked for", default=0, db_default=0)
    deleted = models.PositiveIntegerField(default=0)

    objects = RunManager()

    class Meta:
        """The constraints and indexes of the engine."""

        constraints = [*run_constraints("plan"), *known_values(kind=["full", "incremental", "repair"])]
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
    version_at = models.DateTimeField("HighLevel's date of change")
    alive_at = models.DateTimeField("last known to exist", null=True, blank=True)
    seen_run = models.BigIntegerField("last full sync that saw it", null=True, blank=True)
    missing_at = models.DateTimeField("missing since", null=True, blank=True)
    deleted_at = models.DateTimeField("deleted", null=True, blank=True)
    deleted_by = models.CharField(max_length=10, blank=True, choices=Proof.choices, db_default="")
    updated_at = models.DateTimeField("changed here")
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
            *known_values(deleted_by=["", "event", "call", "listing", "parent", "earlier"]),
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

    @property
    def tenant(self) -> Tenant:
        """The location or company whose record it is; `location_id` has the id of either."""
        return tenant_of(self.resource, self.location_id)


class ResourceChoice(models.Model):
    """What an operator chose for a resource in the locations of an app (`resource_choices`), with its MAC."""

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="resource_choices")
    resource = models.CharField(max_length=40)
    enabled = models.BooleanField()
    every = models.DurationField(null=True, blank=True, help_text="the wait between two runs; empty: the resource's")
    keeps_history = models.BooleanField(default=False, db_default=False)
    fields = models.JSONField(default=dict, blank=True, db_default=Value({}, models.JSONField()))
    filters = models.JSONField(default=dict, blank=True, db_default=Value({}, models.JSONField()))
    calls_per_day = models.PositiveIntegerField("most calls a day", null=True, blank=True)
    mac = models.BinaryField(null=True)

    class Meta:
        """One choice per resource of an app."""

        constraints = [models.UniqueConstraint(fields=["app", "resource"], name="one_choice_per_resource")]

    def __str__(self) -> str:
        return f"{self.resource}: {'on' if self.enabled else 'off'}"


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
    """The data key of one location or company, sealed by the vault: it encrypts the sealed fields of its records."""

    location_id = models.CharField(primary_key=True, max_length=64)
    sealed = models.BinaryField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"data key of {self.location_id}"
