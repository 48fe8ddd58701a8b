"""Corrections to the vendor's OpenAPI files: what they omit or get wrong, each with its source.

Keys are the same in both dialects. A test checks that every corrected operation still has an empty schema.
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
