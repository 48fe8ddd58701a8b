"""Deletes the secrets of marketplace apps that a lost key sealed. An app without its client secret is halted.

Without its shared secret an app loses only page SSO, so its refreshes go on.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db import transaction

from integrations.core import audit, clock
from integrations.tenants import marketplace
from integrations.tenants.models import App
from integrations.vault import columns, forget
from integrations.vault.seal import is_under

HALTED, WITHOUT_SSO = "halted", "without page SSO"
_BATCH = 100


class AppSecrets:
    """`vault.forget.LostKeyHandler` for the secrets of apps."""

    label = "tenants.App"

    def forget(self, key_id: str, *, actor: str) -> Counter[str]:
        """Delete the secrets of up to 100 apps that this key sealed. Returns counts by `HALTED` and `WITHOUT_SSO`."""
        counts: Counter[str] = Counter()
        with transaction.atomic():
            audit.lock()
            rows = columns.sealed_by(App, key_id).select_for_update(skip_locked=True).order_by("pk")
            for app in rows[:_BATCH]:
                counts[_delete_secrets(app, key_id, actor)] += 1
        return counts


def register() -> None:
    """Register the handler with the vault. Called once at start-up."""
    forget.register(AppSecrets())


def _delete_secrets(app: App, key_id: str, actor: str) -> str:
    lost = [name for name in ("client_secret", "shared_secret") if is_under(getattr(app, f"{name}_sealed"), key_id)]
    values: dict[str, Any] = {f"{name}_sealed": None for name in lost}
    halts = "client_secret" in lost
    if halts:
        reason = f"its client secret was sealed by the key {key_id!r}, which is lost: {marketplace.SECRET_NEEDED}"
        values |= {"halted_at": clock.now(), "halted_reason": reason[:300]}
    App.objects.filter(pk=app.pk).update(**values)
    outcome = HALTED if halts else WITHOUT_SSO
    audit.record("app.key_lost", actor=actor, subject=f"app:{app.highlevel_id}", key_id=key_id, lost=lost, then=outcome)
    return outcome
