"""What is kept of a failed call's request and answer: its shape, not its people.

Decisions. Closed by default: of all texts, only those are kept that say what went wrong or what was asked for: ids,
dates, the vendor's own words (`message`, `error` …) and short plain words such as enums, under names that are not
personal. Every other text is replaced by its length. Names of fields are kept, for a 422 speaks of them. Numbers and
booleans are kept unless their name is personal or their length is that of a phone number. Headers are not kept at all,
so no token ever comes here; what looks like one in a text is cut out, e-mail addresses and telephone numbers too. Lists
are kept to their first items, and the whole to a few thousand characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from integrations.highlevel.refusals import scrubbed

LARGEST = 4_000  # characters of JSON
_ITEMS, _KEYS, _DEPTH, _WORDS = 5, 60, 6, 300
_PERSONAL = re.compile(
    r"name|e-?mail|phone|mobile|fax|address|street|city|postal|zip|birth|dob|gender|ssn|tax|iban|card|cvc|account"
    r"|secret|token|passw|authori[sz]|signature|api-?_?key|credential|otp|subject|note|html|url|website|query|search"
    r"|value|text|title|description|latitude|longitude|avatar|photo|^ip|cookie",
    re.IGNORECASE,
)
_PROSE = frozenset({"message", "error", "error_description", "msg", "statusText", "details", "reason"})
_ID_NAME = re.compile(r"(^_?id$|Id$|_id$|Ids$|^ids$|cursor|searchAfter)")
_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ][\d:.]{5,16}(Z|[+-]\d\d:?\d\d)?)?")
# Enums and small numbers: a phone number is longer, and a person's name has a capital.
_WORD = re.compile(r"[a-z][A-Za-z_]{0,23}|[A-Z][A-Z_]{0,23}|\d{1,6}")
_EMAIL = re.compile(r"[^\s@\"'<>]+@[^\s@\"'<>]+")
_DIGITS = re.compile(r"\+?\d[\d ().-]{7,}\d")
_LONGEST_NUMBER = 9_999_999


def kept(value: Any, name: str = "", depth: int = 0) -> Any:
    """JSON with the shape of `value`, cut and without what is personal. `name` is that of the field it stands in."""
    if isinstance(value, Mapping):
        return _object(value, depth)
    if isinstance(value, list | tuple):
        items = [kept(item, name, depth + 1) for item in value[:_ITEMS]]
        return items if len(value) <= _ITEMS else [*items, f"… {len(value) - _ITEMS} more"]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return "…" if _PERSONAL.search(name) or (abs(value) > _LONGEST_NUMBER and not _is_moment(value)) else value
    return _text(value, name) if isinstance(value, str) else f"‹{type(value).__name__}›"


def bounded(value: Any) -> Any:
    """`kept`, and no larger than `LARGEST` characters of JSON: what is too large is told by its names alone."""
    found = kept(value)
    if len(json.dumps(found, ensure_ascii=False)) <= LARGEST:
        return found
    if isinstance(found, dict):
        return dict.fromkeys(found, "…")
    return "…"


def query(pairs: Sequence[tuple[str, str]]) -> list[list[str]]:
    """The query's names, with those values that `kept` would keep."""
    return [[name, str(kept(value, name))] for name, value in pairs[:_KEYS]]


def body(json_body: Any, form: Mapping[str, Any] | None, files: Mapping[str, Any] | None) -> Any:
    """A request's body. Of files only that there were some."""
    if form is None and not files:
        return None if json_body is None else bounded(json_body)
    named = dict.fromkeys(files or {}, "‹file›")
    return bounded({**(form or {}), **named})


def answer(json_body: Any, raw: bytes, content_type: str) -> Any:
    """An answer's body; one that is not JSON as the beginning of its prose, or as its kind and size."""
    if json_body is not None:
        return bounded(json_body)
    if not raw:
        return None
    if content_type.startswith("text/"):
        return clean(re.sub(r"(?:<[^>]*>|\s)+", " ", raw[:4_000].decode(errors="replace")).strip())
    return f"‹{content_type or 'bytes'}, {len(raw)} bytes›"


def clean(text: str) -> str:
    """The vendor's own words without tokens, addresses and numbers."""
    return _DIGITS.sub("…", _EMAIL.sub("…", scrubbed(text)))[:_WORDS]


def _object(value: Mapping[Any, Any], depth: int) -> Any:
    if depth >= _DEPTH:
        return "…"
    # Names are the vendor's vocabulary, but a map may have people's data as its names.
    return {_name(name): kept(item, str(name), depth + 1) for name, item in list(value.items())[:_KEYS]}


def _name(name: Any) -> str:
    text = str(name)
    return text if re.fullmatch(r"[\w.\-/$\[\]]{1,60}", text) and not _DIGITS.search(text) else "…"


def _text(text: str, name: str) -> str:
    if name in _PROSE:
        return clean(text)
    if not _PERSONAL.search(name):
        known = _DATE.fullmatch(text) or _WORD.fullmatch(text) or (_ID_NAME.search(name) and _ID.fullmatch(text))
        if known and scrubbed(text) == text:
            return text
    return f"‹{len(text)} characters›"


def _is_moment(value: float) -> bool:
    """Milliseconds since 1970, of this century."""
    return 1_000_000_000_000 < value < 4_000_000_000_000
