"""Masking of personal data on operators' pages: the one place that decides what is masked, for whom, and how.

An operator sees personal data with the permission `operators.view_personal_data`. All others see what the vendor and
the tenants sent in this form: the keys of JSON stay, and so do ids, types, states, dates and booleans, because support
needs them. Every other value is masked. In prose, e-mail addresses and phone numbers are masked.

The names of companies and locations are names of businesses: they stay, else operators could not find a tenant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest

PERMISSION = "operators.view_personal_data"
MASK = "•••"

Masker = Callable[[Any], Any]

_EMAIL = re.compile(r"[\w.%+'-]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63})+")
# A phone number has a plus, or groups; a bare number may be an id or a count. Dates and times are no phone numbers.
_PHONE = re.compile(
    r"(?<![\w.:-])(?:\+\d[\d ().-]{6,18}\d|\(?\d{2,4}\)?[ .-]\d{2,4}[ .-]\d{2,9}(?:[ .-]\d{2,6})?)(?![\w:-])"
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
# Keys whose values name no person. What is not here is masked, and so is a date of birth, whatever its key.
_KEPT = re.compile(
    r"^(?!.*[bB]irth)"
    r"(?:id|_id|[a-z]\w*(?:Id|_id|Ids|_ids)|type|event|kind|status|state|source|version|code|statusCode|error|"
    r"traceId|trace_id|locale|currency|timezone|date\w*|\w+(?:At|_at|Date|On)|timestamp|page|limit|total|count|"
    r"deleted|dnd|position|resource|what|plan\w*|scopes?|operation|method)$"
)
_NAMED = re.compile(
    r"e-?mail|phone|name|address|owner|user\b|contact\b|birth|body|message|street|search|ip$", re.IGNORECASE
)
_PLAIN = re.compile(r"[\w.:+/-]{0,64}")  # an id, a date, a state: one word without an at sign


def applies(request: HttpRequest) -> bool:
    """Whether the operator of this request sees personal data only masked."""
    return not request.user.has_perm(PERMISSION)


def text(value: Any) -> Any:
    """Prose without e-mail addresses and phone numbers. What is no text comes back as it is."""
    if not isinstance(value, str):
        return value
    without = _EMAIL.sub(MASK, value)
    return _PHONE.sub(lambda found: found[0] if _DATE.match(found[0]) else MASK, without)


def whole(value: Any) -> Any:
    """A value that is personal as a whole, such as a person's name: masked unless it is empty."""
    return MASK if value not in (None, "", [], {}) else value


def body(value: Any) -> Any:
    """JSON of the vendor or of a tenant: the structure, with all but ids, types, states and dates masked."""
    return _body(value, kept=False)


def details(value: Any) -> Any:
    """JSON of our own, such as an audit entry: values under the names of personal data, and what `text` finds."""
    if isinstance(value, Mapping):
        return {key: whole(item) if _NAMED.search(str(key)) else details(item) for key, item in value.items()}
    if isinstance(value, list):
        return [details(item) for item in value]
    return text(value)


def pairs(value: Any) -> Any:
    """The query of a request as `[name, value]` pairs, masked as `body` masks an object."""
    if not isinstance(value, list):
        return body(value)
    return [[pair[0], _body(pair[1], kept=_is_kept(pair[0]))] if _is_pair(pair) else MASK for pair in value]


def columns(row: Any, maskers: Mapping[str, Masker]) -> None:
    """Mask these attributes of a row that was loaded to be shown. The row must not be saved afterwards."""
    row.is_masked = True
    for name, masker in maskers.items():
        if name not in row.get_deferred_fields():
            setattr(row, name, masker(getattr(row, name)))


def is_masked(row: Any) -> bool:
    """Whether `columns` masked this row: what else is shown with it has to be masked, too."""
    return bool(getattr(row, "is_masked", False))


def _body(value: Any, *, kept: bool) -> Any:
    if isinstance(value, Mapping):
        return {key: _body(item, kept=_is_kept(str(key))) for key, item in value.items()}
    if isinstance(value, list):
        return [_body(item, kept=kept) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if kept and (not isinstance(value, str) or (_PLAIN.fullmatch(value) and text(value) == value)):
        return value
    return whole(value)


def _is_kept(key: str) -> bool:
    return _KEPT.match(key) is not None


def _is_pair(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[0], str)
