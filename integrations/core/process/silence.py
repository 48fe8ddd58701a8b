"""Worker processes that fell silent: killed, frozen, or cut off from the database.

Every worker process reports each second that it is alive (`core.models.WorkerProcess`). Each of them also watches the
others' reports, so that the next leader of the dispatcher knows at once what the former one knew.

One of the same machine that was killed counts as silent at once: the system says that it is gone.

The watch compares no clocks of two hosts: it notes on its own when a report last changed. It judges only what it saw
without a gap. After an outage of the database, when no process could report, every process has to be heard again first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime

from integrations.core import clock
from integrations.core.lease_owner import has_ended

SILENT_AFTER = 6.0  # seconds without a new report
_LONGEST_GAP = 3.0  # seconds between two looks of this process


class SilenceWatch:
    """What one process has heard of all."""

    def __init__(self) -> None:
        self._heard: dict[str, tuple[datetime, float]] = {}  # by process: its last report, and when this one saw it
        self._looked_at = -math.inf

    def silent(self, reports: Mapping[str, datetime]) -> list[str]:
        """The names of processes that are gone or whose report has not changed for `SILENT_AFTER`.

        Call it about once a second.

        `reports` has the moment of the last report by the process's name.
        """
        now = clock.monotonic()
        known = self._heard if now - self._looked_at <= _LONGEST_GAP else {}
        self._looked_at = now
        self._heard = {
            name: known[name] if name in known and known[name][0] == seen_at else (seen_at, now)
            for name, seen_at in reports.items()
        }
        return [
            name for name, (_, heard_at) in self._heard.items() if now - heard_at >= SILENT_AFTER or has_ended(name)
        ]
