"""Models of the gateway: usage statistics (`Usage`, per minute, later per hour; `UsageTotal` over all tenants) and
failed or slow calls (`Call`).

Statistics must never make a call fail. So neither table has a foreign key that could make an INSERT fail.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from integrations.core.sql.known_values import known_values
from integrations.gateway.histogram import SIZE
from integrations.tenants.models import App


class Usage(models.Model):
    """HTTP attempts of one kind in one span. `code` is the error's, empty for success; `spent` counts permits."""

    class Span(models.IntegerChoices):
        """Length of the time that one row covers, in seconds."""

        MINUTE = 60, "minute"
        HOUR = 3600, "hour"

    span = models.PositiveSmallIntegerField(choices=Span.choices)
    at = models.DateTimeField("from", help_text="when the span begins")
    app = models.ForeignKey(App, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    resource_id = models.CharField("company or location id", max_length=64)
    operation = models.CharField(max_length=120)
    job = models.CharField(max_length=80, blank=True, help_text="empty: a page or a command")
    lane = models.CharField(max_length=12)
    code = models.CharField(max_length=40, blank=True)
    calls = models.BigIntegerField()
    spent = models.BigIntegerField()
    took_ms = models.BigIntegerField("duration in ms", help_text="in all, those without an answer included")
    slowest_ms = models.IntegerField("slowest in ms")
    buckets = ArrayField(models.BigIntegerField(), size=SIZE, help_text="gateway.histogram")

    class Meta:
        """Uniqueness of the combination of columns that names one row."""

        constraints = [
            *known_values(span=[60, 3600]),
            models.UniqueConstraint(
                fields=["span", "at", "app", "resource_id", "operation", "job", "lane", "code"], name="one_usage_line"
            ),
        ]
        indexes = [models.Index(fields=["resource_id", "at"], name="usage_of_tenant")]
        verbose_name = verbose_name_plural = "API usage"

    def __str__(self) -> str:
        return f"{self.calls} calls of {self.operation}"


class UsageTotal(models.Model):
    """Usage of all tenants in half an hour or three hours, added up for the usage page (`stats.usage_totals`)."""

    class Span(models.IntegerChoices):
        """Length of the time that one row covers, in seconds."""

        HALF_HOUR = 1_800, "half an hour"
        THREE_HOURS = 10_800, "three hours"

    span = models.PositiveSmallIntegerField(choices=Span.choices)
    at = models.DateTimeField(help_text="when the span begins")
    app = models.ForeignKey(App, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    operation = models.CharField(max_length=120)
    job = models.CharField(max_length=80, blank=True)
    lane = models.CharField(max_length=12)
    code = models.CharField(max_length=40, blank=True)
    calls = models.BigIntegerField()
    spent = models.BigIntegerField()
    slowest_ms = models.IntegerField()
    buckets = ArrayField(models.BigIntegerField(), size=SIZE, help_text="gateway.histogram")

    class Meta:
        """Uniqueness of the combination of columns that names one row."""

        constraints = [
            *known_values(span=[1800, 10800]),
            models.UniqueConstraint(
                fields=["span", "at", "app", "operation", "job", "lane", "code"], name="one_usage_total"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.calls} calls of {self.operation}"


class Call(models.Model):
    """One failed or slow call, complete but redacted (`gateway.stats.anonymize`). Kept for two weeks."""

    at = models.DateTimeField("when", db_index=True)
    app = models.ForeignKey(App, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    resource_id = models.CharField("tenant", max_length=64)
    operation = models.CharField(max_length=120)
    job = models.CharField(max_length=80, blank=True)
    # The database's default serves processes of the release before, which do not know the column.
    run = models.CharField(max_length=40, blank=True, default="", db_default="", help_text="the run that made it")
    lane = models.CharField(max_length=12)
    slow = models.BooleanField(default=False)
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="empty: no answer")
    code = models.CharField("error code", max_length=40, blank=True)
    message = models.CharField(max_length=300, blank=True)
    trace_id = models.CharField(max_length=64, blank=True)
    took_ms = models.PositiveIntegerField("duration in ms")
    method = models.CharField(max_length=7)
    path = models.CharField(max_length=300)
    query = models.JSONField(default=list)
    body = models.JSONField(null=True, blank=True)
    response = models.JSONField(null=True, blank=True)
    request_sealed = models.BinaryField(null=True, editable=False, help_text="what was sent (`stats.sent_request`)")

    class Meta:
        """Indexes for the list's filters, and the permission to use the call explorer."""

        # One of these serves each page of the list, its count, and the values that a filter offers.
        indexes = [
            models.Index(fields=[column, "id"], name=f"call_by_{column}")
            for column in ("resource_id", "operation", "status", "code", "job")
        ] + [
            models.Index(fields=["trace_id"], name="call_by_trace_id"),
            models.Index(fields=["run"], condition=~models.Q(run=""), name="call_by_run"),
        ]
        permissions = [("explore", "May call the API by hand, in the call explorer")]
        verbose_name = "failed or slow call"

    def __str__(self) -> str:
        return f"{self.operation} {self.status or self.code}"
