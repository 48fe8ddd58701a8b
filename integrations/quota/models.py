"""Models of the quota room: parked tasks and usage. The permits themselves are in Redis."""

from __future__ import annotations

from django.db import models

from integrations.quota.permits.lanes import Lane


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
    kwargs = models.JSONField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    turn = models.PositiveIntegerField(default=0)
    reason = models.CharField(
        max_length=8, blank=True, help_text="what was missing: quota (burst or day), or the quota store (store)"
    )
    parked_at = models.DateTimeField()
    place_at = models.DateTimeField(help_text="position among the waiting tasks, the earliest first")
    due_at = models.DateTimeField(help_text="no worker gets it before")
    back_at = models.DateTimeField(null=True, blank=True, help_text="when it waits again unless it has ended by then")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["task", "kwargs"], name="each_task_parked_once")]
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
    bucket_at = models.DateTimeField()
    lane = models.CharField(max_length=12)
    job = models.CharField(max_length=80, blank=True, help_text="empty: a page or a command")
    calls = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "bucket_at", "lane", "job"], name="one_usage_row")]
        indexes = [models.Index(fields=["bucket_at"], name="usage_age")]
        verbose_name_plural = "usage"

    def __str__(self) -> str:
        return f"{self.calls} calls of {self.key}"
