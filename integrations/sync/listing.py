"""Reads the vendor's records: one page of a listing, also of operations that do not page, or one record by its id."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Protocol

from integrations.core.errors import PayloadAnomalous, RequestRejected, VendorAnswer
from integrations.gateway import client
from integrations.gateway.client import Page
from integrations.gateway.pages_ahead import PagesAhead
from integrations.highlevel.pagination.pages import ANYWHERE, rows_in
from integrations.sync.resources import Parent, Resource, Single

# The vendor documents no answer for an unknown id. Known are 400 and 404 with "Contact with id … not found" and the
# like. Other refusals say "not found" too: of a version header, a token, a path.
_MISSING = re.compile(r"not (be )?found|does ?n[o']t exist|no such|\bdeleted\b", re.IGNORECASE)
_OTHER = re.compile(
    r"\b(version|header|token|jwt|endpoint|route|cannot get)\b|^\W*(the )?(company|account|app)\b", re.IGNORECASE
)
_LOCATION = re.compile(r"^\W*(the )?location\b", re.IGNORECASE)
_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.UNPROCESSABLE_ENTITY)


class FetchPage(Protocol):
    """The type of `page`."""

    def __call__(self, operation: str, **arguments: Any) -> Page:
        """See `page`."""


class FetchRecord(Protocol):
    """The type of `record`."""

    def __call__(self, single: Single, record_id: str, **arguments: Any) -> dict[str, Any] | None:
        """See `record`."""


def page(  # noqa: PLR0913 - all but the operation are keywords
    operation: str,
    *,
    whole: str = "",
    only_one: bool = False,
    below: Parent | None = None,
    parts: Sequence[Mapping[str, Any]] = (),
    cursor: dict[str, Any] | None = None,
    ahead: PagesAhead | None = None,
    **arguments: Any,
) -> Page:
    """`gateway.client.page`; with `whole`, the path of the list in the answer, the only page there is.

    A path of `*` means the answer itself, or its only list.

    `only_one`: the answer has an object there instead, the only row. `below`: the listing is read below each row of
    another, one after the other. `parts`: it is read once with each of these arguments.

    Raises what the gateway raises, and PayloadAnomalous when that list is missing: that is not an empty list.
    """
    how: dict[str, Any] = {"whole": whole, "only_one": only_one, "ahead": ahead}
    if below is not None:
        return _page_below(operation, below, cursor, {**arguments, **how, "parts": parts})
    if parts:
        return _page_of_parts(operation, parts, cursor, {**arguments, **how})
    if not whole:
        return client.page(operation, cursor=cursor, ahead=ahead, **arguments)
    answer = client.call(operation, **arguments).json
    if only_one:
        inner = answer if whole == ANYWHERE else _at(answer, whole)
        rows = [inner] if isinstance(inner, dict) else inner
    else:
        rows = rows_in(answer, (ANYWHERE,)) if whole == ANYWHERE else _at(answer, whole)
    if not isinstance(rows, list):
        raise PayloadAnomalous(f"the answer holds no list of {whole}", operation=operation)
    return Page(rows, None, None)


def _at(answer: Any, path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    for name in path.split("."):
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer


def record(
    single: Single,
    record_id: str,
    *,
    others: Mapping[str, Any] | None = None,
    ids: Sequence[str] = ("id", "_id"),
    **arguments: Any,
) -> dict[str, Any] | None:
    """One record by its id; None when the vendor says that there is none. `arguments` are those of `client.call`.

    `others` are further parameters, `ids` the fields that may hold the id.

    Raises what the gateway raises, and PayloadAnomalous for an answer without the record.
    """
    try:
        answer = client.call(single.operation, params={**(others or {}), single.parameter: record_id}, **arguments).json
    except RequestRejected as error:
        if says_missing(error.vendor, of_location=arguments.get("company") is None):
            return None
        raise
    found = _at(answer, single.name) if single.name else answer
    if not isinstance(found, dict) or record_id not in {found.get(name) for name in ids}:
        raise PayloadAnomalous("the answer does not hold the record that was asked for", operation=single.operation)
    return found


def _page_of_parts(
    operation: str, parts: Sequence[Mapping[str, Any]], cursor: dict[str, Any] | None, arguments: dict[str, Any]
) -> Page:
    """One page of a part. The cursor holds the part's number, and the position in it."""
    cursor = cursor or {"part": 0, "inner": None}
    number, where = cursor["part"], "params" if arguments.get("body") is None else "body"
    chosen = {**arguments, where: {**(arguments.get(where) or {}), **parts[number]}}
    got = page(operation, cursor=cursor["inner"], **chosen)
    if got.next is None:
        number += 1
    following = {"part": number, "inner": got.next} if number < len(parts) else None
    return Page(got.items, None, following, got.asked_at)


def _page_below(operation: str, below: Parent, cursor: dict[str, Any] | None, arguments: dict[str, Any]) -> Page:
    """One page below the first of the parents that are left.

    The cursor holds what the operation is asked with for each of them, the position below the first, and that in the
    listing of the parents.
    """
    left, inner, outer = (cursor or {}).get("left", []), (cursor or {}).get("inner"), (cursor or {}).get("outer")
    if not left and (cursor is None or outer is not None):
        parents = _parents(below.resource, outer, arguments)
        left = [value for row in parents.items if isinstance(row, dict) and (value := below.value(row))]
        outer = parents.next
    got = page_of(operation, below, left[0], inner, arguments) if left else Page([], None, None)
    left = left if got.next is not None else left[1:]
    more = bool(left) or outer is not None
    return Page(got.items, None, {"left": left, "inner": got.next, "outer": outer} if more else None, got.asked_at)


def page_of(
    operation: str, below: Parent, value: str, cursor: dict[str, Any] | None, arguments: Mapping[str, Any]
) -> Page:
    """One page below one parent, which each row names. A parent that is gone has no rows."""
    params = {**(arguments.get("params") or {}), below.parameter: value}
    try:
        got = page(operation, cursor=cursor, **{**arguments, "params": params})
    except RequestRejected as error:
        if says_missing(error.vendor, of_location=arguments.get("company") is None):
            return Page([], None, None)
        raise
    named = below.named or below.parameter
    items = [{named: value, **row} if isinstance(row, dict) else row for row in got.items]
    return Page(items, None, got.next, got.asked_at)


def _parents(parent: Resource, cursor: dict[str, Any] | None, arguments: Mapping[str, Any]) -> Page:
    """A page of the listing of the parents."""
    request = parent.request(arguments.get("location") or arguments.get("company") or "", None)
    how = {"whole": parent.whole, "only_one": parent.only_one, "below": parent.below, "parts": parent.argument_sets}
    asked = {**arguments, **how, "params": request.params, "body": request.body}
    return page(parent.operation, cursor=cursor, **asked)


def says_missing(answer: VendorAnswer, *, of_location: bool = True) -> bool:
    """Whether a refusal says that the record does not exist, and not that something else was not found.

    For the records of a location that is also the location itself. Those of a company are locations, or belong to one.
    """
    said = " ".join(filter(None, (answer.message, *answer.details)))
    if answer.status not in _REFUSALS or _OTHER.search(said) or (of_location and _LOCATION.search(said)):
        return False
    return answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE) or bool(_MISSING.search(said))
