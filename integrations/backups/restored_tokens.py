"""After a restore: makes every refreshable credential due, and reports which tenants must reconnect.

A refresh token works once, but for 30 seconds in which the vendor repeats its answer (FACTS 1.4). So a copy has dead
ones for all that were refreshed after it was made. Each credential becomes due: its refresh proves it, and where the
refresh token is dead, its company's token mints a new pair. What neither helps needs a new installation by its agency.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from integrations.core import audit, clock
from integrations.core.errors import BadRequest, IntegrationError
from integrations.core.models import AuditEntry
from integrations.core.tenant import UserType
from integrations.tokens.models import Credential, CredentialQuerySet
from integrations.tokens.refresh.claim_call_swap import refresh

RESTORED = "backup.restored"
_WAIT_SECONDS = 60.0
_SOON = timedelta(seconds=_WAIT_SECONDS)
_PAUSE = 0.5  # seconds


@dataclass(slots=True)
class TokenReport:
    """Credentials since a restore: how many were proven, how many wait, and those that need a reconnect, with why."""

    restored_at: datetime
    proven: int = 0
    waiting: int = 0
    entered: int = 0  # tokens that do not rotate: they are as good as when the backup was made
    reconnect: dict[str, str] = field(default_factory=dict)


def mark_unproven(name: str, *, actor: str, made_at: datetime | None) -> None:
    """Make every credential that can be refreshed due now, without the leases and intents of dead processes."""
    with transaction.atomic():
        marked = _refreshable().update(
            refresh_due_at=clock.now(),
            lease_owner="",
            lease_until=None,
            intent_generation=None,
            intent_at=None,
            rejected_generation=None,
            doubted_at=None,
        )
        as_of = made_at.isoformat() if made_at else None
        audit.record(RESTORED, actor=actor, subject=name, made_at=as_of, credentials=marked)


def prove_now() -> None:
    """Refresh what is marked, companies first, because locations may need their tokens. The rows have the outcome.

    What has to wait for a permit is tried again for a minute, and then left to the workers.
    """
    restored_at, until = _restored_at(), clock.monotonic() + _WAIT_SECONDS
    while (waiting := _refreshable().exclude(refreshed_at__gt=restored_at)).exists():
        due = waiting.filter(refresh_due_at__lte=clock.now())
        for credential_id in _companies_first(due.values_list("pk", "user_type")):
            try:
                refresh(credential_id, due_before=clock.now())
            except IntegrationError:
                continue  # the refresh has written it to the row
        if clock.monotonic() > until or not waiting.filter(refresh_due_at__lte=clock.now() + _SOON).exists():
            return
        clock.sleep(_PAUSE)


def report() -> TokenReport:
    """The credentials since the last restore. Raises BadRequest when none is recorded."""
    found = TokenReport(_restored_at())
    for row in Credential.objects.exclude(state=Credential.State.REVOKED).order_by("pk").iterator():
        if row.state == Credential.State.NEEDS_RECONNECT:
            found.reconnect[row.tenant.audit_subject] = row.reason
        elif not row.abilities.renews:
            found.entered += 1
        elif row.refreshed_at and row.refreshed_at > found.restored_at:
            found.proven += 1
        else:
            found.waiting += 1
    return found


def _restored_at() -> datetime:
    at = AuditEntry.objects.filter(action=RESTORED).order_by("-number").values_list("at", flat=True).first()
    if at is None:
        raise BadRequest("the audit trail records no restore")
    return at


def _refreshable() -> CredentialQuerySet:
    active = Credential.objects.filter(kind=Credential.Kind.OAUTH, state=Credential.State.ACTIVE)
    return active.exclude(access_sealed=None, refresh_sealed=None)


def _companies_first(rows: Iterable[tuple[int, str]]) -> list[int]:
    return [pk for pk, _ in sorted(rows, key=lambda row: (row[1] != UserType.COMPANY, row[0]))]
