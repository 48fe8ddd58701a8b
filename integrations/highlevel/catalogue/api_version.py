"""API versions that a call may name: a dialect, a value of the header `Version`, or API 1.0 (FACTS 7.1).

The vendor chooses the dialect by this header, and an app's token is valid in all of them. So an app of API 2.0 can call
what only v3 has, and the other way round.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from integrations.core.errors import BadRequest
from integrations.highlevel.oauth.dialects import DialectName

API_1 = "1.0"
EXAMPLES = ("v2", "v3", "2023-02-21", "2021-07-28", "2021-04-15", "legacy", API_1)
_HEADER_OF_V2 = re.compile(r"\d{4}-\d\d-\d\d|legacy", re.ASCII)


@dataclass(frozen=True, slots=True)
class ApiVersion:
    """`dialect` is the one whose catalogue names the operations, None for API 1.0, which has no catalogue.

    `header` is the value of `Version` to send; empty: the one that the catalogue has for the operation.
    """

    dialect: DialectName | None
    header: str = ""


_NAMED = {"v2": ApiVersion("v2"), "v3": ApiVersion("v3"), API_1: ApiVersion(None)}


@lru_cache(maxsize=64)
def api_version(text: str) -> ApiVersion:
    """The version that `v2`, `v3`, `2021-07-28` or `1.0` stands for. Raises BadRequest with examples."""
    found = _NAMED.get(text)
    if found is None and _HEADER_OF_V2.fullmatch(text):
        found = ApiVersion("v2", text)
    if found is None:
        raise BadRequest(f"'{text[:40]}' is no version of the API: use one such as {', '.join(EXAMPLES)}")
    return found
