"""`FeedPosition`: the model of a consumer's place in the change feed. Django finds it in `sync.models`."""

from __future__ import annotations

from django.db import models

from integrations.tenants.models import App


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
