"""Failed and slow calls, kept whole but redacted, for the operator and the vendor's support, who asks for trace ids.

Kept in the process like the counts, and written with them. A storm does not flood the table: a process keeps so many a
minute, and of one kind (operation and error) only the first few; how many there were, `usage` knows.
"""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime
from http import HTTPStatus
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError

from integrations.core import clock
from integrations.core.errors import IntegrationError
from integrations.gateway.models import Call
from integrations.gateway.stats import redaction
from integrations.highlevel.catalogue import PreparedRequest
from integrations.highlevel.http.transport import Response

SLOW = 2.0  # seconds
MOST_A_MINUTE, MOST_OF_A_KIND = 60, 10
MOST = 200  # kept while the database is away

log = structlog.get_logger(__name__)
_lock = threading.Lock()
_calls: list[Call] = []
_minute = 0
_kept: Counter[tuple[str, str]] = Counter()


def waiting() -> bool:
    return bool(_calls)


def keep(
    request: PreparedRequest,
    *,
    error: BaseException | None,
    response: Response | None,
    took: float,
    who: dict[str, Any],
) -> None:
    """Keep this call, unless there were too many like it. `who` are the columns that say whose it was."""
    now, code = clock.now(), code_of(error)
    if not _room(now, (request.operation, code)):
        return
    context = error.context if isinstance(error, IntegrationError) else {}
    words = redaction.words(*({name: value} for name, value in request.query), request.json, request.form)
    told = words(": ".join(filter(None, [str(error), context.get("vendor_message")]))) if context else ""
    refused = response is not None and response.status >= HTTPStatus.BAD_REQUEST
    call = Call(
        at=now,
        slow=took > SLOW,
        status=response.status if response else None,
        code=code[:40],
        message=told,
        trace_id=redaction.trace_id(response.trace_id if response else context.get("trace_id")),
        took_ms=int(took * 1_000),
        method=request.method,
        path=redaction.path(request.path)[:300],
        query=redaction.query(request.query),
        body=redaction.body(request.json, request.form, request.files),
        response=_answer(response, words if refused else None) if response else None,
        **who,
    )
    with _lock:
        if len(_calls) < MOST:
            _calls.append(call)


def code_of(error: BaseException | None) -> str:
    """An error's stable name; empty for none."""
    if error is None:
        return ""
    return error.code if isinstance(error, IntegrationError) else "unexpected"


def flush() -> None:
    """Write what is kept; `usage.flush` calls it, outside any transaction."""
    global _calls  # noqa: PLW0603 - one per process
    with _lock:
        taken, _calls = _calls, []
    if not taken:
        return
    try:
        _write(taken)
    except (OperationalError, InterfaceError) as error:
        log.warning("calls.not_written", reason=type(error).__name__)
        with _lock:
            _calls = (taken + _calls)[:MOST]


def _write(calls: list[Call]) -> None:
    """All at once, or, when there is one among them that the database does not take, each by itself."""
    try:
        Call.objects.bulk_create(calls)
    except (OperationalError, InterfaceError):
        raise
    except (DatabaseError, ValueError) as error:
        if len(calls) == 1:
            log.warning("calls.lost", operation=calls[0].operation, reason=type(error).__name__)
            return
        for call in calls:
            _write([call])


def _answer(response: Response, words: redaction.Words | None) -> Any:
    return redaction.answer(response.json, response.body, response.content_type, words)


def _room(now: datetime, kind: tuple[str, str]) -> bool:
    global _minute  # noqa: PLW0603 - one per process
    minute = int(now.timestamp()) // 60
    with _lock:
        if minute != _minute:
            _minute = minute
            _kept.clear()
        if _kept.total() >= MOST_A_MINUTE or _kept[kind] >= MOST_OF_A_KIND:
            return False
        _kept[kind] += 1
    return True
