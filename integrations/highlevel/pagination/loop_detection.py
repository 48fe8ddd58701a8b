"""Loop detection for listings: no page and no cursor may come twice.

A trail travels inside the cursor, as JSON, because a listing may be parked and continued by another worker. So it
cannot hold every page. It marks the last one and, of the others, those whose number is a power of two. That is enough
(it is Brent's algorithm, with its former marks kept): a listing that loops passes a mark inside the loop and meets that
mark one round later. The commonest loops, repeating a page and starting again, are found at once. A million pages leave
twenty marks, a kilobyte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from integrations.core.errors import PayloadAnomalous

# {"pages": so far, "empty": how many of the latest had no rows, "marks": [digest, ...], "last": [digest, ...]}
Trail = dict[str, Any]

MOST_EMPTY = 100  # in a row, each with a new cursor: more rows are not expected after so many


def extended(trail: Trail | None, items: list[Any], following: Mapping[str, Any] | None) -> Trail:
    """The trail with one more page. Raises PayloadAnomalous for a page or cursor that came before."""
    trail = trail or {"pages": 0, "empty": 0, "marks": [], "last": []}
    page, empty = trail["pages"] + 1, 0 if items else trail["empty"] + 1
    names = ([fingerprint(items)] if items else []) + ([] if following is None else [_digest(following)])
    if repeated := {*trail["marks"], *trail["last"]}.intersection(names):
        what = "page" if items and names[0] in repeated else "cursor"
        raise PayloadAnomalous(f"HighLevel repeats a {what}: the listing would never end", pages=page, items=len(items))
    if empty > MOST_EMPTY:
        raise PayloadAnomalous(f"{empty} pages in a row are empty, and each promises another", pages=page)
    is_mark = page & (page - 1) == 0
    return {"pages": page, "empty": empty, "marks": trail["marks"] + names * is_mark, "last": names}


def fingerprint(items: list[Any]) -> str:
    """Identifies a page by its rows' ids and their order; a row without an id counts with its content."""
    return _digest([(row.get("id") or row.get("_id") or row) if isinstance(row, dict) else row for row in items])


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
