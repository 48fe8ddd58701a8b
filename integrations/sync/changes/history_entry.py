"""Model of the history of records: one row for each change of a record whose plan keeps history."""

from __future__ import annotations

from django.db import models

from integrations.core.sql.known_values import known_values
from integrations.tenants.models import App


class HistoryEntry(models.Model):
    """What changed in a record, when it was changed here, and what showed it.

    `fields` has the changed top-level fields of the payload, each with its old and its new value; sealed values stay
    sealed. `reference` is the webhook's id, or the number of the sync run. A row refers to no record, because it is
    written with it in one statement; it goes when the record's location, or its contact, is purged.
    """

    class What(models.TextChoices):
        """What happened to the record."""

        ADDED = "added", "added"
        CHANGED = "changed", "changed"
        DELETED = "deleted", "deleted"
        RESTORED = "restored", "came back"

    class Source(models.TextChoices):
        """What showed it."""

        LISTING = "listing", "a listing"
        EVENT = "event", "a webhook"
        CALL = "call", "a call for this record"
        PARENT = "parent", "the deletion of the record that it belongs to"
        OPERATOR = "operator", "an operator, who let deletions pass"

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="+", db_index=False)
    location_id = models.CharField(max_length=64)
    resource = models.CharField(max_length=40)
    record_id = models.CharField(max_length=64)
    at = models.DateTimeField(help_text="when it was changed here")
    what = models.CharField(max_length=8, choices=What.choices)
    fields = models.JSONField(default=dict)
    source = models.CharField(max_length=8, choices=Source.choices)
    event_type = models.CharField(max_length=64, blank=True)
    reference = models.CharField(max_length=100, blank=True)

    class Meta:
        """One index: for a record's page, its purge and that of its location. Old rows are the first of the table."""

        constraints = known_values(
            what=["added", "changed", "deleted", "restored"], source=["listing", "event", "call", "parent", "operator"]
        )
        indexes = [models.Index(fields=["location_id", "resource", "record_id", "id"], name="history_of_record")]

    def __str__(self) -> str:
        return f"{self.resource} {self.record_id} {self.what}"
