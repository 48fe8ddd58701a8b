"""Opportunities: both searches with their paging, pipelines, create to delete, and the events of each change."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.desk import Desk
from tests.sandbox.examples import new_opportunity, opportunity_path


@pytest.fixture
def desk() -> Desk:
    return Desk(contacts=300)  # 60 opportunities


def search(desk: Desk, **more: str) -> Any:
    return desk.get("search-opportunity", query={"location_id": desk.location.id, **more})


def ids(answer: Any) -> list[str]:
    return [row["id"] for row in answer["opportunities"]]


def newest_first(desk: Desk) -> list[str]:
    rows = sorted(desk.location.opportunities.values(), key=lambda row: (-row.added_at, row.id))
    return [row.id for row in rows]


def test_cursors_lead_through_all_and_the_last_page_says_so(desk: Desk) -> None:
    found: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(4):
        answer = search(desk, limit="15", **cursor)
        found += ids(answer)
        meta = answer["meta"]
        cursor = {"startAfter": str(meta["startAfter"]), "startAfterId": meta["startAfterId"]}
    assert found == newest_first(desk)
    assert (meta["total"], meta["nextPage"], meta["nextPageUrl"]) == (60, None, None)
    assert ids(search(desk, **cursor)) == []


def test_pages_lead_through_all(desk: Desk) -> None:
    answers = [search(desk, limit="25", page=str(page)) for page in (1, 2, 3, 4)]
    assert [row for answer in answers for row in ids(answer)] == newest_first(desk)
    assert [answer["meta"]["nextPage"] for answer in answers] == [2, 3, None, None]
    assert [answer["meta"]["prevPage"] for answer in answers] == [None, 1, 2, 3]


def test_the_next_page_url_leads_to_the_next_page(desk: Desk) -> None:
    path, _, query = search(desk, limit="25")["meta"]["nextPageUrl"].partition("?")
    parameters = dict(part.split("=") for part in query.split("&"))
    assert path == "/opportunities/search"
    assert ids(desk.get("search-opportunity", query=parameters)) == newest_first(desk)[25:50]


def test_a_delete_between_pages_hides_nothing(desk: Desk) -> None:
    before = newest_first(desk)
    meta = search(desk, limit="20")["meta"]
    desk.get("delete-opportunity", {"id": before[0]})
    desk.get("create-opportunity", body=new_opportunity(desk))
    cursor = {"startAfter": str(meta["startAfter"]), "startAfterId": meta["startAfterId"]}
    assert ids(search(desk, limit="100", **cursor)) == before[20:]


def test_the_body_search_pages_by_page_and_by_cursor(desk: Desk) -> None:
    body = {"locationId": desk.location.id, "limit": 25}
    first = desk.get("search-opportunities-advanced", body=body)
    after = first["opportunities"][-1]["searchAfter"]
    for more in ({"page": 2}, {"searchAfter": after}, {"searchAfter": [str(value) for value in after]}):
        assert ids(desk.get("search-opportunities-advanced", body={**body, **more})) == newest_first(desk)[25:50]
    assert first["total"] == 60
    desk.refused(400, "search-opportunities-advanced", body={**body, "searchAfter": ["soon", "x"]})


@pytest.mark.parametrize("order", ["added_asc", "added_desc", "updated_asc", "updated_desc"])
def test_order(order: str, desk: Desk) -> None:
    name = "createdAt" if order.startswith("added") else "updatedAt"
    values = [row[name] for row in search(desk, order=order, limit="100")["opportunities"]]
    assert values == sorted(values, reverse=order.endswith("desc"))


def test_filters(desk: Desk) -> None:
    deals = list(desk.location.opportunities.values())
    deal = next(deal for deal in deals if deal.assigned_to)
    for query, name, value in (
        ({"status": "won"}, "status", "won"),
        ({"pipeline_id": deal.pipeline_id}, "pipeline_id", deal.pipeline_id),
        ({"pipeline_stage_id": deal.stage_id}, "stage_id", deal.stage_id),
        ({"contact_id": deal.contact_id}, "contact_id", deal.contact_id),
        ({"assigned_to": deal.assigned_to or ""}, "assigned_to", deal.assigned_to),
        ({"id": deal.id}, "id", deal.id),
    ):
        answer = search(desk, limit="100", **query)
        assert set(ids(answer)) == {row.id for row in deals if getattr(row, name) == value}
        assert 0 < answer["meta"]["total"] < 60
    assert search(desk, status="all")["meta"]["total"] == 60


def test_the_query_finds_by_the_contacts_email(desk: Desk) -> None:
    deal = next(iter(desk.location.opportunities.values()))
    email = desk.location.contacts[deal.contact_id].email
    assert ids(search(desk, q=(email or "").upper())) == [deal.id]


def test_days_bound_the_search(desk: Desk) -> None:
    found = search(desk, date="01-01-2026", endDate="03-31-2026", limit="100")["opportunities"]
    expected = [row for row in search(desk, limit="100")["opportunities"] if "2026-01" <= row["createdAt"] < "2026-04"]
    assert found == expected
    assert found
    desk.refused(422, "search-opportunity", query={"location_id": desk.location.id, "date": "2026-01-01"})


@pytest.mark.parametrize(
    "query", [{"limit": "101"}, {"page": "0"}, {"status": "maybe"}, {"locationId": "x"}, {"startAfterId": "x"}]
)
def test_what_cannot_be_searched_is_refused(query: dict[str, str], desk: Desk) -> None:
    desk.refused(422, "search-opportunity", query={"location_id": desk.location.id, **query})


def test_the_location_is_named_in_snake_case_and_must_be_the_tokens(desk: Desk) -> None:
    error = desk.refused(422, "search-opportunity", query={"locationId": desk.location.id})
    assert "property locationId should not exist" in error["message"]
    desk.refused(403, "search-opportunity", query={"location_id": desk.other.id})
    desk.refused(403, "get-pipelines", query={"locationId": desk.other.id})


def test_pipelines_have_their_stages_in_order(desk: Desk) -> None:
    pipelines = desk.get("get-pipelines", query={"locationId": desk.location.id})["pipelines"]
    assert [pipeline["name"] for pipeline in pipelines] == ["Sales", "Reactivation"]
    for pipeline in pipelines:
        assert [stage["position"] for stage in pipeline["stages"]] == [0, 1, 2, 3, 4]


def test_what_was_created_can_be_read(desk: Desk) -> None:
    sent = new_opportunity(desk)
    created = desk.get("create-opportunity", body=sent)["opportunity"]
    read = desk.get("get-opportunity", {"id": created["id"]})["opportunity"]
    assert read == created
    for name in ("pipelineId", "pipelineStageId", "contactId", "name", "status", "monetaryValue", "assignedTo"):
        assert read[name] == sent[name]
    assert read["contact"]["id"] == sent["contactId"]


def test_without_a_stage_it_starts_in_the_first(desk: Desk) -> None:
    sent = new_opportunity(desk)
    stage = desk.location.pipelines[sent["pipelineId"]].stages[0].id
    del sent["pipelineStageId"]
    assert desk.get("create-opportunity", body=sent)["opportunity"]["pipelineStageId"] == stage


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"pipelineId": "none"}, 400),
        ({"pipelineStageId": "none"}, 400),
        ({"contactId": "nobody"}, 400),
        ({"status": "all"}, 422),
        ({"monetaryValue": "220"}, 422),
        ({"name": ""}, 422),
        ({"title": "x"}, 422),
        ({"locationId": "elsewhere"}, 403),
    ],
)
def test_what_cannot_be_created_is_refused(change: dict[str, Any], status: int, desk: Desk) -> None:
    desk.refused(status, "create-opportunity", body={**new_opportunity(desk), **change})
    assert desk.emitted == []


def test_each_change_tells_of_itself(desk: Desk) -> None:
    path = {"id": desk.get("create-opportunity", body=new_opportunity(desk))["opportunity"]["id"]}
    stage = desk.location.pipelines[new_opportunity(desk)["pipelineId"]].stages[3].id
    for body, events in (
        ({"name": "Other"}, ["OpportunityUpdate"]),
        ({"status": "won"}, ["OpportunityUpdate", "OpportunityStatusUpdate"]),
        ({"monetaryValue": 1}, ["OpportunityUpdate", "OpportunityMonetaryValueUpdate"]),
        ({"assignedTo": "u2"}, ["OpportunityUpdate", "OpportunityAssignedToUpdate"]),
        ({"pipelineStageId": stage}, ["OpportunityUpdate", "OpportunityStageUpdate"]),
    ):
        desk.emitted.clear()
        desk.get("update-opportunity", path, body=body)
        assert desk.events() == events


def test_the_times_of_status_and_stage_follow_their_changes(desk: Desk) -> None:
    old = desk.get("create-opportunity", body=new_opportunity(desk))["opportunity"]
    desk.get("update-opportunity-status", {"id": old["id"]}, body={"status": "lost", "lostReasonId": "r"})
    new = desk.get("get-opportunity", {"id": old["id"]})["opportunity"]
    assert (new["status"], new["lostReasonId"]) == ("lost", "r")
    assert new["lastStatusChangeAt"] > old["lastStatusChangeAt"]
    assert new["lastStageChangeAt"] == old["lastStageChangeAt"]


def test_a_stage_of_another_pipeline_is_refused(desk: Desk) -> None:
    one, two = desk.location.pipelines.values()
    deal = next(deal for deal in desk.location.opportunities.values() if deal.pipeline_id == one.id)
    desk.refused(400, "update-opportunity", {"id": deal.id}, body={"pipelineStageId": two.stages[0].id})
    moved = desk.get("update-opportunity", {"id": deal.id}, body={"pipelineId": two.id})["opportunity"]
    assert moved["pipelineStageId"] == two.stages[0].id


def test_upsert_finds_the_contacts_deal_in_that_pipeline(desk: Desk) -> None:
    deal = next(iter(desk.location.opportunities.values()))
    body = {"locationId": desk.location.id, "pipelineId": deal.pipeline_id, "contactId": deal.contact_id, "name": "Up"}
    answer = desk.get("Upsert-opportunity", body=body)
    assert (answer["new"], answer["opportunity"]["id"], answer["opportunity"]["name"]) == (False, deal.id, "Up")
    other = next(pipeline for pipeline in desk.location.pipelines if pipeline != deal.pipeline_id)
    assert desk.get("Upsert-opportunity", body={**body, "pipelineId": other})["new"] is True
    desk.refused(422, "Upsert-opportunity", body={"locationId": desk.location.id, "pipelineId": other})


def test_followers_are_added_and_removed(desk: Desk) -> None:
    path = opportunity_path(desk)
    assert desk.get("add-followers-opportunity", path, body={"followers": ["a", "b"]})["followersAdded"] == ["a", "b"]
    assert desk.get("remove-followers-opportunity", path, body={"followers": ["a"]})["followers"] == ["b"]
    emptied = desk.get("remove-followers-opportunity", path, query={"isRemoveAllFollowers": "true"})
    assert emptied == {"followers": [], "followersRemoved": ["b"]}


def test_what_is_deleted_is_gone(desk: Desk) -> None:
    path = opportunity_path(desk)
    desk.get("delete-opportunity", path)
    for operation in ("get-opportunity", "delete-opportunity", "update-opportunity"):
        desk.refused(400, operation, path, body={})
    assert path["id"] not in ids(search(desk, limit="100"))
