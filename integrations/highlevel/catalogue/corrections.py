"""What the vendor's files leave out or get wrong, and where the better knowledge comes from.

Keys are the same in both dialects. A test holds every correction to an operation whose schema is still empty.
"""

from __future__ import annotations

from integrations.highlevel.catalogue.operation import Body

# Body schemas that are empty in the files.
BODIES: dict[str, Body] = {
    # FACTS section 7 [several]; a live fixture shows each row with a `searchAfter` of its own and the answer's `total`.
    "contacts.search-contacts-advanced": Body(
        "json",
        required=True,
        is_array=False,
        properties={
            "filters": "array",
            "locationId": "string",
            "page": "number",
            "pageLimit": "number",
            "query": "string",
            "searchAfter": "array",
            "sort": "array",
        },
        needs=("locationId", "pageLimit"),
    ),
}
