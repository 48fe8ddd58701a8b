"""The only ways to delete entries of the audit trail, to let a new key answer for all of it, and to accept a flaw.

Each verifies the trail and appends an entry that says what was done.

Triggers of the database refuse to change or delete entries. `lifted` is the one way past them, for one transaction; it
is used here, and by migrations that say so. A role without DELETE on the table has no use for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Max
from django.db.models.functions import TruncDate

from integrations.core.audit import entries, exported_heads
from integrations.core.audit.exported_heads import ExportedHead
from integrations.core.audit.verification import ACCEPTED, Examination, examine
from integrations.core.errors import BadRequest
from integrations.core.models import AuditEntry, AuditHeadExport

SUBJECT = "audit trail"
_before_pruning: list[Callable[[], None]] = []


def before_pruning(act: Callable[[], None]) -> None:
    """Have `prune` call this first, in its transaction. For rooms above whose rows name entries by their numbers: they
    append newer ones. Called once at start-up.
    """
    _before_pruning.append(act)


@contextmanager
def lifted() -> Iterator[None]:
    """A transaction in which the triggers let entries be changed and deleted."""
    with transaction.atomic():
        _lift("retention")
        yield
        _lift("")  # inside another transaction the setting would outlive this block


def reseal(*, actor: str, heads: Iterable[ExportedHead] = ()) -> Examination:
    """Let the newest key answer for the whole chain, before older keys leave VAULT_KEYS.

    The chain is verified under the keys that are listed now. Then an entry under the newest key follows. Its chain
    value depends on all entries before it, so its seal proves them all, and no entry has to be sealed again. It says
    how many entries each key sealed, and whether all did fit.
    """
    found = examine(heads)
    detail = {"entries": found.entries, "keys": dict(found.keys), "first_broken": found.first_broken}
    entries.record("audit.resealed", actor=actor, subject=SUBJECT, **detail)
    return found


@dataclass(frozen=True, slots=True)
class Pruned:
    """Entries that were deleted: how many, and the number of the last one."""

    entries: int
    up_to: int


def prune(before: datetime, *, actor: str, heads: Iterable[ExportedHead] = ()) -> Pruned:
    """Delete the entries from the beginning up to the last one before that moment.

    The sealed head then says where the trail begins, and an entry says what was deleted and the last chain value of it.
    Raises BadRequest when the trail does not verify: tampering must not be deleted together with its traces.
    """
    if failures := examine(heads).failures:
        raise BadRequest(f"nothing was deleted, because the trail does not verify: {failures[0]}")
    with lifted():
        head = entries.lock()
        # By number and not by time: a clock that went back must not leave a gap.
        kept = AuditEntry.objects.filter(at__gte=before).order_by("number").first()
        old = AuditEntry.objects.filter(number__lt=kept.number if kept else head.number + 1)
        last = old.order_by("-number").first()
        if last is None:
            return Pruned(0, head.base_number)
        for act in _before_pruning:
            act()
        head = entries.lock()
        base = replace(
            head,
            base_number=last.number,
            base_value=bytes(last.hash),
            sealed_from=max(head.sealed_from, last.number + 1),
        )
        result = Pruned(old.count(), last.number)
        detail = {"entries": result.entries, "up_to": last.number, "hash": bytes(last.hash).hex()}
        entries.append(
            base, "audit.pruned", actor=actor, subject=SUBJECT, detail=detail | {"before": before.isoformat()}
        )
        old.delete()
    return result


def accept(reason: str, *, actor: str, heads: Iterable[ExportedHead] = ()) -> Examination:
    """Record that an operator knows of the flaws that verification finds now, such as after a restored backup.

    `heads` are exported heads outside the database (`exported_heads.in_file`): after a restored backup they alone know
    what is gone. The flaws stay listed, and are no failure any more; what is changed later is. Raises BadRequest when
    there is none.
    """
    found = examine(heads)
    if not found.failures:
        raise BadRequest("there is nothing to accept: the trail verifies")
    flaws = [str(flaw) for flaw in found.failures]
    last = found.newest.number if found.newest else 0
    # A number after the last entry is that of an entry to come, about which nothing is known yet.
    numbers = sorted({flaw.number for flaw in found.failures if flaw.number is not None and flaw.number <= last})
    entries.record(ACCEPTED, actor=actor, subject=SUBJECT, reason=reason, flaws=flaws[:50], numbers=numbers)
    return found


def thin_exports(before: datetime) -> None:
    """Of the exports before that moment that the database remembers, keep the last one of each day."""
    every = AuditHeadExport.objects.filter(exported_at__lt=before)
    days = every.annotate(day=TruncDate("exported_at")).order_by()
    kept = days.values("day").annotate(last=Max("id")).values("last")
    if every.count() > kept.count():
        with lifted():
            every.exclude(pk__in=list(kept.values_list("last", flat=True))).delete()


def sealed_by() -> str | None:
    """The key that answers for the trail: the one that sealed the head. It must stay in VAULT_KEYS."""
    head = exported_heads.current()
    return head.key_id if head else None


def _lift(path: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('hlapp.audit_path', %s, true)", [path])
