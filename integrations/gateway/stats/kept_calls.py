"""Failed and slow calls, stored redacted for the operator and for the vendor's support, which asks for trace ids.

The process buffers them like the counters and writes both together. Limits protect the table from an error storm: per
minute, a process keeps a limited number of calls, and of one kind (operation and error) only the first few. The
usage rows have the complete counts.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from integrations.core import clock
from integrations.core.counters import BufferedCounter
from integrations.core.errors import NO_ANSWER, IntegrationError
from integrations.gateway.models import Call
from integrations.gateway.stats import anonymize, sent_request
from integrations.highlevel.catalogue import PreparedRequest
from integrations.highlevel.http.transport import Response

SLOW = 2.0  # seconds
MOST_A_MINUTE, MOST_OF_A_KIND = 60, 10
MOST = 200  # calls buffered while the database is unavailable

_numbers = itertools.count()
_lock = threading.Lock()
_minute = 0
_kept: Counter[tuple[str, str]] = Counter()


def _write(rows: Sequence[tuple[int, Call]]) -> None:
    Call.objects.bulk_create([call for _, call in rows])


waiting = BufferedCounter[int, Call]("gateway.calls", _write, most=MOST)  # each call has a unique number as its key


def keep(
    request: PreparedRequest,
    *,
    error: BaseException | None,
    response: Response | None,
    took: float,
    columns: dict[str, Any],
) -> None:
    """Keep this call unless the limits are reached. `columns`: the row's app, resource_id, operation, job,
    run and lane."""
    now, code = clock.now(), code_of(error)
    if not _within_limits(now, (request.operation, code)):
        return
    vendor = error.vendor if isinstance(error, IntegrationError) else NO_ANSWER
    words = anonymize.words(*({name: value} for name, value in request.query), request.json, request.form)
    prose = ": ".join(filter(None, [str(error), vendor.message])) if isinstance(error, IntegrationError) else ""
    refused = response is not None and response.status >= HTTPStatus.BAD_REQUEST
    call = Call(
        at=now,
        slow=took > SLOW,
        status=response.status if response else None,
        code=code[:40],
        message=words(prose),
        trace_id=anonymize.trace_id(response.trace_id if response else vendor.trace_id),
        took_ms=int(took * 1_000),
        method=request.method,
        path=anonymize.path(request.path)[:300],
        query=anonymize.query(request.query),
        body=anonymize.body(request.json, request.form, request.files),
        request_sealed=_sealed(request, code, now, columns),
        response=_answer(response, words if refused else None) if response else None,
        **columns,
    )
    waiting.add(next(_numbers), call)


def code_of(error: BaseException | None) -> str:
    """An error's stable code; empty for no error."""
    if error is None:
        return ""
    return error.code if isinstance(error, IntegrationError) else "unexpected"


def reset() -> None:
    """Drop this minute's counts and the calls that are not written yet: they are the parent's after a fork."""
    global _minute, _lock  # noqa: PLW0603 - one per process
    _lock = threading.Lock()  # a thread of the parent may have held it at the fork
    _minute = 0
    _kept.clear()
    waiting.reset()


os.register_at_fork(after_in_child=reset)


def _sealed(request: PreparedRequest, code: str, now: datetime, columns: dict[str, Any]) -> bytes | None:
    """The very request of a failed call; a slow one is not made again by hand."""
    app_id, resource_id = columns["app"].pk, columns["resource_id"]
    return sent_request.sealed(request, at=now, app_id=app_id, resource_id=resource_id) if code else None


def _answer(response: Response, words: anonymize.Words | None) -> Any:
    return anonymize.answer(response.json, response.body, response.content_type, words)


def _within_limits(now: datetime, kind: tuple[str, str]) -> bool:
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
