"""Operations answer odd requests, or refuse them with an ApiError; they never raise anything else."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from integrations.sandbox.data.row_store import RowStore
from integrations.sandbox.protocol import ApiCall, ApiError, Route
from integrations.sandbox.resources import ROUTES
from tests.sandbox.desk import BY_OPERATION, Desk
from tests.sandbox.examples import EXAMPLES
from tests.support.tables import check_every

ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    float("nan"),
    float("inf"),
    "",
    "x",
    "Ω" * 300,
    "99999999999999999999",
    "٣",
    "2026-02-30",
    [],
    [None],
    [[]],
    [{}],
    {},
    {"id": []},
    {"field": [], "operator": {}, "value": [{}]},
]


SEARCH = next(route for route in ROUTES if route.operation_id == "search-contacts-advanced")
EXPECTED = (200, 201, 400, 403, 422)


def outcome(route: Route, call: ApiCall) -> tuple[int, Any]:
    try:
        reply = route.handler(call)
    except ApiError as error:
        return error.status, error.body
    return reply.status, reply.body


def caught(route: Route, desk: Desk) -> ApiCall:
    """The good example's call, taken instead of made."""
    taken: list[ApiCall] = []

    def take(operation: str, path: Any = None, *, query: Any = None, body: Any = None, agency: bool = False) -> None:
        location = None if agency else desk.location
        emit = desk.emitted.append
        call = ApiCall(desk.world, desk.company.id, location, lambda event, fields: emit((event, fields)))
        call.path, call.query, call.body = path or {}, query or {}, body
        taken.append(call)

    desk.reply = take  # type: ignore[assignment,method-assign]
    EXAMPLES[route.operation_id](desk)
    return taken[0]


def spoil(good: Any, draw: random.Random) -> Any:
    """`good` with one part, at any depth, replaced, dropped or added."""
    if isinstance(good, dict) and good and draw.random() < 0.8:
        name = draw.choice(list(good))
        if draw.random() < 0.1:
            return {key: value for key, value in good.items() if key != name}
        return {**good, name: spoil(good[name], draw)}
    if isinstance(good, list) and good and draw.random() < 0.5:
        return [spoil(good[0], draw), *good[1:]]
    return draw.choice(ODD)


def spoil_text(good: dict[str, str], draw: random.Random) -> dict[str, str]:
    odd = [value for value in ODD if isinstance(value, str)] + ["-1", "0", "nan", "1e9", "true"]
    return {**good, draw.choice([*good, "limit", "page", "startAfter"]): draw.choice(odd)}


@pytest.mark.slow
def test_garbage_is_answered_or_refused() -> None:
    check_every(BY_OPERATION, answers_or_refuses)


def answers_or_refuses(operation: str) -> None:
    route = BY_OPERATION[operation]
    desk, draw = Desk(contacts=30), random.Random(route.operation_id)
    call = caught(route, desk)
    path, query, body = dict(call.path), dict(call.query), call.body
    for turn in range(60):
        call.path = spoil_text(path, draw) if turn % 4 == 0 else path
        call.query = spoil_text(query, draw) if turn % 4 == 1 else query
        call.body = spoil(body, draw) if turn % 4 > 1 else body
        status, answer = outcome(route, call)
        assert status in EXPECTED
        json.dumps(answer)
    check_shelves(desk)


@pytest.mark.parametrize("field", ["filters", "sort", "searchAfter", "page", "pageLimit", "query", "locationId"])
def test_garbage_in_a_contact_search(field: str) -> None:
    desk = Desk(contacts=30)
    for odd in ODD:
        for value in (odd, [odd], [{"field": "city", "operator": "eq", "value": odd}], [{"field": odd}], [odd, "x"]):
            body = {"locationId": desk.location.id, "pageLimit": 5, field: value}
            call = ApiCall(desk.world, desk.company.id, desk.location, lambda event, fields: None, body=body)
            assert outcome(SEARCH, call)[0] in EXPECTED


def check_shelves(desk: Desk) -> None:
    """Every order and group of every store can still be built and read."""
    for name in ("contacts", "opportunities", "events", "conversations", "messages", "notes", "tasks"):
        store: RowStore[Any] = getattr(desk.location, name)
        assert len(list(store.in_order((("added_at", True),)))) == len(store)
