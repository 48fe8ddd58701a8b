"""How the vendor's posts are answered, counted: it pauses a URL with less than 90 % of 2xx answers (FACTS 3.2).

Counted in the process and added up in PostgreSQL every few seconds, because a write per answer would double the work of
taking a webhook in. A killed process takes a few seconds' counts with it, which no decision depends on. A refused post
counts for the app its URL belongs to, since nothing else about it can be believed.
"""

from __future__ import annotations

import atexit
import threading
from collections import Counter
from datetime import date
from enum import StrEnum
from typing import Any

import structlog
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.models import F

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.tenants import marketplace
from integrations.tenants.models import App
from integrations.webhooks.models import Answers

PAUSE = 5.0  # seconds between two writes of a process
MOST = 1_000  # lines kept in memory: names in URLs are anybody's invention


class Outcome(StrEnum):
    """The columns of `Answers`."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    UNSIGNED = "unsigned"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    NOT_STORED = "not_stored"
    FAILED = "failed"


TAKEN = frozenset({Outcome.STORED, Outcome.DUPLICATE})
REFUSALS = {400: Outcome.MALFORMED, 401: Outcome.UNSIGNED, 413: Outcome.TOO_LARGE}
NOBODY = "?"  # no app has this name

Line = tuple[date, int | str, Outcome]
log = structlog.get_logger(__name__)
_lock = threading.Lock()
_counts: Counter[Line] = Counter()
_written = 0.0


def count(whose: int | str | None, outcome: Outcome) -> None:
    """One post was answered. `whose`: the app's row, or the name in the URL. Never raises."""
    today = clock.now().date()
    line: Line = (today, "" if whose is None else whose, outcome)
    with _lock:
        if line not in _counts and len(_counts) >= MOST:
            line = (today, NOBODY, outcome)
        _counts[line] += 1
        due = clock.monotonic() - _written >= PAUSE
    if due and outcome != Outcome.NOT_STORED and not connection.in_atomic_block:
        flush()


def flush() -> None:
    """Write what was counted; what cannot be written is kept for the next time."""
    global _written  # noqa: PLW0603 - one per process, as the counts are
    with _lock:
        taken = dict(_counts)
        _counts.clear()
        _written = clock.monotonic()
    if not taken:
        return
    try:
        _write(taken)
    except DatabaseError as error:
        log.warning("webhook.answers_not_written", reason=type(error).__name__)
        with _lock:
            _counts.update(taken)


def _write(taken: dict[Line, int]) -> None:
    names = _names() if any(isinstance(whose, str) for _, whose, _ in taken) else {}
    lines: dict[tuple[date, int | None], Counter[str]] = {}
    for (day, whose, outcome), number in taken.items():
        app_id = names.get(whose) if isinstance(whose, str) else whose
        lines.setdefault((day, app_id), Counter())[outcome.value] += number
    # In the same order in every process, so that none waits for another in a circle.
    for (day, app_id), numbers in sorted(lines.items(), key=lambda line: (line[0][0], line[0][1] or 0)):
        _add(day, app_id, numbers)


def _add(day: date, app_id: int | None, numbers: Counter[str]) -> None:
    line: dict[str, Any] = {"day": day, "app_id": app_id}
    with transaction.atomic():
        Answers.objects.bulk_create([Answers(**line)], ignore_conflicts=True)
        Answers.objects.filter(**line).update(**{column: F(column) + number for column, number in numbers.items()})


def _names() -> dict[str, int]:
    """What a URL may call an app, and the app; the URL without a name belongs to the first one."""
    names = {name: app.pk for app in App.objects.order_by("-pk") for name in (app.client_id, app.highlevel_id)}
    try:
        return {**names, "": marketplace.default().pk}
    except BadRequest:
        return names


@atexit.register
def _at_exit() -> None:
    if _counts:
        flush()
        connection.close()
