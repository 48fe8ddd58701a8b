"""POST /opportunities/search: filters, sorts and cursors as the vendor's page on it has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from integrations.sandbox.data.records import Opportunity
from integrations.sandbox.timestamps import iso
from tests.sandbox.desk import Desk
from tests.sandbox.examples import opportunity_path

Filter = tuple[Any, ...]
SEARCH = "search-opportunities-advanced"


@pytest.fixture
def desk() -> Desk:
    return Desk(contacts=300)  # 60 opportunities


def search(desk: Desk, **more: Any) -> Any:
    return desk.get(SEARCH, body={"locationId": desk.location.id, "limit": 100, **more})


def ids(answer: Any) -> list[str]:
    return [row["id"] for row in answer["opportunities"]]


def written(*filters: Filter) -> list[dict[str, Any]]:
    return [dict(zip(("field", "operator", "value"), entry, strict=False)) for entry in filters]


def some(desk: Desk) -> Opportunity:
    return next(deal for deal in desk.location.opportunities.values() if deal.assigned_to and deal.value)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda deal: [("status", "eq", deal.status)], lambda row, deal: row.status == deal.status),
        (lambda deal: [("status", "not_eq", deal.status)], lambda row, deal: row.status != deal.status),
        (lambda deal: [("id", "eq", deal.id)], lambda row, deal: row.id == deal.id),
        (lambda deal: [("assigned_to", "not_exists")], lambda row, deal: not row.assigned_to),
        (
            lambda deal: [("pipeline_id", "eq", deal.pipeline_id), ("pipeline_stage_id", "eq", deal.stage_id)],
            lambda row, deal: (row.pipeline_id, row.stage_id) == (deal.pipeline_id, deal.stage_id),
        ),
        (
            lambda deal: [("monetary_value", "range", {"gte": deal.value, "lt": deal.value * 3})],
            lambda row, deal: deal.value <= row.value < deal.value * 3,
        ),
        (
            lambda deal: [("date_updated", "range", {"gte": iso(deal.updated_at)})],
            lambda row, deal: row.updated_at >= deal.updated_at,
        ),
        (
            lambda deal: [("date_added", "range", {"lt": deal.added_at})],
            lambda row, deal: row.added_at < deal.added_at,
        ),
        (
            lambda deal: [("last_stage_change_date", "range", {"gt": iso(deal.stage_changed_at)})],
            lambda row, deal: row.stage_changed_at > deal.stage_changed_at,
        ),
    ],
)
def test_filters(
    desk: Desk, build: Callable[[Opportunity], list[Filter]], expected: Callable[[Opportunity, Opportunity], bool]
) -> None:
    deal, deals = some(desk), list(desk.location.opportunities.values())
    answer = search(desk, filters=written(*build(deal)))
    assert set(ids(answer)) == {row.id for row in deals if expected(row, deal)}
    assert 0 < answer["total"] == len(ids(answer)) < 60


@pytest.mark.parametrize("operator", ["eq", "contains"])
def test_a_field_of_the_contact_finds_its_opportunity(desk: Desk, operator: str) -> None:
    deal = some(desk)
    email = desk.location.contacts[deal.contact_id].email or ""
    assert ids(search(desk, filters=written(("email", operator, email.upper())))) == [deal.id]


def test_groups_nest(desk: Desk) -> None:
    deals = list(desk.location.opportunities.values())
    first, second = deals[:2]
    either = {"group": "OR", "filters": written(("id", "eq", first.id), ("id", "eq", second.id))}
    assert set(ids(search(desk, filters=[either]))) == {first.id, second.id}
    assert ids(search(desk, filters=[either, *written(("id", "not_eq", first.id))])) == [second.id]


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("date_added", "createdAt"),
        ("date_updated", "updatedAt"),
        ("name", "name"),
        ("monetary_value", "monetaryValue"),
        ("last_status_change_date", "lastStatusChangeAt"),
        ("last_stage_change_date", "lastStageChangeAt"),
    ],
)
def test_every_sort_leads_through_all_by_its_cursors(desk: Desk, field: str, shown: str, direction: str) -> None:
    rows: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    for _ in range(4):
        page = search(desk, limit=20, sort=[{"field": field, "direction": direction}], **cursor)["opportunities"]
        rows += page
        cursor = {"searchAfter": page[-1]["searchAfter"]} if page else cursor
    assert {row["id"] for row in rows} == set(desk.location.opportunities)
    values = [row[shown] for row in rows]
    assert (len(values), values) == (60, sorted(values, reverse=direction == "desc"))


def test_what_changed_since_is_found_after_the_change(desk: Desk) -> None:
    """An app that keeps a copy asks this way, and must see the edit it has not seen and nothing else."""
    since = iso(desk.world.now())
    filters = written(("date_updated", "range", {"gte": since}))
    assert ids(search(desk, filters=filters)) == []
    path = opportunity_path(desk)
    desk.get("update-opportunity", path, body={"monetaryValue": 4_321})
    assert ids(search(desk, filters=filters)) == [path["id"]]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"filters": [{"field": "dateUpdated", "operator": "range", "value": {"gte": 1}}]}, 422),
        ({"filters": [{"field": "date_updated", "operator": "eq", "value": 1}]}, 422),
        ({"filters": [{"field": "date_updated", "operator": "range", "value": {"gte": "soon"}}]}, 422),
        ({"filters": [{"field": "date_updated", "operator": "range", "value": {"gte": None}}]}, 422),
        ({"filters": [{"field": "monetary_value", "operator": "range", "value": {"gte": None}}]}, 422),
        ({"filters": [{"field": "monetary_value", "operator": "contains", "value": "1"}]}, 422),
        ({"filters": [{"field": "status", "operator": "like", "value": "o"}]}, 422),
        ({"filters": {"field": "status"}}, 422),
        ({"filters": ["status"]}, 422),
        ({"filters": [{"group": "XOR", "filters": []}]}, 422),
        ({"sort": [{"field": "dateAdded"}]}, 422),
        ({"sort": [{"field": "name", "direction": "up"}]}, 422),
        ({"limit": 501}, 422),
        ({"query": "x" * 76}, 422),
        ({"limit": 500, "page": 21}, 400),
        ({"searchAfter": ["x"]}, 400),
        ({"sort": [{"field": "monetary_value"}], "searchAfter": ["much", "x"]}, 400),
        ({"sort": [{"field": "monetary_value"}], "searchAfter": ["nan", "x"]}, 400),
        ({"sort": [{"field": "name"}], "searchAfter": [7, "x"]}, 400),
        ({"searchAfter": [1, 2]}, 400),
    ],
)
def test_what_cannot_be_searched_is_refused(desk: Desk, more: dict[str, Any], status: int) -> None:
    desk.refused(status, SEARCH, body={"locationId": desk.location.id, "limit": 20, **more})
