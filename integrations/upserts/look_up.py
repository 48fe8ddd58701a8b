"""Looks up the record of a row at the vendor: one read in the bulk lane. And what an answer says of its record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from integrations.core.errors import RequestRejected
from integrations.core.tenant import Tenant
from integrations.gateway import client
from integrations.jobs.writes import ANSWER_LOST_AFTER
from integrations.upserts.comparison import RecordMatcher
from integrations.upserts.models import UpsertRow
from integrations.upserts.upsert_key import RowContent

_DUPLICATE = "contacts.get-duplicate-contact"


def is_possible(matcher: RecordMatcher) -> bool:
    """Whether there is a call that finds the record of a row."""
    return matcher.by_person or matcher.resource.single is not None


def record_of(
    matcher: RecordMatcher, content: RowContent, tenant: Tenant, how: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """The vendor's record of the row; None when there is none. `how` is what the gateway's call needs besides.

    Raises what the gateway raises: RequestRejected when the vendor refuses the question.
    """
    if matcher.by_person:
        wanted = {"email": content.body.get("email"), "number": content.body.get("phone")}
        params = {name: value for name, value in wanted.items() if value}
        return _object(client.call(_DUPLICATE, params={**tenant.request_fields, **params}, **how).json, "contact")
    single, named = matcher.resource.single, matcher.identity(content).removeprefix("id ")
    if single is None or not named:
        return None
    try:
        return _object(client.call(single.operation, params={single.parameter: named}, **how).json, single.name)
    except RequestRejected as error:
        if error.vendor.status == HTTPStatus.NOT_FOUND:
            return None
        raise


def record_in(answer: Any, matcher: RecordMatcher | None) -> tuple[str, bool | None]:
    """The id of the record in the answer of a write, empty if it has none, and whether the record is a new one."""
    if not isinstance(answer, Mapping):
        return "", None
    single = matcher.resource.single if matcher is not None else None
    named = _object(answer, single.name) if single is not None else None
    inner = [value for value in answer.values() if isinstance(value, Mapping)]
    found = next((one["id"] for one in (named or {}, answer, *inner) if isinstance(one.get("id"), str)), "")
    created = answer.get("new")
    return found, created if isinstance(created, bool) else None


def seconds_for_answer(row: UpsertRow, now: datetime) -> float:
    """How long the answer of an unknown row may still come; not above 0 when it cannot."""
    since = max(row.sent_at or now, row.settled_at or now)
    return (since + ANSWER_LOST_AFTER - now).total_seconds()


def _object(answer: Any, name: str) -> Mapping[str, Any] | None:
    found = answer.get(name) if name and isinstance(answer, Mapping) else answer
    return found if isinstance(found, Mapping) and found else None
