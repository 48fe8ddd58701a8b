"""What is written to HighLevel for a tenant: its outboxes and bulk upserts, for the tenant's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from integrations.core.tenant import Tenant
from integrations.outbox import queries as outbox
from integrations.outbox.models import Entry, TenantOutbox
from integrations.upserts import queries as upserts
from integrations.upserts.models import Upsert
from integrations.upserts.queries import UpsertProgress

LATEST = 10


@dataclass(frozen=True, slots=True)
class OutboxCounts:
    """One outbox, and how many of its entries are open, by state."""

    row: TenantOutbox
    counts: dict[str, int]

    @property
    def words(self) -> str:
        """The counts in words."""
        return ", ".join(f"{number:,} {state}" for state, number in self.counts.items()) or "nothing waits"


@dataclass(frozen=True, slots=True)
class OutboxFacts:
    """The tenant's outboxes, and the latest entries that an operator has to decide about."""

    boxes: Sequence[OutboxCounts] = ()
    held: Sequence[Entry] = ()

    @property
    def to_decide(self) -> int:
        """How many entries wait for a decision."""
        return sum(one.counts.get(state, 0) for one in self.boxes for state in outbox.TO_DECIDE)


@dataclass(frozen=True, slots=True)
class UpsertWithProgress:
    """One bulk upsert of the tenant, how far it is, and its pace while it is under way."""

    row: Upsert
    progress: UpsertProgress
    pace: str = ""


def outboxes_of(tenant: Tenant, apps: Sequence[int]) -> OutboxFacts:
    """Those of all apps."""
    mine = TenantOutbox.objects.filter(app__in=apps, level=tenant.user_type, tenant_id=tenant.id)
    boxes = list(mine.select_related("app").order_by("app__name"))
    if not boxes:
        return OutboxFacts()
    counts = outbox.counts([box.pk for box in boxes])
    held = Entry.objects.filter(outbox__in=boxes, state__in=outbox.TO_DECIDE).select_related("outbox")
    latest = list(held.defer("params", "body", "answer").order_by("-pk")[:LATEST])
    return OutboxFacts([OutboxCounts(box, counts.get(box.pk, {})) for box in boxes], latest)


def upserts_of(tenant: Tenant, apps: Sequence[int], now: datetime) -> list[UpsertWithProgress]:
    """The latest ones."""
    mine = Upsert.objects.filter(tenant_id=tenant.id, level=tenant.user_type, app__in=apps)
    rows = list(mine.defer("sealed").order_by("-pk")[:LATEST])
    paces = upserts.paces(rows, now)
    found = zip(rows, upserts.progress_of(rows), strict=True)
    return [UpsertWithProgress(row, progress, paces.get(row.pk, "")) for row, progress in found]
