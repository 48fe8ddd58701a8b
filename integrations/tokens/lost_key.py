"""Recovery of credentials whose vault key is lost: refresh, mint, or mark as needing a reconnect.

::

    what is lost                       the row                      next
    the access token alone             as it was, without it        refreshed, due at once
    more, its company's grant lives    as it was, without it        minted, due at once
    more, no company to mint from      needs reconnect              never; a company that comes back mints it

The generation is not changed: a pair that another process just received, or that waits in the spool, can still be
committed. A suspended credential keeps its own due time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.core import audit, clock
from integrations.core.errors import SealBroken
from integrations.core.tenant import UserType
from integrations.tokens import connection_history
from integrations.tokens.models import Credential
from integrations.vault import columns, forget
from integrations.vault.columns import KeyId
from integrations.vault.seal import is_under

RECONNECT, MINTED, REFRESHED = "needs reconnect", "minted again", "refreshed again"
_BATCH = 200
State = Credential.State


class CredentialTokens:
    """`vault.forget.LostKeyHandler` for the tokens of credentials."""

    label = "tokens.Credential"

    def forget(self, key_id: str, *, actor: str) -> Counter[str]:
        """Recover or end up to 200 credentials that this key sealed. Returns counts by outcome."""
        counts: Counter[str] = Counter()
        with transaction.atomic():
            audit.lock()
            rows = columns.sealed_by(Credential, key_id).select_for_update(skip_locked=True).order_by("pk")
            batch = list(rows[:_BATCH])
            alive = _companies_alive(batch, key_id)
            for row in batch:
                counts[_recover(row, key_id, alive, actor)] += 1
        return counts


def register() -> None:
    """Register the handler with the vault. Called once at start-up."""
    forget.register(CredentialTokens())


def _recover(row: Credential, key_id: str, alive: Collection[tuple[int, str]], actor: str) -> str:
    lost = [column for column in ("access_sealed", "refresh_sealed") if is_under(getattr(row, column), key_id)]
    step = _next_step(row, lost, alive)
    values: dict[str, Any] = dict.fromkeys(lost)
    if step == RECONNECT:
        values |= _emptied(row, key_id, clock.now())
    elif row.state == State.ACTIVE:
        values["refresh_due_at"] = clock.now()
    Credential.objects.filter(pk=row.pk).update(**values)
    if values.get("state") == State.NEEDS_RECONNECT:
        connection_history.lost(row, values["reason"], now=clock.now())
    audit.record(
        "token.key_lost",
        actor=actor,
        subject=row.tenant.audit_subject,
        key_id=key_id,
        kind=row.kind,
        generation=row.generation,
        then=step,
    )
    return step


def _next_step(row: Credential, lost: list[str], alive: Collection[tuple[int, str]]) -> str:
    if row.state == State.NEEDS_RECONNECT:
        return RECONNECT
    if row.abilities.renews and row.refresh_sealed is not None and "refresh_sealed" not in lost:
        return REFRESHED
    return MINTED if row.is_minted and (row.app_id, row.company_id) in alive else RECONNECT


def _emptied(row: Credential, key_id: str, now: datetime) -> dict[str, Any]:
    emptied: dict[str, Any] = {
        "access_sealed": None,
        "refresh_sealed": None,
        "refresh_due_at": None,
        "lease_owner": "",
        "lease_until": None,
        "intent_generation": None,
        "intent_at": None,
    }
    if row.state == State.NEEDS_RECONNECT:
        return emptied  # it has a reason already: the vendor's
    cure = "install the app again" if row.abilities.renews else "enter it again"
    reason = f"it was sealed by the key {key_id!r}, which is lost: {cure}"
    trouble = {"last_error": reason, "last_error_code": SealBroken.code, "last_error_at": now, "last_trace_id": ""}
    return emptied | trouble | {"state": State.NEEDS_RECONNECT, "reason": reason}


def _companies_alive(batch: list[Credential], key_id: str) -> set[tuple[int, str]]:
    """The companies of these rows whose own grant is not lost."""
    ids = {row.company_id for row in batch if row.is_minted}
    companies = Credential.objects.filter(user_type=UserType.COMPANY, resource_id__in=ids, state=State.ACTIVE)
    sound = companies.exclude(refresh_sealed=None).annotate(sealed_by=KeyId("refresh_sealed"))
    sound = sound.exclude(sealed_by=key_id.encode())
    return set(sound.values_list("app_id", "resource_id"))
