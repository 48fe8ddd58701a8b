"""Where the vendor's OpenAPI files contradict the vendor: the only exemptions of test_schemas.py."""

from __future__ import annotations

from typing import Any

OBJECTS = {"type": "array", "items": {"type": "object"}}
STRINGS = {"type": "array", "items": {"type": "string"}}
TEXT = {"type": "string"}
NULLABLE_NUMBER = {"type": ["number", "null"]}

# (file, schema, property): what it is, and how we know
CORRECTIONS: dict[tuple[str, str, str], tuple[dict[str, Any], str]] = {
    ("contacts", "CustomFieldSchema", "value"): (
        {"type": ["string", "number", "array", "object"]},
        "the webhook events give the same field these types",
    ),
    ("opportunities", "PipelinesResponseSchema", "stages"): (OBJECTS, "a list of lists cannot hold stage ids"),
    ("opportunities", "SearchOpportunitiesResponseSchema", "followers"): (
        STRINGS,
        "add-followers answers with user ids",
    ),
    ("opportunities", "SearchMetaResponseSchema", "nextPage"): (
        NULLABLE_NUMBER,
        "null on the last page of live answers",
    ),
    ("opportunities", "SearchMetaResponseSchema", "prevPage"): (
        NULLABLE_NUMBER,
        "null on the first page of live answers",
    ),
    ("opportunities", "SearchMetaResponseSchema", "nextPageUrl"): (
        {"type": ["string", "null"]},
        "null on the last page of live answers",
    ),
    ("locations", "LocationTaskListSuccessfulResponseDto", "tasks"): (OBJECTS, "a list of lists cannot hold tasks"),
    **{
        ("calendars", "CalendarEventDTO", name): (TEXT, "the file's own example is text")
        for name in ("startTime", "endTime", "dateAdded", "dateUpdated")
    },
}

# Fields of live answers that the files leave out: operation, (their paths, why they are sent)
BEYOND: dict[str, tuple[set[str], str]] = {
    **{
        operation: ({"$.contact.followers"}, "live contacts carry their followers")
        for operation in ("get-contact", "update-contact", "upsert-contact")
    },
    "create-contact": (
        {"$.contact.followers", "$.contact.name", "$.contact.timezone"},
        "the answer to a create is the contact as it is read",
    ),
    "get-contacts": (
        {"$.meta"}
        | {f"$.contacts[].{name}" for name in ("firstName", "lastName", "contactName", "phone", "companyName", "type")}
        | {f"$.contacts[].{name}" for name in ("city", "state", "postalCode", "dnd", "assignedTo", "dateUpdated")},
        "the file's row lacks what the list is called for, its answer the cursor",
    ),
    "search-opportunities-advanced": (
        {"$.opportunities[].searchAfter", "$.traceId"},
        "without the rows' cursor the request's searchAfter could not be filled",
    ),
    "search-conversation": (
        {f"$.conversations[].{name}" for name in ("assignedTo", "dateAdded", "dateUpdated", "tags", "sort")}
        | {"$.conversations[].lastMessageDate", "$.conversations[].lastMessageDirection"},
        "startAfterDate takes the sort value of the last row",
    ),
}
