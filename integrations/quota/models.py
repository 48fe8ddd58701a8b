"""Models of the quota room: parked tasks and usage. The permits themselves are in Redis."""

from __future__ import annotations

from django.db import models
from django.db.models.expressions import Combinable

from integrations.core.sql.known_values import known_values
from integrations.quota.permits.lanes import Lane


class ParkedQuerySet(models.QuerySet["Parked"]):
    """Parked tasks. The leader, which has a connection of its own, changes their states by SQL (`parked_rows`)."""

    def begin(self, *, back_at: Combinable) -> int:
        """Handed to running. `back_at`, by the database's clock, is when the task waits again unless it is renewed."""
        return self.filter(state=Parked.State.HANDED).update(state=Parked.State.RUNNING, back_at=back_at)

    def renew(self, *, back_at: Combinable) -> int:
        """Running tasks go on until `back_at`."""
        return self.filter(state=Parked.State.RUNNING).update(back_at=back_at)


class Parked(models.Model):
    """One task that waits for a permit of one resource. The row decides; the message that starts the task is a hint.

    `turn` counts the times it was handed to a worker: a message that names an older turn is stale and starts nothing.
    """

    class State(models.TextChoices):
        """A parked task waits, is handed to a worker, or runs."""

        WAITING = "waiting", "waiting"
        HANDED = "handed", "handed to a worker"
        RUNNING = "running", "running"

    key = models.CharField("resource", max_length=160, help_text="<client id>:<location or company id>")
    lane = models.CharField(max_length=12, choices=[(lane.value, lane.value) for lane in Lane])
    task = models.CharField(max_length=80)
    kwargs = models.JSONField("arguments")
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    turn = models.PositiveIntegerField("times handed out", default=0)
    reason = models.CharField(
        max_length=8, blank=True, help_text="what was missing: quota (burst or day), or the quota store (store)"
    )
    parked_at = models.DateTimeField("parked")
    place_at = models.DateTimeField(
        "place in the line", help_text="position among the waiting tasks, the earliest first"
    )
    due_at = models.DateTimeField("next try", help_text="no worker gets it before")
    back_at = models.DateTimeField(
        "waits again", null=True, blank=True, help_text="when it waits again unless it has ended by then"
    )

    objects = ParkedQuerySet.as_manager()

    class Meta:
        constraints = [
            *known_values(lane=[lane.value for lane in Lane], state=["waiting", "handed", "running"]),
            models.UniqueConstraint(fields=["task", "kwargs"], name="each_task_parked_once"),
        ]
        indexes = [
            models.Index(
                fields=["key", "lane", "place_at", "id"], condition=models.Q(state="waiting"), name="parked_line"
            ),
            models.Index(fields=["back_at"], condition=~models.Q(state="waiting"), name="parked_back"),
        ]
        verbose_name = "parked task"

    def __str__(self) -> str:
        return f"{self.task} for {self.key}"


class Usage(models.Model):
    """Calls sent in five minutes, by lane and job. `usage.merge_old` merges older rows by lane and hour."""

    key = models.CharField("resource", max_length=160)
    bucket_at = models.DateTimeField("beginning")
    lane = models.CharField(max_length=12)
    job = models.CharField(max_length=80, blank=True, help_text="empty: a page or a command")
    calls = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "bucket_at", "lane", "job"], name="one_usage_row")]
        indexes = [models.Index(fields=["bucket_at"], name="usage_age")]
        verbose_name_plural = "usage"

    def __str__(self) -> str:
        return f"{self.calls} calls of {self.key}"
