"""Models of the room `modules`: keys of apps for the calls that HighLevel does not sign, and subscribed triggers."""

from __future__ import annotations

from django.db import models

from integrations.tenants.models import App

LONGEST_URL = 500


class ModuleKey(models.Model):
    """A key of an app. The newest two are valid, so that a key can be replaced while HighLevel still sends the former.

    It is sealed, bound to the app and its number (`modules.module_keys`).
    """

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="module_keys")
    number = models.PositiveIntegerField(help_text="counts from 1")
    key_sealed = models.BinaryField(editable=False)
    created_at = models.DateTimeField("made")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["app", "number"], name="one_module_key_per_number")]
        verbose_name = "key for modules"
        verbose_name_plural = "keys for modules"

    def __str__(self) -> str:
        return f"key {self.number} of {self.app}"


class TriggerSubscription(models.Model):
    """A workflow of a location that waits for a trigger of the app: `modules.triggers` fires it.

    A subscription that ended stays as a row without address, so that an older event that is replayed does not bring it
    back. `mac` covers all of it (`modules.subscription_mac`).
    """

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="trigger_subscriptions")
    location_id = models.CharField("location", max_length=64)
    trigger_id = models.CharField("id of the trigger", max_length=100, help_text="HighLevel's, of this one workflow")
    workflow_id = models.CharField("id of the workflow", max_length=100, blank=True)
    key = models.CharField(max_length=100, help_text="the trigger's key in the developer portal")
    filters = models.JSONField(default=list, help_text="the conditions that the workflow's author chose")
    target_url = models.CharField(
        "address to fire it", max_length=LONGEST_URL, blank=True, help_text="empty: the subscription has ended"
    )
    subscribed_at = models.DateTimeField("as of", help_text="when HighLevel sent it")
    mac = models.BinaryField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["app", "location_id", "workflow_id", "trigger_id"], name="one_subscription_per_trigger"
            )
        ]
        indexes = [
            models.Index(
                fields=["app", "location_id", "key"], condition=~models.Q(target_url=""), name="trigger_subscribed"
            )
        ]
        verbose_name = "subscription to a trigger"
        verbose_name_plural = "subscriptions to triggers"

    def __str__(self) -> str:
        return f"{self.key} of workflow {self.workflow_id}"
