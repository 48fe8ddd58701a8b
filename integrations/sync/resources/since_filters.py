"""Asks a listing for what is dated since a moment, where the operation takes a first and a last day or moment. Pure.

These filters go by the date a record was made or is about, so they show no edit. A resource with one asks for new
records every hour, and for everything as often as it would without: that brings the edits, and so do webhooks. Both
bounds are sent, because some operations want them together; the last one is a year ahead, and the same for each page.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.sync.resources.base import HOURLY, SOMETIMES, ListingRequest

_AHEAD = timedelta(days=366)
_MARGIN = timedelta(days=1)  # a day is one of the location's time zone, and some filters leave the first one out
SELDOM = timedelta(days=7)  # to read everything of records that never change


def dated(
    start: str, end: str, write: Callable[[datetime], str] | None = None, full_every: timedelta = SOMETIMES
) -> dict[str, Any]:
    """The intervals and the `since` of a resource whose operation has these two parameters.

    `write` is the form of a moment; without it the operation takes days.
    """

    def since(_tenant_id: str, at: datetime) -> ListingRequest:
        first = at if write else at - _MARGIN
        bounds = {start: first, end: at + _AHEAD}
        return ListingRequest(params={name: (write or _day)(moment) for name, moment in bounds.items()})

    return {"every": HOURLY, "full_every": full_every, "since": since}


def _day(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d}"
