"""Contacts: POST /contacts/search, oldest first.

Sorted by creation, which never changes: a row edited during the run does not move, a new one comes last and is seen,
and a deleted one shifts nothing, because the cursor names a position in the order and not a page number. The body is
undocumented in the OpenAPI file (an empty schema); it is the one deployed apps send (FACTS 7.4).

A row embeds the contact's opportunities. They change without a change of the contact, so they are not stored.
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
        "pageLimit": PAGE_SIZE,
        "sort": [{"field": "dateAdded", "direction": "asc"}],
    }


def _full(location_id: str) -> ListingRequest:
    return ListingRequest(body=_body(location_id))


def _since(location_id: str, since: datetime) -> ListingRequest:
    changed = {"field": "dateUpdated", "operator": "range", "value": {"gte": iso(since)}}
    return ListingRequest(body={**_body(location_id), "filters": [changed]})


CONTACTS = Resource(
    name="contacts",
    operation="contacts.search-contacts-advanced",
    every=timedelta(minutes=10),
    default=True,
    full=_full,
    elsewhere={"1.0": API_1["contacts"]},
    since=_since,
    single=Single("contacts.get-contact", "contactId", "contact"),
    noise=frozenset({"searchAfter", "opportunities"}),
    filters=(
        ListingFilter(parameter="tags", operator="eq", is_list=True, field="tags"),
        ListingFilter(parameter="type", operator="eq", values=("lead", "customer"), field="type"),
        ListingFilter(parameter="assignedTo", operator="eq", field="assignedTo"),
    ),
    creates=frozenset({"ContactCreate"}),
    updates=frozenset({"ContactUpdate", "ContactDndUpdate", "ContactTagUpdate"}),
    deletes=frozenset({"ContactDelete"}),
)
