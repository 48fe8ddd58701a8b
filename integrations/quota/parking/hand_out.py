"""One round of the leader: reserves tickets for the next parked tasks of due resources, and sends them to workers.

The order of the steps makes a kill harmless. First the leader reserves tickets: if it dies, they lapse within seconds.
Then it claims the rows: if it dies, they wait again once the ticket has lapsed. Then it sends the messages, shortly
before the start of their tickets: if it dies before it notes that, the turn number makes the message stale. So no task
is lost and none runs twice.

A resource is asked with a horizon of one period and again when its next slot comes near, so a busy one costs four
requests a second for all of its tasks, and an idle one none.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Generator

import structlog
from kombu.exceptions import OperationalError

from integrations.core import clock
from integrations.core.celery_tasks import DEFAULT, URGENT, deliver
from integrations.quota.parking.due_times import LONGEST, DueTimeHeap
from integrations.quota.parking.parked_rows import HEADS, Claimed, Head, Notice, ParkedRows
from integrations.quota.permits import tickets
from integrations.quota.permits.governor import SlotRequest
from integrations.quota.permits.lanes import Lane
from integrations.quota.permits.tickets import Reserved, Ticket

LEAD = 0.08  # seconds before its ticket's start at which a task is sent
HORIZON = 0.25 + LEAD
ROUND = 64  # resources in one round
MOST_UNSTARTED = 200  # messages in flight to busy workers; with more, only interactive tasks are handed out
_CROWDED_WAIT = 0.1
_TURNS = LEAD + 0.01  # seconds until a resource that took its part of a round may take more
_BROKER_WAIT = 2.0
_GRACE = 1.0

Send = Callable[[Claimed, Ticket], None]
Plan = Generator[SlotRequest, Reserved, None]
_Given = dict[int, tuple[Ticket, float]]  # by row, with the seconds until the ticket's start
log = structlog.get_logger(__name__)


def send(task: Claimed, ticket: Ticket) -> None:
    """Send the message that starts a parked task. Raises kombu's OperationalError, or OSError."""
    parked = {"row": task.row_id, "turn": task.turn, "ticket": ticket.packed()}
    queue = URGENT if task.lane is Lane.INTERACTIVE else DEFAULT
    deliver(task.task, task.kwargs, headers={"parked": parked}, queue=queue)


class HandOut:
    """The work of the leader. `trouble` is what stops it, for the pages."""

    def __init__(self, rows: ParkedRows, sending: Send = send) -> None:
        self.rows, self.agenda = rows, DueTimeHeap()
        self.sent, self.unstarted, self.trouble = 0, 0, ""
        self._send = sending
        self._order = itertools.count()
        self._outbox: list[tuple[float, int, Claimed, Ticket]] = []

    def hand_out(self) -> None:
        """Serve the resources that are due, and send the tasks that start soon."""
        keys = self.agenda.due(clock.monotonic(), ROUND)
        if keys:
            self._serve(keys)
        self.send_until(clock.monotonic())

    def next_at(self) -> float | None:
        """The monotonic time of the next thing to do."""
        moments = [at for at in (self.agenda.next_at(), self._outbox[0][0] if self._outbox else None) if at is not None]
        return min(moments, default=None)

    def catch_up(self) -> None:
        """Rebuild the agenda from the rows, at the start and from time to time.

        Notifications may be lost, and the appointment of a lower lane may hide a task that was not due yet.
        """
        self._note(self.rows.due())

    def send_until(self, moment: float) -> None:
        """Send the messages due until then. When the broker is unavailable, the unsent tasks wait again."""
        while self._outbox and self._outbox[0][0] <= moment:
            _, _, task, ticket = self._outbox[0]
            try:
                self._send(task, ticket)
            except (OperationalError, OSError) as error:
                self._give_up(type(error).__name__)
                return
            heapq.heappop(self._outbox)
            self.sent += 1
            self.trouble = ""

    def _give_up(self, reason: str) -> None:
        unsent, self._outbox = self._outbox, []
        self.trouble = f"the broker does not take messages ({reason})"
        log.warning("quota.not_handed_out", reason=reason, tasks=len(unsent))
        self.rows.put_back([task for _, _, task, _ in unsent])
        for _, _, _, ticket in unsent:
            tickets.release(ticket)
            self.agenda.ask(ticket.key, clock.monotonic() + _BROKER_WAIT)

    def _serve(self, keys: list[str]) -> None:
        self.unstarted = self.rows.unstarted_count()
        heads = self.rows.heads(keys)
        for key in keys:
            self.agenda.forget(key)
        self._claim(self._reserve(keys, heads))
        alone = [key for key in keys if key not in self.agenda]
        if alone:
            self._note(self.rows.due(alone))

    def _note(self, parked: list[Notice]) -> None:
        now = clock.monotonic()
        for notice in parked:
            self.agenda.parked(notice.key, notice.rank, now + min(notice.hint, LONGEST))

    def _reserve(self, keys: list[str], heads: dict[str, list[Head]]) -> _Given:
        """Reserve tickets for the next tasks: one request for all resources together, one lane after the other."""
        given: _Given = {}
        most = max(1, (MOST_UNSTARTED - self.unstarted) // len(keys))
        plans = {key: self._plan(key, heads.get(key, []), given, most) for key in keys}
        asked = {key: request for key, plan in plans.items() if (request := next(plan, None))}
        while asked:
            answers = tickets.reserve(list(asked.values()), horizon=HORIZON)
            asked = {
                key: request
                for key, answer in zip(list(asked), answers, strict=True)
                if (request := _answer(plans[key], answer))
            }
        return given

    def _plan(self, key: str, heads: list[Head], given: _Given, most: int) -> Plan:
        """The requests for one resource's tasks: at most `most` of each lane, but any number of interactive ones.

        A refusal of one lane holds for the lanes below it, not for those above.
        """
        refused, again = len(Lane), LONGEST
        for lane, group in itertools.groupby(heads, key=lambda head: head.lane):
            waiting = list(group)
            if lane.rank >= refused:
                continue
            if self.unstarted >= MOST_UNSTARTED and lane is not Lane.INTERACTIVE:
                refused, again = lane.rank, min(again, _CROWDED_WAIT + LEAD)
                continue
            want = len(waiting) if lane is Lane.INTERACTIVE else min(len(waiting), most)
            got = yield SlotRequest(key, lane, want)
            self.trouble = got.trouble or self.trouble
            given |= {head.row_id: ticket for head, ticket in zip(waiting, got.tickets, strict=False)}
            self.unstarted += len(got.tickets)
            wait = _TURNS if got.wait is None and want < len(waiting) else got.wait
            if wait is not None:
                refused, again = lane.rank, min(again, wait)
        if refused < len(Lane):
            self.agenda.ask(key, clock.monotonic() + max(again - LEAD, 0.01), rank=refused)
        elif len(heads) >= HEADS:
            self.agenda.ask(key, clock.monotonic())

    def _claim(self, reserved: _Given) -> None:
        if not reserved:
            return
        now = clock.monotonic()
        claimed = self.rows.claim(
            {row_id: delay + ticket.valid + _GRACE for row_id, (ticket, delay) in reserved.items()}
        )
        for row_id, (ticket, delay) in reserved.items():
            if row_id in claimed:
                heapq.heappush(self._outbox, (now + delay - LEAD, next(self._order), claimed[row_id], ticket))
            else:
                tickets.release(ticket)


def _answer(plan: Plan, answer: Reserved) -> SlotRequest | None:
    """The next request of the plan, if it has one."""
    try:
        return plan.send(answer)
    except StopIteration:
        return None
