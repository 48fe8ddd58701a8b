"""The filters of an admin list as its address has them: cleaned, in parts for the audit trail, and masked."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.contrib.admin.options import IS_FACETS_VAR, IS_POPUP_VAR
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, PAGE_VAR, SEARCH_VAR

from integrations.core import masking

LONGEST = 2_000  # characters
_NO_FILTERS = {ALL_VAR, ERROR_FLAG, IS_FACETS_VAR, IS_POPUP_VAR, PAGE_VAR, "_changelist_filters"}
_RECORDED = 500  # characters of a query in an audit entry


def cleaned(query: str) -> str:
    """The query without page numbers and the like: the filters, the search and the order, sorted by name."""
    pairs = [pair for pair in parse_qsl(query) if pair[0] not in _NO_FILTERS]
    return urlencode(sorted(pairs))


def for_audit(query: str) -> dict[str, Any]:
    """The filters by name and, apart from them, what was searched for: it may be a person's name, and is masked."""
    filters = dict(parse_qsl(query[:_RECORDED]))
    search = filters.pop(SEARCH_VAR, "")
    return {"filter": filters, **({"search": search} if search else {})}


def masked(query: Any) -> Any:
    """The filters for who may not see personal data: without what was searched for."""
    if not isinstance(query, str):
        return query
    pairs = parse_qsl(query, keep_blank_values=True)
    shown = [(name, masking.MASK if name == SEARCH_VAR else masking.text(value)) for name, value in pairs]
    return "&".join(f"{name}={value}" for name, value in shown)


def is_personal(query: str) -> bool:
    """Whether the filters may name a person: there is a search, or an address or number in a value."""
    return any(name == SEARCH_VAR or masking.text(value) != value for name, value in parse_qsl(query))
