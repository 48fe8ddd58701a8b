"""Leader thread that sends parked tasks to workers when there are permits for them (`hand_out.py`).

It is not a `DueSource` of the dispatcher in core: a parked task is sent with a ticket, at the moment when the ticket
starts. So its leader sleeps until the next moment when a permit can be there, and NOTIFY wakes it when a task is
parked. Once a second it renews the lease and finds the tasks that a killed worker left.

The thread of every process, leading or not, also renews the running parked tasks of its process, and writes the usage
that it counted.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta

import structlog
from django.db import connection

from integrations.core import clock
from integrations.core.errors import StoreUnavailable
from integrations.core.leader import RENEW_SECONDS, LeaderThread
from integrations.quota import usage
from integrations.quota.parking import parked_lifecycle
from integrations.quota.parking.hand_out import HandOut, Send, send
from integrations.quota.parking.parked_rows import ParkedRows
from integrations.quota.permits import scripts

LEASE_NAME = "parked tasks"
_CATCH_UP = 10.0  # seconds between two looks at all waiting tasks
log = structlog.get_logger(__name__)


class ParkedTaskSender(LeaderThread):
    """The thread of one process."""

    lease_name, term = LEASE_NAME, timedelta(seconds=3)

    def __init__(self, sending: Send = send) -> None:
        super().__init__()
        self._send = sending
        self._renew_at = 0.0

    def prepare(self) -> None:
        """Set the mark in Redis from which the age of the store counts, so that the first install needs no wait."""
        with suppress(StoreUnavailable):
            scripts.age()

    def work(self) -> None:
        """Lead unless another process does, and look after the parked tasks that run here."""
        try:
            while not self.stopping.is_set():
                if self.hold():
                    self._lead()
                self._look_after_process()
                self.stopping.wait(RENEW_SECONDS)
        finally:
            parked_lifecycle.stop_renewing()

    def _look_after_process(self) -> None:
        usage.counter.flush()
        if clock.monotonic() >= self._renew_at:
            self._renew_at = clock.monotonic() + parked_lifecycle.RENEW
            parked_lifecycle.renew()

    def _lead(self) -> None:
        log.info("quota.parked_leads", owner=self.owner)
        with connection.wrap_database_errors, closing(ParkedRows()) as rows:
            rows.listen()
            hand_out = HandOut(rows, self._send)
            rounds = _Rounds(hand_out, self.hold, self._look_after_process)
            while not self.stopping.is_set():
                if not rounds.beat(clock.monotonic()):
                    log.warning("quota.parked_replaced", owner=self.owner)
                    return
                hand_out.hand_out()
                now = clock.monotonic()
                next_at = min(rounds.next_at, hand_out.next_at() or rounds.next_at)
                for notice in rows.notices(max(0.0, next_at - now)):
                    hand_out.agenda.parked(notice.key, notice.rank, clock.monotonic() + notice.hint)
            hand_out.send_until(clock.monotonic() + RENEW_SECONDS)


class _Rounds:
    """The periodic work of the leader: every second, and every ten."""

    def __init__(self, hand_out: HandOut, hold: Callable[..., bool], every_second: Callable[[], None]) -> None:
        self._hand_out, self._hold, self._every_second = hand_out, hold, every_second
        self.next_at = clock.monotonic()
        self._catch_up_at = self.next_at

    def beat(self, now: float) -> bool:
        """Do what is due. False when another process leads."""
        if now < self.next_at:
            return True
        self.next_at = now + RENEW_SECONDS
        hand_out = self._hand_out
        if not self._hold(sent=hand_out.sent, unstarted=hand_out.unstarted, trouble=hand_out.trouble):
            return False
        for key in hand_out.rows.lapsed():
            hand_out.agenda.ask(key, now)
        if now >= self._catch_up_at:
            self._catch_up_at = now + _CATCH_UP
            hand_out.catch_up()
        self._every_second()
        return True
