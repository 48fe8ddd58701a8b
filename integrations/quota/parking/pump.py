"""Pump: a thread in every worker process; the leading one hands permits to parked tasks (`hand_out.py`).

It leads by a lease of a few seconds in a row, not by a connection's lock: a process that is frozen keeps its
connection, and would keep every parked task waiting with it. It sleeps until the next moment when a permit can be there
and is woken by NOTIFY when something is parked; the beat of once a second only renews the lease and finds what a killed
worker left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import psycopg
import structlog
from django.db import Error as DatabaseError
from django.db import connection

from integrations.core import clock
from integrations.core.errors import StoreUnavailable
from integrations.core.lease_owner import new_owner
from integrations.quota import usage
from integrations.quota.parking import parked_lifecycle
from integrations.quota.parking.hand_out import HandOut, Send, send
from integrations.quota.parking.parked_rows import ParkedRows
from integrations.quota.permits import scripts

BEAT = 1.0
_CATCH_UP = 10.0
_STOP_SECONDS = 5.0
log = structlog.get_logger(__name__)


class Pump:
    """The thread of one process. `start` and `stop` it with the process."""

    def __init__(self, sending: Send = send) -> None:
        self.owner = new_owner()
        self._send = sending
        self._renew_at = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="quota-pump", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Release the lease and end the thread. The pump of another process leads within a second."""
        self._stopping.set()
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        with suppress(StoreUnavailable):
            scripts.age()  # sets the mark, so that the store is old enough to be trusted when the first agency installs
        while not self._stopping.is_set():
            try:
                self._connected()
            except (psycopg.Error, DatabaseError) as error:
                log.warning("quota.pump_disconnected", reason=type(error).__name__)
            except Exception:
                # The thread must not end: parked tasks would depend on the other processes, and at last on none.
                log.exception("quota.pump_failed")
            self._stopping.wait(BEAT)

    def _connected(self) -> None:
        rows = ParkedRows(self.owner)
        try:
            while not self._stopping.is_set():
                if rows.lead():
                    self._lead(rows)
                self._look_after_ourselves()
                self._stopping.wait(BEAT)
        finally:
            parked_lifecycle.stop_renewing()
            rows.close()
            connection.close()

    def _look_after_ourselves(self) -> None:
        """What every pump does for its own process, leading or not."""
        usage.counter.flush()
        if clock.monotonic() >= self._renew_at:
            self._renew_at = clock.monotonic() + parked_lifecycle.RENEW
            parked_lifecycle.renew()

    def _lead(self, rows: ParkedRows) -> None:
        log.info("quota.pump_leads", owner=self.owner)
        hand_out = HandOut(rows, self._send)
        rows.listen()
        rounds = _Rounds(hand_out, self._look_after_ourselves)
        while not self._stopping.is_set():
            if not rounds.beat(clock.monotonic()):
                log.warning("quota.pump_replaced", owner=self.owner)
                return
            hand_out.hand_out()
            now = clock.monotonic()
            next_at = min(rounds.next_at, hand_out.next_at() or rounds.next_at)
            for notice in rows.notices(max(0.0, next_at - now)):
                hand_out.agenda.parked(notice.key, notice.rank, clock.monotonic() + notice.hint)
        hand_out.send_until(clock.monotonic() + BEAT)
        rows.resign()


class _Rounds:
    """The periodic work of the leader: every second, and every ten."""

    def __init__(self, hand_out: HandOut, every_second: Callable[[], None]) -> None:
        self.hand_out, self._every_second = hand_out, every_second
        self.next_at = clock.monotonic()
        self._catch_up_at = self.next_at

    def beat(self, now: float) -> bool:
        """Do what is due. False when another pump leads."""
        if now < self.next_at:
            return True
        hand_out, rows = self.hand_out, self.hand_out.rows
        self.next_at = now + BEAT
        standing = {"resources": len(hand_out.agenda), "unstarted": hand_out.unstarted, "handed": hand_out.handed}
        if not rows.lead(**standing, trouble=hand_out.trouble):
            return False
        for key in rows.lapsed():
            hand_out.agenda.ask(key, now)
        if now >= self._catch_up_at:
            self._catch_up_at = now + _CATCH_UP
            hand_out.catch_up()
        self._every_second()
        return True
