"""`ListingFilter`: one way in which the vendor narrows a listing. Data and pure functions.

A listing that is narrowed proves less: it lacks records that exist. So a filter also says which stored records it would
have to list (`fits`, `inside`), and no other record is looked for (`sync.missing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

LONGEST = 100  # characters of a value
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingFilter:
    """A filter by `parameter` of the listing's query or body.

    With `operator` it is an entry of the body's `filters` instead: `parameter` is the field there, and `is_list` says
    that its value is a list. `values` are those that the vendor takes; empty: any text, such as an id. `field` of a
    stored record has the value where the record fits; empty where no field tells.
    """

    parameter: str
    values: tuple[str, ...] = ()
    field: str = ""
    operator: str = ""
    is_list: bool = False

    def problem(self, value: str) -> str:
        """What is wrong with a value; empty if nothing is."""
        if self.values and value not in self.values:
            return f"{self.parameter} takes {', '.join(self.values)}, not {value!r}"
        if not value.isprintable() or not 0 < len(value) <= LONGEST:
            return f"{self.parameter} takes {LONGEST} printable characters at most"
        return ""

    def narrowed(
        self, params: Mapping[str, Any], body: dict[str, Any] | None, value: str
    ) -> tuple[Mapping[str, Any], dict[str, Any] | None]:
        """Parameters and body of the listing with this filter."""
        if self.operator:
            entry = {"field": self.parameter, "operator": self.operator, "value": [value] if self.is_list else value}
            return params, {**(body or {}), "filters": [*(body or {}).get("filters", ()), entry]}
        if body is not None:
            return params, {**body, self.parameter: _BOOLEANS.get(value, value)}
        return {**params, self.parameter: value}, body

    def fits(self, record: Mapping[str, Any], value: str) -> bool | None:
        """Whether a record fits; None where it does not say."""
        if not self.field or self.field not in record:
            return None
        found = record[self.field]
        texts = found if isinstance(found, list) else [found]
        return value.lower() in {str(one).lower() for one in texts}

    def inside(self, value: str) -> Q:
        """The stored records that surely fit as far as the copy knows; none where no field tells."""
        if not self.field:
            return Q(pk__lt=0)
        name = f"payload__{self.field}"
        return Q(**({f"{name}__contains": [value]} if self.is_list else {name: _BOOLEANS.get(value, value)}))
