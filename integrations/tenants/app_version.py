"""Model of the versions of a marketplace app, as installations name them. Operators add what only the portal shows."""

from __future__ import annotations

from datetime import datetime

from django.db import models


class AppVersion(models.Model):
    """One version of an app. The first installation that names it adds the row; installations refer to it by its id.

    The vendor uninstalls every installation of a version on the day of its deprecation (FACTS 10). No event and no call
    announces it, so an operator enters the day.
    """

    app = models.ForeignKey("tenants.App", on_delete=models.CASCADE, related_name="versions")
    version_id = models.CharField("id of the version", max_length=64)
    number = models.CharField(max_length=30, blank=True, help_text="from the portal, such as 2.1.0")
    scopes = models.TextField(blank=True, help_text="that this version asks for, from the portal; separated by spaces")
    deprecated_at = models.DateTimeField(
        "ends",
        null=True,
        blank=True,
        help_text="when HighLevel uninstalls every installation of this version; from the portal",
    )
    reason = models.CharField(max_length=300, blank=True, help_text="the reason that the portal shows to users")
    entered_at = models.DateTimeField(
        "last installed",
        null=True,
        blank=True,
        help_text="when an installation last began with this version or moved to it",
    )
    created_at = models.DateTimeField("first seen")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["app", "version_id"], name="one_row_per_app_version")]
        verbose_name = "app version"

    def __str__(self) -> str:
        return self.number or self.version_id

    @property
    def scope_set(self) -> frozenset[str]:
        """`scopes` as a set; empty until they are entered."""
        return frozenset(self.scopes.split())

    def rank(self) -> tuple[tuple[int, ...], float]:
        """What sorts versions from old to new: the number, then the last time an installation came to it.

        The vendor gives new installations the newest live version, so that time tells where numbers do not.
        """
        parts = self.number.strip().lstrip("v").split(".")
        number = tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()
        return number, (self.entered_at or self.created_at).timestamp()

    def is_deprecated(self, now: datetime) -> bool:
        """Whether its installations are uninstalled by now."""
        return self.deprecated_at is not None and self.deprecated_at <= now
