"""Model of the one-time OAuth `state`. Only hashes are stored."""

from __future__ import annotations

from django.db import models

from integrations.tenants.models import App, Installation


class InstallState(models.Model):
    """A state that our install page issued. `digest` is its SHA-256, `browser` that of the cookie it is bound to."""

    digest = models.BinaryField(max_length=32, unique=True)
    browser = models.BinaryField(max_length=32)
    app = models.ForeignKey(App, on_delete=models.CASCADE)
    claimant = models.CharField(max_length=200, blank=True)
    installation = models.ForeignKey(
        Installation,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="of a consent link: the account that is asked",
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    consumed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"install of {self.app} begun {self.created_at:%Y-%m-%d %H:%M}"
