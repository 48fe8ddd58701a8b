"""After a restore: stops upserts that were under way, because the copy does not know what they have sent since."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from integrations.core import audit
from integrations.core.errors import IntegrationError, SealBroken
from integrations.gateway import safe_writes
from integrations.upserts import pricing, runs, upsert_key
from integrations.upserts.models import Run, Upsert, UpsertRow
from integrations.upserts.upsert_key import RowCipher

REASON = "the database was restored from a backup: it may have sent rows since"
_State = UpsertRow.State


def hold(now: datetime, *, made_at: datetime, by: str) -> list[int]:
    """Stop the upserts that were started; their ids. `made_at` is as of when the database is.

    A row that was sent is of unknown fate. So is each that waits, unless its call may be made twice: a look-up or a
    person decides about it once an operator resumes the upsert.
    """
    with transaction.atomic():
        audit.lock()
        started = Upsert.objects.filter(phase=Upsert.Phase.STARTED).select_for_update(of=("self",))
        held = [upsert for upsert in started.select_related("app").order_by("pk") if _is_open(upsert)]
        for upsert in held:
            _hold_rows(upsert, now, made_at)
            _stop(upsert)
            audit.record("upsert.restored", actor=by, subject=upsert.tenant.audit_subject, upsert=upsert.pk)
        runs.cancel(Run.objects.filter(upsert__in=held), now, reason=REASON)
    return [upsert.pk for upsert in held]


def _is_open(upsert: Upsert) -> bool:
    running = Run.objects.filter(upsert=upsert).running().exists()
    return running or UpsertRow.objects.filter(upsert=upsert, state__in=(_State.WAITING, _State.SENT)).exists()


def _hold_rows(upsert: Upsert, now: datetime, made_at: datetime) -> None:
    states = [_State.SENT] if _may_repeat(upsert) else [_State.SENT, _State.WAITING]
    cipher = _cipher(upsert)
    for row in UpsertRow.objects.filter(upsert=upsert, state__in=states).order_by("number"):
        reason = f"the database was restored as of {made_at:%Y-%m-%d %H:%M} UTC: it may have been sent since"
        UpsertRow.objects.of(row).restore(reason, _held(cipher, row), now, made_at=made_at)


def _stop(upsert: Upsert) -> None:
    try:
        upsert_key.move(upsert, Upsert.Phase.STOPPED)
    except SealBroken:  # of another key ring: what does not open is not sent in any phase
        upsert.phase = Upsert.Phase.STOPPED
    upsert.due_at, upsert.stopped_because = None, REASON
    Upsert.objects.save_phase(upsert)


def _may_repeat(upsert: Upsert) -> bool:
    try:
        return safe_writes.may_repeat(pricing.target_of(upsert))
    except IntegrationError:
        return False


def _cipher(upsert: Upsert) -> RowCipher | None:
    try:
        return upsert_key.cipher(upsert)
    except SealBroken:
        return None


def _held(cipher: RowCipher | None, row: UpsertRow) -> str:
    try:
        return cipher.held(row) if cipher is not None else ""
    except (SealBroken, ValueError):
        return ""
