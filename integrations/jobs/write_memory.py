"""What a run remembers of its plain writes, so that a turn that repeats a unit of work repeats no write of it.

A turn may begin again before a call that was answered: its worker died, or it waited for a permit. The same call, with
the same parameters and body, then gets the stored answer. A call counts as another one as often as the job makes it in
one turn, so a job that sends the same text twice sends it twice.

Rows serve until a checkpoint is beyond them. Writes in a page of a listing are numbered, and the page's checkpoint
has the number of the next one; the kept rest of a page has its own. Writes of an event serve until the event is done,
also in a later run, if the event was set aside. Other writes serve until the job sets its own checkpoint, or the run
ends.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from django.db.models import Q

from integrations.jobs import macs, writes
from integrations.jobs.models import Run, Trigger, Write

Key = tuple[int, str]  # the trigger's id, 0 without one, and the fingerprint


class WriteMemory:
    """The plain writes of one run's turn. `load` comes first."""

    def __init__(self, row: Run) -> None:
        self._row = row
        marks = row.checkpoint.get("writes") or {}
        self._page: int = marks.get("page", 0)
        self._own: int = marks.get("own", 0)
        kept: int = (row.page or {}).get("writes", self._page)
        self._item: int = max(kept, self._page)
        self._next: int = max(self._item, self._own)
        self._answered: dict[Key, list[Write]] = defaultdict(list)
        self._rows = False  # whether the table may have rows that a checkpoint makes useless

    def load(self, now: datetime) -> Write | None:
        """Read the rows of the schedule. Returns a write of unknown fate, over which the run has to stop.

        No worker waits for the answers of rows that are still `sent`: this turn has the lease.
        """
        plain = Q(key="") & (Q(run=self._row.pk) | Q(trigger__isnull=False))
        rows = Write.objects.filter(plain | ~Q(state=Write.State.CONFIRMED), schedule=self._row.schedule_id)
        found = list(rows.order_by("pk"))
        writes.lose([row for row in found if row.state == Write.State.SENT], writes.WORKER_ENDED, now)
        for row in found:
            if not row.key and row.state == Write.State.CONFIRMED:
                if macs.write_fits(row):
                    self._remember(row)
                else:
                    writes.doubt(row, now)
        return next((row for row in found if not row.key and row.state == Write.State.UNKNOWN), None)

    def answered(self, fingerprint: str, trigger: Trigger | None) -> Write | None:
        """The answered write that this call repeats, None if there is none. Each is returned once in a turn."""
        same = self._answered.get((trigger.pk if trigger else 0, fingerprint))
        return same.pop(0) if same else None

    def number(self) -> int:
        """The number of the next write."""
        self._next += 1
        self._rows = True
        return self._next - 1

    def item_done(self) -> None:
        """An item of the current page is done: the rest of the page that is kept does not repeat its writes."""
        self._item = self._next

    def page_done(self) -> None:
        """The current page is done."""
        self._item = self._page = self._next

    def job_saved(self) -> None:
        """The job has set its own checkpoint, which says what it need not repeat."""
        self._own = self._next
        self._item = max(self._item, self._own)

    def columns(self) -> dict[str, Any]:
        """What the checkpoint has of it."""
        return {"writes": {"page": self._page, "own": self._own}} if self._next else {}

    @property
    def rest_mark(self) -> int:
        """The number of the first write that the rest of the current page may repeat."""
        return self._item

    def forget_covered(self) -> None:
        """Delete the rows that the checkpoint, which has just been written, has made useless."""
        if not self._rows:
            return
        covered = Q(number__lt=self._own) | Q(in_page=True, number__lt=self._page)
        mine = Write.objects.filter(run=self._row.pk, trigger=None, state=Write.State.CONFIRMED)
        mine.filter(covered).delete()
        for rows in self._answered.values():
            rows[:] = [row for row in rows if self._is_live(row)]

    def forget_event(self, trigger: Trigger) -> None:
        """Delete the rows of an event that is done."""
        if self._rows:
            Write.objects.filter(trigger=trigger.pk, state=Write.State.CONFIRMED).delete()

    def _remember(self, row: Write) -> None:
        self._rows = True
        if row.run_id == self._row.pk:
            self._next = max(self._next, row.number + 1)
        if self._is_live(row):
            self._answered[row.trigger_id or 0, row.fingerprint].append(row)

    def _is_live(self, row: Write) -> bool:
        if row.run_id != self._row.pk:
            return True  # of an event that an earlier run began
        return row.number >= max(self._own, self._item if row.in_page else 0)


def forget_run(run_id: int) -> None:
    """Delete what a complete run remembered."""
    Write.objects.filter(run=run_id, state=Write.State.CONFIRMED).delete()
