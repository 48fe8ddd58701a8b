"""Celery's consumer, which tries sooner to reach a lost broker: after a fraction of a second, not after 2, 4 and 6.

Webhooks and jobs wait as long as no worker is connected, and a Valkey that was restarted is back within a second.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from celery.worker.consumer import Consumer

FIRST, STEP, LONGEST = 0.2, 0.3, 5.0  # seconds: of the first wait, what each is longer than the one before, and at most


class ReconnectingConsumer(Consumer):
    """Set as `worker_consumer`."""

    def ensure_connected(self, conn: Any) -> Any:
        """The connection, when it is made. Celery has no setting for the waits between its attempts."""
        waits = {"interval_start": FIRST, "interval_step": STEP, "interval_max": LONGEST}
        conn.ensure_connection = partial(conn.ensure_connection, **waits)
        return super().ensure_connected(conn)
