"""Compares the vendor's count of a resource with the copy's: one call shows that a webhook or a page was lost.

An incremental run sees what was created or edited, but not what was deleted. Its last call asks for the first row of
everything, whose answer has the total. When the counts differ, the run lists everything (`runs`).

The copy may know of creations and deletions that the vendor's search index does not show yet. So the copy's count is a
range. A difference that stays the same after everything was listed is the vendor's own (`Plan.surplus`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from integrations.gateway.client import Page
from integrations.sync import missing, pace
from integrations.sync.deletions import READS_EVERYTHING
from integrations.sync.evidence import INDEX_LAG
from integrations.sync.models import Run
from integrations.sync.resources import Resource

_ENDS_AGAIN = 2  # times that a page which ends the listing too early is asked for again


@dataclass(frozen=True, slots=True)
class Deviation:
    """The copy's count minus the vendor's: exactly, and the range that the lag of the vendor's index allows."""

    exact: int
    least: int
    most: int

    def is_explained(self, surplus: int) -> bool:
        """Whether it may be none, or the one that is known to stay."""
        return any(self.least <= known <= self.most for known in (0, surplus))


def is_due(run: Run, resource: Resource, now: datetime) -> bool:
    """Whether an incremental run ends with a count: it found changes, or the last count is long ago.

    A narrowed listing counts other records than the copy has.
    """
    counted_at = run.plan.counted_at
    return (
        not resource.narrowed_by
        and resource.has_total
        and (run.changed > 0 or not counted_at or counted_at <= now - pace.COUNT_EVERY)
    )


def difference(run: Run, total: int, now: datetime) -> Deviation:
    """How the copy's count differs from the vendor's `total`."""
    late = now - INDEX_LAG
    is_alive = Q(deleted_at=None)
    counts = missing.scope(run).aggregate(
        alive=Count("pk", filter=is_alive),
        created=Count("pk", filter=is_alive & (Q(alive_at__gt=late) | Q(alive_at=None, version_at__gt=late))),
        deleted=Count("pk", filter=Q(deleted_at__gt=late)),
    )
    exact = counts["alive"] - total
    return Deviation(exact, exact - counts["created"], exact + counts["deleted"])


def may_list_again(run: Run, now: datetime) -> bool:
    """Whether enough time has passed since the last full run for the calls of another one (`pace.between_listings`)."""
    done = Run.objects.filter(plan=run.plan_id, kind__in=READS_EVERYTHING, status=Run.Status.COMPLETE)
    last = done.order_by("-pk").only("pages", "finished_at").first()
    if last is None or last.finished_at is None:
        return True
    return last.finished_at + pace.between_listings(last.pages) <= now


def ends_early(run: Run, got: Page) -> bool:
    """Whether a last page comes before the total of earlier pages. It counts when the vendor repeats it."""
    return got.next is None and run.seen + len(got.items) < (run.total or 0) and run.attempts < _ENDS_AGAIN


def least(known: int | None, given: int | None) -> int | None:
    """The lower of two totals of the vendor, each of which may be missing."""
    return min((total for total in (known, given) if total is not None), default=None)
