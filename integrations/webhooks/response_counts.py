"""Counters of webhook responses by app, day and outcome: the vendor pauses a URL below 90 % of 2xx (FACTS 3.2).

The counts are buffered (`core.counters`), because a write per response would double the work of storing a webhook. The
buffer's size is bounded, because any client can invent names in a URL. A refused request counts for the app that its
URL belongs to, because nothing else about it can be trusted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Any

from django.db import connection

from integrations.core import clock
from integrations.core.counters import BufferedCounter
from integrations.core.errors import BadRequest
from integrations.tenants import marketplace
from integrations.tenants.models import App


class ResponseOutcome(StrEnum):
    """How a webhook was answered; the values are the columns of `Answers`."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    UNKNOWN_APP = "not_here"
    UNSIGNED = "unsigned"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    NOT_STORED = "not_stored"
    FAILED = "failed"


ACCEPTED = frozenset({ResponseOutcome.STORED, ResponseOutcome.DUPLICATE, ResponseOutcome.UNKNOWN_APP})  # answered 200
# No signature was verified: anybody can send these, so they say nothing of how we answer the vendor.
UNVERIFIED = frozenset({ResponseOutcome.UNSIGNED, ResponseOutcome.TOO_LARGE})
REFUSED = [outcome for outcome in ResponseOutcome if outcome not in ACCEPTED]
REFUSALS = {400: ResponseOutcome.MALFORMED, 401: ResponseOutcome.UNSIGNED, 413: ResponseOutcome.TOO_LARGE}

NO_APP = "?"  # counted for no app: a name that no app has
_COLUMNS = ", ".join(ResponseOutcome)
_ADDED = ", ".join(f"{name} = line.{name} + excluded.{name}" for name in ResponseOutcome)
_ADD = f"""
INSERT INTO webhooks_answers AS line (day, app_id, {_COLUMNS})
SELECT * FROM unnest(%s::date[], %s::bigint[], {", ".join(["%s::bigint[]"] * len(ResponseOutcome))})
ON CONFLICT (day, app_id) DO UPDATE SET {_ADDED}
"""  # noqa: S608 - nothing in it comes from outside

CountKey = tuple[date, int, str, ResponseOutcome]  # the app's row, or 0 and the name in the URL


def count(app: int | str | None, outcome: ResponseOutcome) -> None:
    """Count one response. `app`: the primary key of the app, or the name in the URL. Never raises."""
    app_id, name = (app, "") if isinstance(app, int) else (0, app or "")
    counter.add((clock.now().date(), app_id, name, outcome), 1)
    if outcome != ResponseOutcome.NOT_STORED:
        counter.flush_if_due()


def _write(rows: Sequence[tuple[CountKey, int]]) -> None:
    names = _names() if any(not app_id for (_, app_id, _, _), _ in rows) else {}
    numbers: dict[tuple[date, int | None], Counter[str]] = {}
    for (day, app_id, name, outcome), number in rows:
        numbers.setdefault((day, app_id or names.get(name)), Counter())[outcome.value] += number
    # The same order in every process, so that two of them cannot deadlock.
    found = sorted(numbers.items(), key=lambda row: (row[0][0], row[0][1] or 0))
    columns: list[Any] = [[day for (day, _), _ in found], [app_id for (_, app_id), _ in found]]
    columns += [[counts[outcome.value] for _, counts in found] for outcome in ResponseOutcome]
    with connection.cursor() as cursor:
        cursor.execute(_ADD, columns)


def _names() -> dict[str, int]:
    """Apps by the names that a URL may use for them; the URL without a name belongs to the first app."""
    names = {name: app.pk for app in App.objects.order_by("-pk") for name in (app.client_id, app.highlevel_id)}
    try:
        return {**names, "": marketplace.default().pk}
    except BadRequest:
        return names


def _overflow_key(line: CountKey) -> CountKey:
    """The key under which a name is counted when the buffer is full: that of no app."""
    return line[0], 0, NO_APP, line[3]


counter = BufferedCounter[CountKey, int]("webhooks.answers", _write, most=1_000, overflow=_overflow_key)
