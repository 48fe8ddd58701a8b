"""What is kept of a failed call's request and answer: its shape, not its people.

Closed by default. Names of fields are kept, for they are the vendor's vocabulary and a 422 speaks of them. Of values
only those that stand under a name listed here *and* look as that name promises: ids, trace ids, moments, words of the
vendor's vocabulary (`status`, `type` …), counts and places in a listing; further booleans and nulls. Every other text
is replaced by its length, every other number by an ellipsis: names, telephone numbers, salaries and one-time codes look
like words and numbers. Where accounts keep fields of their own (`customFields`, `properties` …) only `id` is kept.

A refusal's own words are kept (`message`, `error` …), without what looks like a token, an e-mail address or a telephone
number, and without anything that the request held and that is not kept of it. Headers are not kept at all. Lists are
kept to their first items, and the whole to a few thousand characters.
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
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_MOMENT = r"\d{4}-\d\d-\d\d(?:[T ][\d:.]{5,16}(?:Z|[+-]\d\d:?\d\d)?)?|[1-3]\d{12}"  # ISO 8601, milliseconds since 1970
_WORD = r"[A-Za-z][A-Za-z_.]{0,31}"
# Names, and what a value under one of them has to look like to be kept.
_KEPT: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = (
    (re.compile(r"traceId|trace_id"), re.compile(r"[A-Za-z0-9.:=_-]{1,64}")),
    # The digits of a telephone number are nobody's id here.
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
# Here accounts keep what they like under names of their own.
_OWN = frozenset(
    {"customFields", "customField", "customData", "customValues", "properties", "answers", "metadata", "meta_data"}
)
_EMAIL = re.compile(r"[^\s@\"'<>]+@[^\s@\"'<>]+")
_DIGITS = re.compile(r"\+?\d[\d ().-]{5,}\d")
_SEGMENT = re.compile(r"(?!\+?[\d._-]{7,}$)(?!eyJ)[A-Za-z0-9_.-]{0,40}")
_SHORTEST, _LONGEST, _ECHOES = 3, 200, 300  # characters of a text that was sent, and how many are looked for
Words = Callable[[str], str]


def words(*sent: Any) -> Words:
    """How a refusal's words are written: cleaned, and without what was sent (a query, a body) but is not kept of it."""
    hidden = {text for part in sent for text in _hidden(part) if _SHORTEST <= len(text) <= _LONGEST}
    echoes = sorted(hidden, key=len, reverse=True)[:_ECHOES]
    if not echoes:
        return clean
    echo = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, echoes))})(?!\w)", re.IGNORECASE)
    return lambda text: clean(echo.sub("…", text))


def clean(text: str) -> str:
    """The vendor's own words without tokens, addresses and numbers, and as PostgreSQL takes them."""
    return _DIGITS.sub("…", _EMAIL.sub("…", redact_text(storable(text))))[:_WORDS]


def kept(value: Any, name: str = "", *, prose: Words | None = None, own: bool = False, depth: int = 0) -> Any:
    """JSON with the shape of `value`, cut and without what is personal. `name` is that of the field it stands in;
    `prose` writes a refusal's words, None hides them; `own`: the fields are those of an account's making."""
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
    if isinstance(value, str | int | float):
        shown = (name == "id" or not own) and _fits(name, str(value))
        return value if shown else f"‹{len(value)} characters›" if isinstance(value, str) else "…"
    return f"‹{type(value).__name__}›"


def bounded(value: Any, prose: Words | None = None) -> Any:
    """`kept`, and no larger than `LARGEST` characters of JSON: what is too large is told by its names alone."""
    found = kept(value, prose=prose)
    if len(json.dumps(found, ensure_ascii=False)) <= LARGEST:
        return found
    if isinstance(found, dict):
        return dict.fromkeys(found, "…")
    return "…"


def trace_id(found: str | None) -> str:
    """As it came; empty when it cannot be one."""
    return found if found and _fits("traceId", found) else ""


def path(text: str) -> str:
    """A request's path with its ids, and without what else somebody put into it."""
    return "/".join(part if _SEGMENT.fullmatch(part) else "…" for part in text.split("/"))


def query(pairs: Sequence[tuple[str, str]]) -> list[list[str]]:
    """The query's names, with those values that `kept` would keep."""
    return [[name, str(kept(value, name))] for name, value in pairs[:_KEYS]]


def body(json_body: Any, form: Mapping[str, Any] | None, files: Mapping[str, Any] | None) -> Any:
    """A request's body. Of files only that there were some."""
    if form is None and not files:
        return None if json_body is None else bounded(json_body)
    named = dict.fromkeys(files or {}, "‹file›")
    return bounded({**(form or {}), **named})


def answer(json_body: Any, raw: bytes, content_type: str, prose: Words | None = None) -> Any:
    """An answer's body; one that is not JSON as the beginning of its `prose`, or as its kind and size."""
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
    """The texts of it that `kept` would not keep."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _hidden(item, "" if key in _OWN else str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _hidden(item, name)
    elif isinstance(value, str | int | float) and not isinstance(value, bool) and not _fits(name, str(value)):
        yield str(value)
