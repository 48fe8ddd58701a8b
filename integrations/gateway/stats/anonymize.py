"""Anonymization of failed calls: what is kept of a request and its response has their shape but no personal data.

The rules allow only what they list. Names of fields are kept, because they are the vendor's vocabulary and a 422 refers
to them. A value is kept only when its field name is listed here *and* the value has that field's form: ids, trace ids,
timestamps, words of the vendor's vocabulary (`status`, `type` …), counts and positions in a listing; also booleans and
nulls. Every other text is replaced by its length, every other number by an ellipsis, because names, telephone numbers,
salaries and one-time codes look like words and numbers. Where accounts define fields of their own (`customFields`,
`properties` …) only `id` is kept.

In a refusal, codes and names of fields are kept too (`code`, `matchingField` …), and its prose (`message`, `error` …),
without what looks like a token, an e-mail address or a telephone number, and without any request value that is not kept
itself. Headers are not kept at all. Lists are cut to their first
items, and the whole to a few thousand characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from integrations.core.redaction import redact_text
from integrations.core.texts import storable

LARGEST = 4_000  # characters of JSON
_ITEMS, _KEYS, _DEPTH, _WORDS = 5, 60, 6, 300
_PROSE = frozenset({"message", "error", "error_description", "msg", "statusText", "details", "reason"})
_CODES = frozenset({"code", "errorCode", "error_code", "matchingField", "fieldName", "fieldKey", "field"})
_CODE = re.compile(r"[A-Za-z][A-Za-z_.-]{0,47}")
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_MOMENT = r"\d{4}-\d\d-\d\d(?:[T ][\d:.]{5,16}(?:Z|[+-]\d\d:?\d\d)?)?|[1-3]\d{12}"  # ISO 8601, milliseconds since 1970
_WORD = r"[A-Za-z][A-Za-z_.]{0,31}"
# Field names, and the form that a value of such a field needs to be kept.
_KEPT: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = (
    (re.compile(r"traceId|trace_id"), re.compile(r"[A-Za-z0-9.:=_-]{1,64}")),
    # A value that looks like a telephone number is not taken for an id.
    (
        re.compile(r"_?id|ids|\w+(?:Id|_id|Ids|_ids)"),
        re.compile(rf"(?!\+?[\d_-]{{7,}}$)(?!eyJ)[A-Za-z0-9_-]{{1,31}}|{_UUID}"),
    ),
    (
        re.compile(
            r"dateAdded|dateUpdated|(?:created|updated|added|deleted|expires|started|ended)(?:At|_at|On)|startTime|endTime"
            r"|startDate|endDate|startAfter|startAfterDate|lastMessageDate|timestamp|searchAfter"
        ),
        re.compile(_MOMENT),
    ),
    (
        re.compile(
            r"status|type|method|altType|userType|messageType|contentType|dataType|order|sort|sortBy|sort_by|sortOrder"
            r"|direction|field|operator|currency|locale"
        ),
        re.compile(_WORD),
    ),
    (
        re.compile(
            r"limit|skip|offset|page|pageLimit|pageSize|pageNumber|perPage|currentPage|nextPage|prevPage|count|total"
            r"|totalCount|totalRecords|statusCode|status"
        ),
        re.compile(r"\d{1,7}"),
    ),
)
# Fields in which accounts store any data under names that they choose.
_OWN = frozenset(
    {"customFields", "customField", "customData", "customValues", "properties", "answers", "metadata", "meta_data"}
)
_EMAIL = re.compile(r"[^\s@\"'<>]+@[^\s@\"'<>]+")
_DIGITS = re.compile(r"\+?\d[\d ().-]{5,}\d")
_SEGMENT = re.compile(r"(?!\+?[\d._-]{7,}$)(?!eyJ)[A-Za-z0-9_.-]{0,40}")
_SHORTEST, _LONGEST, _ECHOES = 3, 200, 300  # shortest and longest sent text to search for, in characters, and how many
Words = Callable[[str], str]


def words(*sent: Any) -> Words:
    """A function that cleans a refusal's prose and removes the sent values (of a query, a body) that are not kept."""
    hidden = {text for part in sent for text in _hidden(part) if _SHORTEST <= len(text) <= _LONGEST}
    echoes = sorted(hidden, key=len, reverse=True)[:_ECHOES]
    if not echoes:
        return clean
    echo = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, echoes))})(?!\w)", re.IGNORECASE)
    return lambda text: clean(echo.sub("…", text))


def clean(text: str) -> str:
    """The vendor's prose without tokens, e-mail addresses and telephone numbers, as PostgreSQL can store it."""
    return _DIGITS.sub("…", _EMAIL.sub("…", redact_text(storable(text))))[:_WORDS]


def kept(value: Any, name: str = "", *, prose: Words | None = None, own: bool = False, depth: int = 0) -> Any:
    """JSON with the shape of `value`, truncated and without personal data.

    `name` is the name of the enclosing field. `prose` cleans a refusal's prose; None hides it. `own`: the account
    defines these fields.
    """
    if isinstance(value, Mapping):
        if depth >= _DEPTH:
            return "…"
        # A map may have people's data as its names.
        return {
            _name(key): kept(item, str(key), prose=prose, own=own or key in _OWN, depth=depth + 1)
            for key, item in list(value.items())[:_KEYS]
        }
    if isinstance(value, list | tuple):
        items = [kept(item, name, prose=prose, own=own, depth=depth + 1) for item in value[:_ITEMS]]
        return items if len(value) <= _ITEMS else [*items, f"… {len(value) - _ITEMS} more"]
    if value is None or (isinstance(value, bool) and not own):
        return value
    if isinstance(value, str) and prose is not None and name in _PROSE and not own:
        return prose(value)
    if isinstance(value, str) and prose is not None and name in _CODES and not own and _CODE.fullmatch(value):
        return value
    if isinstance(value, str | int | float):
        shown = (name == "id" or not own) and _fits(name, str(value))
        return value if shown else f"‹{len(value)} characters›" if isinstance(value, str) else "…"
    return f"‹{type(value).__name__}›"


def bounded(value: Any, prose: Words | None = None) -> Any:
    """`kept`, limited to `LARGEST` characters of JSON: of a larger value only the names remain."""
    found = kept(value, prose=prose)
    if len(json.dumps(found, ensure_ascii=False)) <= LARGEST:
        return found
    if isinstance(found, dict):
        return dict.fromkeys(found, "…")
    return "…"


def trace_id(found: str | None) -> str:
    """The trace id unchanged; empty when it does not have the form of one."""
    return found if found and _fits("traceId", found) else ""


def path(text: str) -> str:
    """A request's path with its ids, and without anything else that a caller put into it."""
    return "/".join(part if _SEGMENT.fullmatch(part) else "…" for part in text.split("/"))


def query(pairs: Sequence[tuple[str, str]]) -> list[list[str]]:
    """The query's names, with the values that `kept` would keep."""
    return [[name, str(kept(value, name))] for name, value in pairs[:_KEYS]]


def body(json_body: Any, form: Mapping[str, Any] | None, files: Mapping[str, Any] | None) -> Any:
    """A request's body. Of files it says only that there were some."""
    if form is None and not files:
        return None if json_body is None else bounded(json_body)
    named = dict.fromkeys(files or {}, "‹file›")
    return bounded({**(form or {}), **named})


def answer(json_body: Any, raw: bytes, content_type: str, prose: Words | None = None) -> Any:
    """A response's body. One that is not JSON becomes the beginning of its `prose`, or its content type and size."""
    if json_body is not None:
        return bounded(json_body, prose)
    if not raw:
        return None
    if content_type.startswith("text/") and prose is not None:
        return prose(re.sub(r"(?:<[^>]*>|\s)+", " ", raw[:4_000].decode(errors="replace")).strip())
    return f"‹{content_type or 'bytes'}, {len(raw)} bytes›"


def _fits(name: str, text: str) -> bool:
    return any(names.fullmatch(name) and looks.fullmatch(text) for names, looks in _KEPT)


def _name(name: Any) -> str:
    text = str(name)
    return text if re.fullmatch(r"[\w.\-/$\[\]]{1,60}", text) and not _DIGITS.search(text) else "…"


def _hidden(value: Any, name: str = "") -> Iterator[str]:
    """The texts inside the value that `kept` would not keep."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _hidden(item, "" if key in _OWN else str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _hidden(item, name)
    elif isinstance(value, str | int | float) and not isinstance(value, bool) and not _fits(name, str(value)):
        yield str(value)
