"""Reads the vendor's records: one page of a listing, also of operations that do not page, or one record by its id."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from integrations.core.errors import PayloadAnomalous, RequestRejected, VendorAnswer
from integrations.gateway import client
from integrations.gateway.client import Page
from integrations.sync.resources import Parent, Single

# The vendor documents no answer for an unknown id. Known are 400 and 404 with "Contact with id … not found" and the
# like. Other refusals say "not found" too: of a version header, a token, a path.
_MISSING = re.compile(r"not (be )?found|does ?n[o']t exist|no such|\bdeleted\b", re.IGNORECASE)
_OTHER = re.compile(
    r"\b(version|header|token|jwt|endpoint|route|cannot get)\b|^\W*(the )?(location|company|account|app)\b",
    re.IGNORECASE,
)
_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.UNPROCESSABLE_ENTITY)


def page(
    operation: str,
    *,
    whole: str = "",
    below: Parent | None = None,
    cursor: dict[str, Any] | None = None,
    **arguments: Any,
) -> Page:
    """`gateway.client.page`; with `whole`, the name of the list in the answer, the only page there is.

    `below`: the listing is read below each row of another, one after the other.

    Raises what the gateway raises, and PayloadAnomalous when that list is missing: that is not an empty list.
    """
    if below is not None:
        return _page_below(operation, below, cursor, arguments)
    if not whole:
        return client.page(operation, cursor=cursor, **arguments)
    answer = client.call(operation, **arguments).json
    items = answer.get(whole) if isinstance(answer, dict) else None
    if not isinstance(items, list):
        raise PayloadAnomalous(f"the answer holds no list of {whole}", operation=operation)
    return Page(items, None, None)


def record(single: Single, record_id: str, **arguments: Any) -> dict[str, Any] | None:
    """One record by its id; None when the vendor says that there is none. `arguments` are those of `client.call`.

    Raises what the gateway raises, and PayloadAnomalous for an answer without the record.
    """
    try:
        answer = client.call(single.operation, params={single.parameter: record_id}, **arguments).json
    except RequestRejected as error:
        if says_missing(error.vendor):
            return None
        raise
    found = answer.get(single.name) if single.name and isinstance(answer, dict) else answer
    if not isinstance(found, dict) or record_id not in (found.get("id"), found.get("_id")):
        raise PayloadAnomalous("the answer does not hold the record that was asked for", operation=single.operation)
    return found


def _page_below(operation: str, below: Parent, cursor: dict[str, Any] | None, arguments: dict[str, Any]) -> Page:
    """One page below the first of the rows that are left. The cursor holds their ids, and the position below it."""
    if cursor is None:
        rows = page(below.operation, whole=below.whole, **{**arguments, "params": {}}).items
        cursor = {"left": [row["id"] for row in rows if isinstance(row, dict) and row.get("id")], "inner": None}
    if not cursor["left"]:
        return Page([], None, None)
    params = {**(arguments.get("params") or {}), below.parameter: cursor["left"][0]}
    got = page(operation, cursor=cursor["inner"], **{**arguments, "params": params})
    left = cursor["left"] if got.next is not None else cursor["left"][1:]
    return Page(got.items, None, {"left": left, "inner": got.next} if left else None)


def says_missing(answer: VendorAnswer) -> bool:
    """Whether a refusal says that the record does not exist, and not that something else was not found."""
    said = " ".join(filter(None, (answer.message, *answer.details)))
    if answer.status not in _REFUSALS or _OTHER.search(said):
        return False
    return answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE) or bool(_MISSING.search(said))
