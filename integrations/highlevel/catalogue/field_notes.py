"""Notes on parameters and fields of bodies, in our own words: unit, form, limits, what a list holds.

A rule derives each note from a field's name, format, allowed values, limits and example in the vendor's OpenAPI files.
Of a description only marks are read, such as "milliseconds" or "comma separated"; no prose is copied. Calls need no
notes, so they have a file beside the catalogue, which the facade's generator, `catalogue show` and the call explorer
read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

from integrations.highlevel.catalogue import parameter_groups, time_units
from integrations.highlevel.catalogue.schemas import DEEPEST, resolved
from integrations.highlevel.oauth.dialects import DialectName

Notes = Mapping[str, Mapping[str, str]]  # by operation and field
ONE_OF = ""  # the key of an operation's groups, of which one parameter is needed
MOST_NAMES, MOST_VALUES = 8, 15
PAGE_SIZE = "page size"
_LONGEST = 60  # characters of an allowed value that is shown

_FORMATS = {
    "date-time": "date and time, ISO 8601",
    "date": "date, YYYY-MM-DD",
    "email": "e-mail address",
    "uri": "URL",
    "url": "URL",
    "uuid": "UUID",
    "binary": "file",
}
# What an example looks like. The first that fits counts.
_EXAMPLES = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*", "date and time, ISO 8601"),
    (r"\d{4}-\d\d-\d\d", "date, YYYY-MM-DD"),
    (r"\d\d:\d\d(:\d\d)?", "time of day, hh:mm"),
    (r"[^@\s]+@[^@\s]+\.[a-z]+", "e-mail address"),
    (r"https?://\S+", "URL"),
    (r"\+\d[\d -]{6,}", "telephone number with country code, such as +1"),
    (r"#[0-9a-fA-F]{6}", "colour, #RRGGBB"),
    (r"(Africa|America|Asia|Australia|Europe|Pacific|US)/\w+", "IANA time zone, such as Europe/Berlin"),
)
# Marks in a description, which win over the example.
_MARKS = (
    (r"\biso[ -]?8601\b", "date and time, ISO 8601"),
    (r"YYYY-MM-DD(?!T)", "date, YYYY-MM-DD"),
)
_COMMAS = re.compile(r"comma[- ]separated|separated (with|by) commas?", re.IGNORECASE)
_MOST = re.compile(r"\bmax(?:imum)?\b\D{0,20}?(\d{1,5})\b", re.IGNORECASE)
_MOMENT = re.compile(r"date|time|(At|On|From|To|Until|since)$", re.IGNORECASE)
# What a name means everywhere in the API.
_NAMES = (
    (r"locationId|location_id", "id of the location"),
    (r"companyId", "id of the company (agency)"),
    (r"altId", "id of the account that altType names"),
    (r"altType", "kind of account that altId names"),
    (r"limit|pageLimit|pageSize|perPage|pageLength", PAGE_SIZE),
    (r"skip|offset", "how many items to leave out, from the first"),
    (r"page|pageNumber", "number of the page"),
    (r"startAfter\w*|searchAfter|lastMessageId|last\w+Id|cursor|pageToken|next", "position, from the page before"),
    (r"sort(Order|Direction)|order", "direction of the sort"),
    (r"sort(By|Field)|orderBy|sort_by", "field to sort by"),
    (r"query|q|search|searchText|searchTerm", "text to search for"),
    (r"timezone|timeZone", "IANA time zone, such as Europe/Berlin"),
    (r"currency", "currency, ISO 4217, such as USD"),
    (r"e?mails?", "e-mail address"),
    (r"phone(Number)?", "telephone number with country code, such as +1"),
)
_ITEMS = {"string": "strings", "number": "numbers", "integer": "numbers", "boolean": "booleans", "array": "lists"}


def of_operation(data: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, str]:
    """The notes on an OpenAPI operation's parameters and the top level of its body; fields without one are left out."""
    parameters = [one for one in data.get("parameters", ()) if one.get("in") != "header"]
    found = {one["name"]: of_parameter(one) for one in parameters}
    said = {one["name"]: str(one.get("description", "")) for one in parameters}
    for content in (data.get("requestBody") or {}).get("content", {}).values():
        for name, part in _properties(content.get("schema"), document):
            found[name] = of_field(name, part, document)
            said[name] = _description(part, document)
    for name, text in said.items():
        others = " or ".join(parameter_groups.excluded_by(name, text, said.keys()))
        found[name] = ", ".join(filter(None, [found[name], f"not together with {others}" if others else ""]))
    groups_of_one = {", ".join(sorted(set(group))) for group in parameter_groups.of_one(said)}
    found[ONE_OF] = "; ".join(sorted(groups_of_one))
    return {name: note for name, note in sorted(found.items()) if note}


def of_parameter(data: Mapping[str, Any]) -> str:
    """The note on one parameter. Its allowed values are in the catalogue."""
    schema = {name: value for name, value in (data.get("schema") or {}).items() if name != "enum"}
    merged = {"description": data.get("description", ""), "example": data.get("example"), **schema}
    return of_field(data["name"], merged, {})


def of_field(name: str, schema: Any, document: Mapping[str, Any]) -> str:
    """The note on one field: what it is, in which form, and its limits; empty when no rule knows anything."""
    schema = resolved(schema, document) if isinstance(schema, Mapping) else {}
    said = str(schema.get("description", ""))
    meaning = _known(name)
    form = "" if meaning else _form(name, schema, said)
    parts = [meaning or _id(name), form, _inside(schema, document), *_limits(schema)]
    if meaning == PAGE_SIZE and "maximum" not in schema and (most := _MOST.search(said)):
        parts.append(f"at most {most[1]}")
    if schema.get("type") != "array" and _COMMAS.search(said):
        parts.append("several separated by commas")
    return ", ".join(dict.fromkeys(filter(None, parts)))


def of_names(kinds: Mapping[str, str]) -> dict[str, str]:
    """The notes on fields of which only names and types are known."""
    return {name: note for name, kind in kinds.items() if (note := of_field(name, {"type": kind}, {}))}


def committed(dialect: DialectName) -> Notes:
    """The notes of the committed catalogue."""
    return _read(dialect)


def groups(notes: Mapping[str, str]) -> list[str]:
    """The groups of parameters of which one is needed, each as names with commas, of an operation's notes."""
    return notes[ONE_OF].split("; ") if ONE_OF in notes else []


def name_of(dialect: DialectName) -> str:
    """The file name of a dialect's notes."""
    return f"{dialect}.notes.json"


def text_of(found: Notes) -> str:
    """The text of the committed file: one operation per line, those without a note left out."""
    lines = [
        f"{json.dumps(key)}: {json.dumps(notes, separators=(',', ':'), ensure_ascii=False)}"
        for key, notes in found.items()
        if notes
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


@lru_cache(maxsize=2)
def _read(dialect: DialectName) -> Notes:
    text = resources.files(__package__).joinpath(name_of(dialect)).read_text(encoding="utf-8")
    found: Notes = json.loads(text)
    return found


def _known(name: str) -> str:
    return next((words for pattern, words in _NAMES if re.fullmatch(pattern, name)), "")


def _id(name: str) -> str:
    ids = re.fullmatch(r"(\w+?)(Ids?|_ids?)", name)
    if ids is None:
        return ""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_", " ", ids[1]).lower()
    return f"{'ids' if ids[2].endswith('s') else 'id'} of {'the ' if ids[2].endswith('d') else ''}{words}"


def _form(name: str, schema: Mapping[str, Any], said: str) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    if schema.get("type") in ("boolean", "object", "array"):
        return ""
    example = schema.get("example")
    shown = "" if isinstance(example, bool) or not isinstance(example, str | int | float) else str(example).strip()
    if "enum" not in schema and (unit := time_units.note(name, said, shown)):
        return unit
    if _MOMENT.search(name):
        marked = next((words for pattern, words in _MARKS if re.search(pattern, said, re.IGNORECASE)), "")
        if marked:
            return marked
        if unit := time_units.of_example(shown):
            return f"{unit} since 1970"
    return next((words for pattern, words in _EXAMPLES if re.fullmatch(pattern, shown)), "")


def _inside(schema: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """What a list or an object holds, or the values that a text may have."""
    values = schema.get("enum")
    if isinstance(values, list) and values:
        return f"one of {_several([str(value)[:_LONGEST] for value in values], MOST_VALUES)}"
    if schema.get("type") == "array":
        items = schema.get("items")
        items = resolved(items, document) if isinstance(items, Mapping) else {}
        names = [name for name, _ in _properties(items, document)]
        if names:
            return f"list of objects with {_several(names)}"
        allowed = items.get("enum")
        if isinstance(allowed, list) and allowed:
            return f"list of {_several([str(value)[:_LONGEST] for value in allowed], MOST_VALUES)}"
        return f"list of {_ITEMS[items['type']]}" if items.get("type") in _ITEMS else ""
    names = [name for name, _ in _properties(schema, document)]
    return f"object with {_several(names)}" if names else ""


def _several(names: list[str], most: int = MOST_NAMES) -> str:
    names = list(dict.fromkeys(names))
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _limits(schema: Mapping[str, Any]) -> Iterator[str]:
    for key, words in (
        ("minimum", "at least {}"),
        ("maximum", "at most {}"),
        ("maxLength", "at most {} characters"),
        ("maxItems", "at most {} items"),
    ):
        if isinstance(schema.get(key), int | float):
            yield words.format(schema[key])
    default = schema.get("default")
    if isinstance(default, bool):
        yield f"{str(default).lower()} unless given"
    elif isinstance(default, int | float):
        yield f"{default} unless given"
    elif isinstance(default, str) and 0 < len(default) <= _LONGEST:
        yield f"{default if default.isdecimal() else repr(default)} unless given"


def _description(part: Any, document: Mapping[str, Any]) -> str:
    schema = resolved(part, document) if isinstance(part, Mapping) else {}
    return str(schema.get("description", ""))


def _properties(schema: Any, document: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The properties of a schema's top level, those of its combinations included."""
    if depth > DEEPEST or not isinstance(schema, Mapping):
        return
    schema = resolved(schema, document)
    yield from (schema.get("properties") or {}).items()
    for word in ("allOf", "oneOf", "anyOf"):
        for part in schema.get(word) or ():
            yield from _properties(part, document, depth + 1)
