"""Opportunities: POST /opportunities/search, newest first as it comes.

The OpenAPI file knows neither `filters` nor `sort`; the vendor's page on this search, which the file links to, has
both, with field names in snake case and `range` as an operator of `date_updated`. A full run asks for neither. An
incremental one asks for what changed since shortly before the last run began (`pace.OVERLAP`: "updates may take a few
seconds to appear", says that page). Should the filter be refused, the run goes on as a full one (`runs`).

A row embeds its contact, and the names of related objects. They change without a change of the opportunity, so they are
not stored; `contactId` is the opportunity's own.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from integrations.sync.resources.base import PAGE_SIZE, Json, ListingRequest, Resource, Single
from integrations.sync.resources.dates import iso
from integrations.sync.resources.in_api1 import API_1
from integrations.sync.resources.listing_filters import ListingFilter


def _body(location_id: str) -> Json:
    return {
        "locationId": location_id,
        "limit": PAGE_SIZE,
        "query": "",
        "additionalDetails": dict.fromkeys(("notes", "tasks", "calendarEvents", "unReadConversations"), False),
    }


def _full(location_id: str) -> ListingRequest:
    return ListingRequest(body=_body(location_id))


def _since(location_id: str, since: datetime) -> ListingRequest:
    changed = {"field": "date_updated", "operator": "range", "value": {"gte": iso(since)}}
    return ListingRequest(body={**_body(location_id), "filters": [changed]})


OPPORTUNITIES = Resource(
    name="opportunities",
    operation="opportunities.search-opportunities-advanced",
    every=timedelta(minutes=10),
    default=True,
    full=_full,
    elsewhere={"1.0": API_1["opportunities"]},
    since=_since,
    single=Single("opportunities.get-opportunity", "id", "opportunity"),
    noise=frozenset({"searchAfter", "sort", "contact", "relations"}),
    filters=(
        ListingFilter(parameter="status", operator="eq", values=("open", "won", "lost", "abandoned"), field="status"),
        ListingFilter(parameter="pipeline_id", operator="eq", field="pipelineId"),
        ListingFilter(parameter="assigned_to", operator="eq", field="assignedTo"),
    ),
    creates=frozenset({"OpportunityCreate"}),
    updates=frozenset(
        {
            "OpportunityUpdate",
            "OpportunityAssignedToUpdate",
            "OpportunityMonetaryValueUpdate",
            "OpportunityStageUpdate",
            "OpportunityStatusUpdate",
        }
    ),
    deletes=frozenset({"OpportunityDelete"}),
    renames={"dateAdded": "createdAt"},
)
