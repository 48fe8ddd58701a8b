"""Opportunities: read, create, update, status, upsert, followers, delete.

An update sends OpportunityUpdate and, for some changed fields, a narrower event as well.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from integrations.sandbox.data.records import Opportunity, Pipeline
from integrations.sandbox.data.world import Location
from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.refusals import bad_request, invalid, not_found
from integrations.sandbox.resources.checks import Rules, body, here, own, query, succeeded
from integrations.sandbox.resources.locations import custom_values
from integrations.sandbox.resources.opportunities import views as opportunity_views

STATUSES = ("open", "won", "lost", "abandoned")
UPDATE_RULES: Rules = {
    "pipelineId": "text",
    "name": "text",
    "pipelineStageId": "text",
    "status": STATUSES,
    "monetaryValue": "number",
    "assignedTo": "string",
    "customFields": "objects",
}
CREATE_RULES: Rules = {**UPDATE_RULES, "locationId": "string", "contactId": "text", "source": "string"}
UPSERT_RULES: Rules = {
    **CREATE_RULES,
    "id": "text",
    "followers": "strings",
    "isRemoveAllFollowers": "boolean",
    "followersActionType": ("add", "remove"),
    "lostReasonId": "string",
}
# Fields that only v3 has.
FORECAST: Rules = {"forecastExpectedCloseDate": "date", "forecastProbability": "number"}
TEXTS = {
    "forecastExpectedCloseDate": "expected_close",
    "forecastProbability": "probability",
    "name": "name",
    "status": "status",
    "monetaryValue": "value",
    "assignedTo": "assigned_to",
    "contactId": "contact_id",
    "source": "source",
    "lostReasonId": "lost_reason_id",
}
NARROW_EVENTS = {
    "stage_id": "OpportunityStageUpdate",
    "status": "OpportunityStatusUpdate",
    "value": "OpportunityMonetaryValueUpdate",
    "assigned_to": "OpportunityAssignedToUpdate",
}


def find(call: ApiCall) -> tuple[Location, Opportunity]:
    """The opportunity the path names. Raises ApiError 400 where the token's location has none of that id."""
    location = here(call)
    deal = location.opportunities.get(call.path["id"])
    if deal is None:
        raise not_found("Opportunity", call.path["id"])
    return location, deal


def get(call: ApiCall) -> Reply:
    """Return one opportunity."""
    location, deal = find(call)
    return Reply({"opportunity": view(location, deal)})


def view(location: Location, deal: Opportunity) -> dict[str, Any]:
    """An opportunity with its contact, as GET returns it."""
    return opportunity_views.detail(deal, location.contacts.get(deal.contact_id))


def create(call: ApiCall) -> Reply:
    """Create an opportunity."""
    required = ("pipelineId", "locationId", "name", "status", "contactId")
    given = body(call, CREATE_RULES, required=required, v3=FORECAST)
    location = own(call, given["locationId"])
    return Reply({"opportunity": view(location, _create(call, location, given))}, 201)


def update(call: ApiCall) -> Reply:
    """Update an opportunity."""
    location, deal = find(call)
    new = _update(call, location, deal, _fields(location, deal, body(call, UPDATE_RULES, v3=FORECAST)))
    return Reply({"opportunity": view(location, new)})


def update_status(call: ApiCall) -> Reply:
    """Set the status of an opportunity."""
    location, deal = find(call)
    given = body(call, {"status": STATUSES, "lostReasonId": "string"}, required=("status",))
    _update(call, location, deal, _fields(location, deal, given))
    return Reply(succeeded(call, "success"))


def upsert(call: ApiCall) -> Reply:
    """Updates the opportunity of that id, or else the contact's one in that pipeline; creates where there is none."""
    given = body(call, UPSERT_RULES, required=("pipelineId", "locationId"), v3=FORECAST)
    location = own(call, given["locationId"])
    old = location.opportunities.get(given.get("id", "")) or next(
        (
            deal
            for deal in location.opportunities.where("contact_id", given.get("contactId"))
            if deal.pipeline_id == given["pipelineId"]
        ),
        None,
    )
    if old is None:
        if "contactId" not in given:
            raise invalid("contactId should not be empty")
        new = _create(call, location, {"name": "Opportunity", "status": "open", **given})
    else:
        fields = _fields(location, old, given)
        new = _update(call, location, old, {**fields, "followers": _followers(old, given)})
    return Reply({"opportunity": view(location, new), "new": old is None})


def _followers(old: Opportunity, given: dict[str, Any]) -> tuple[str, ...]:
    if given.get("isRemoveAllFollowers"):
        return ()
    named = given.get("followers", [])
    if given.get("followersActionType") == "remove":
        return tuple(user for user in old.followers if user not in named)
    return tuple(dict.fromkeys((*old.followers, *named)))


def add_followers(call: ApiCall) -> Reply:
    """Add followers."""
    location, deal = find(call)
    named = body(call, {"followers": "strings"}, required=("followers",))["followers"]
    added = [user for user in dict.fromkeys(named) if user not in deal.followers]
    followers = (*deal.followers, *added)
    _update(call, location, deal, {"followers": followers})
    return Reply({"followers": list(followers), "followersAdded": added}, 201)


def remove_followers(call: ApiCall) -> Reply:
    """Remove followers."""
    location, deal = find(call)
    everybody = query(call, {"isRemoveAllFollowers": "boolean"}).get("isRemoveAllFollowers", False)
    required = () if everybody else ("followers",)
    named = body(call, {"followers": "strings"}, required=required).get("followers", [])
    removed = [user for user in deal.followers if everybody or user in named]
    followers = tuple(user for user in deal.followers if user not in removed)
    _update(call, location, deal, {"followers": followers})
    return Reply({"followers": list(followers), "followersRemoved": removed})


def delete(call: ApiCall) -> Reply:
    """Delete an opportunity."""
    location, deal = find(call)
    del location.opportunities[deal.id]
    call.publish("OpportunityDelete", location.id, opportunity_views.event(deal))
    return Reply(succeeded(call, "success"))


def _create(call: ApiCall, location: Location, given: dict[str, Any]) -> Opportunity:
    fields = _fields(location, None, given)
    now = call.world.now()
    deal = location.opportunities.add(
        Opportunity(
            id=call.world.ids.new(),
            location_id=location.id,
            followers=tuple(given.get("followers", [])),
            added_at=now,
            updated_at=now,
            status_changed_at=now,
            stage_changed_at=now,
            **fields,
        )
    )
    call.publish("OpportunityCreate", location.id, opportunity_views.event(deal))
    return deal


def _update(call: ApiCall, location: Location, old: Opportunity, fields: dict[str, Any]) -> Opportunity:
    now = call.world.now()
    if fields.get("status", old.status) != old.status:
        fields["status_changed_at"] = now
    if fields.get("stage_id", old.stage_id) != old.stage_id:
        fields["stage_changed_at"] = now
    new = location.opportunities.add(replace(old, **fields, updated_at=now))
    call.publish("OpportunityUpdate", location.id, opportunity_views.event(new))
    for name, event_type in NARROW_EVENTS.items():
        if getattr(new, name) != getattr(old, name):
            call.publish(event_type, location.id, opportunity_views.event(new))
    return new


def _fields(location: Location, old: Opportunity | None, given: dict[str, Any]) -> dict[str, Any]:
    """The fields of the row that `given` sets. Raises ApiError 400 for a contact or stage that is not there."""
    fields = {row: given[name] for name, row in TEXTS.items() if name in given}
    if "contact_id" in fields and fields["contact_id"] not in location.contacts:
        raise not_found("Contact", fields["contact_id"])
    if "pipelineId" in given or "pipelineStageId" in given:
        pipeline = _pipeline(location, given.get("pipelineId") or (old.pipeline_id if old else ""))
        fields |= {"pipeline_id": pipeline.id, "stage_id": _stage(pipeline, old, given.get("pipelineStageId"))}
    if "customFields" in given:
        values = custom_values.read(location, "opportunity", given["customFields"])
        fields["custom_fields"] = custom_values.merge(old.custom_fields if old else (), values)
    return fields


def _pipeline(location: Location, pipeline_id: str) -> Pipeline:
    pipeline = location.pipelines.get(pipeline_id)
    if pipeline is None:
        raise not_found("Pipeline", pipeline_id)
    return pipeline


def _stage(pipeline: Pipeline, old: Opportunity | None, stage_id: str | None) -> str:
    if stage_id is None:
        return old.stage_id if old and old.pipeline_id == pipeline.id else pipeline.stages[0].id
    if all(stage.id != stage_id for stage in pipeline.stages):
        raise bad_request("The pipeline stage does not belong to the pipeline")
    return stage_id


READ, WRITE = ("opportunities.readonly",), ("opportunities.write",)
ROUTES = (
    Route("POST", "/opportunities/upsert", "Upsert-opportunity", upsert, WRITE),
    Route("POST", "/opportunities/", "create-opportunity", create, WRITE),
    Route("GET", "/opportunities/{id}", "get-opportunity", get, READ),
    Route("PUT", "/opportunities/{id}", "update-opportunity", update, WRITE),
    Route("DELETE", "/opportunities/{id}", "delete-opportunity", delete, WRITE),
    Route("PUT", "/opportunities/{id}/status", "update-opportunity-status", update_status, WRITE),
    Route("POST", "/opportunities/{id}/followers", "add-followers-opportunity", add_followers, WRITE),
    Route("DELETE", "/opportunities/{id}/followers", "remove-followers-opportunity", remove_followers, WRITE),
)
