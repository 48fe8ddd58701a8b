"""Data for a JSON schema: valid, the same for the same seed and object, and consistent with the request.

- An object has the values that the request gave under the same names: its id from the path, the fields of the body.
- An object's other values follow from its id alone, so that a listing and a look-up show the same object.
- A listing has a few rows, and its totals are their number. What asks for a later page gets an empty one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from integrations.sandbox.timestamps import SECOND, iso

ROWS = 3
DEEPEST = 7  # a schema that contains itself ends here
_TRIES = 10  # for each row of a list whose rows have to differ
_START = 1_790_000_000  # seconds; moments lie in the year before
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
_WORDS = (
    "Alder",
    "Birch",
    "Cedar",
    "Elm",
    "Fir",
    "Hazel",
    "Juniper",
    "Larch",
    "Maple",
    "Oak",
    "Pine",
    "Rowan",
    "Willow",
)
_IS_ID = re.compile(r"_?id|sid|\w+(?:Id|_id)")
_IS_TOTAL = re.compile(r"(?:total|count)(?:Count|Records|Items|Links)?|estimatedTotalRecords|currentPageSize")
_IS_MORE = re.compile(r"has(?:More|NextPage|PrevPage|Next|Prev)|more")
_IS_CURSOR = re.compile(r"next\w*|prev\w*|\w*[cC]ursor|startAfter\w*|last\w*Id|lastDoc")
_IS_DATE = re.compile(r"[dD]ate(?!d)|(?:At|_at|On|Time)$")
_LATER = (
    *("skip", "offset", "startAfter", "startAfterId", "startAfterDate"),
    *("cursor", "pageToken", "lastMessageId", "lastFaqId", "lastKnowledgeBaseId", "lastDoc"),
)
_PATTERNS = {
    r"^([01]?[0-9]|2[0-3]):[0-5][0-9]$": "09:30",
    r"^[A-Za-z_]+/[A-Za-z_]+$": "Europe/Vienna",
    r"^\d{4}-\d{2}-\d{2}$": "2026-03-30",
}
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the request gave: `named` by name from path, query and body, `own_id` the id of the object it is about.

    `first_page` is the number of the first page, where pages have numbers.
    """

    named: Mapping[str, Any]
    own_id: str | None = None
    first_page: int = 1

    @property
    def later_page(self) -> bool:
        """Whether the request asks for a page after the first."""
        after = any(self.named.get(name) not in (None, "", 0, "0") for name in _LATER)
        page = str(self.named.get("page") or self.first_page)
        return after or not page.isdecimal() or int(page) > self.first_page


class SchemaData:
    """Makes values for the schemas of one OpenAPI document."""

    def __init__(self, document: Schema, seed: int) -> None:
        self._document, self._seed = document, seed

    def answer(self, schema: Schema, asked: Asked, operation: str) -> Any:
        """The body of an operation's successful answer."""
        rows = 0 if asked.later_page else ROWS
        return self._value(schema, asked, f"{operation}", "", 0, rows)

    def _value(self, schema: Schema, asked: Asked, of: str, name: str, depth: int, rows: int) -> Any:
        """`of` says which object the value belongs to: it alone decides what is made up."""
        schema = self.flat(schema)
        chance = Random(f"{self._seed} {of} {name}")  # noqa: S311 - data, not a secret
        values = _listed(schema.get("enum"))
        values = values[0] if values and isinstance(values[0], list) else values  # some files put the list into a list
        if values:
            given = asked.named.get(name)
            return given if given in values else chance.choice(values)
        kind = schema.get("type")
        kind = next((one for one in kind if one != "null"), None) if isinstance(kind, list) else kind
        given = asked.named.get(name)
        if kind == "object" or (kind is None and schema.get("properties")):
            inner = Asked(given) if depth and isinstance(given, Mapping) else asked
            return self._object(schema, inner, of, depth, rows)
        if kind == "array":
            texts = self.flat(schema.get("items")).get("type") == "string"
            if texts and isinstance(given, list) and all(isinstance(one, str) for one in given):
                return given
            return self._list(schema, asked, f"{of} {name}", depth, rows)
        if kind == "boolean":
            return given if isinstance(given, bool) else not _IS_MORE.fullmatch(name)
        if kind in ("number", "integer"):
            return self._number(schema, given, name, chance, rows)
        if kind == "string":
            return _text(schema, given, name, chance)
        return given if given is not None else f"{chance.choice(_WORDS)}"

    def _object(self, schema: Schema, asked: Asked, of: str, depth: int, rows: int) -> dict[str, Any]:
        required = schema.get("required")
        needs = required if isinstance(required, list) else []
        properties: Mapping[str, Any] = schema.get("properties") or {}
        key = next((name for name in ("id", "_id") if name in properties), None)
        if key is not None and asked.own_id is not None:
            asked = Asked({**asked.named, "id": asked.own_id, "_id": asked.own_id}, asked.own_id)
            of = f"{asked.own_id}"
        made = {}
        for name, inner in properties.items():
            if depth >= DEEPEST and name not in needs:
                continue
            if _IS_CURSOR.fullmatch(name) and name not in needs and name not in asked.named:
                continue  # nothing follows
            made[name] = self._value(inner, asked, of, name, depth + 1, rows)
        return made | {name: "" for name in needs if name not in properties}

    def _list(self, schema: Schema, asked: Asked, of: str, depth: int, rows: int) -> list[Any]:
        items = schema.get("items") or {}
        count = max(rows if depth < DEEPEST else 0, schema.get("minItems", 0))
        count = min(count, schema.get("maxItems", count))
        unique = schema.get("uniqueItems") is True
        made: list[Any] = []
        for n in range(count * _TRIES if unique else count):
            row = self._value(items, self._row(asked, of, n), f"{of} {n}", "", depth + 1, 1)
            if len(made) < count and not (unique and row in made):
                made.append(row)
        return made

    def _row(self, asked: Asked, of: str, number: int) -> Asked:
        """A row is another object than the request's; it shares the ids of what it belongs to."""
        own = _made_id(Random(f"{self._seed} {of} {number}"))  # noqa: S311 - data, not a secret
        kept = {
            name: value for name, value in asked.named.items() if _IS_ID.fullmatch(name) and name not in ("id", "_id")
        }
        return Asked(kept, own)

    def _number(self, schema: Schema, given: Any, name: str, chance: Random, rows: int) -> float:
        low, high = schema.get("minimum", 0), schema.get("maximum", 1_000_000)
        if _IS_TOTAL.fullmatch(name):
            number: float = min(max(rows, low), high)
            return number
        if isinstance(given, int | float) and not isinstance(given, bool) and low <= given <= high:
            return given
        return chance.randint(int(low), int(min(high, low + 100)))

    def flat(self, schema: Any, depth: int = 0) -> dict[str, Any]:
        """References followed, `allOf` united, the first of the alternatives taken."""
        found = self._resolved(schema)
        if depth > DEEPEST:
            return found
        for part in (*(found.get("allOf") or ()), *(found.get("oneOf") or ())[:1], *(found.get("anyOf") or ())[:1]):
            inner = self.flat(part, depth + 1)
            needs = [*_listed(inner.get("required")), *_listed(found.get("required"))]
            properties = {**(inner.get("properties") or {}), **(found.get("properties") or {})}
            found = {**inner, **found, "properties": properties, "required": needs}
        return found

    def _resolved(self, schema: Any) -> dict[str, Any]:
        for _ in range(DEEPEST):
            if not isinstance(schema, Mapping):
                return {}
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                return dict(schema)
            target: Any = self._document
            for part in reference.rpartition("#")[2].strip("/").split("/"):
                target = target.get(part, {}) if isinstance(target, Mapping) else {}
            schema = target
        return {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _made_id(chance: Random) -> str:
    return "".join(chance.choices(_LETTERS, k=20))


def _text(schema: Schema, given: Any, name: str, chance: Random) -> str:
    fits = isinstance(given, str) and given and re.search(schema.get("pattern", ""), given)
    text = str(given) if fits else _made_text(schema, name, chance)
    text = text.ljust(schema.get("minLength", 0), "x")
    return text[: schema.get("maxLength", len(text))]


def _made_text(schema: Schema, name: str, chance: Random) -> str:
    word, at = chance.choice(_WORDS), _START - chance.randrange(31_000_000)
    if "pattern" in schema:
        return _PATTERNS.get(schema["pattern"], word)
    kind, low = schema.get("format", ""), name.lower()
    if kind in ("date-time", "date") or _IS_DATE.search(name):
        moment = iso(at * SECOND)
        return moment[:10] if kind == "date" else moment
    if kind == "uuid":
        digest = hashlib.sha256(f"{at}".encode()).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
    if _IS_ID.fullmatch(name):
        return _made_id(chance)
    if kind == "email" or "email" in low:
        return f"{word.lower()}@example.com"
    if kind in ("uri", "url") or "url" in low or "website" in low:
        return f"https://example.com/{word.lower()}"
    if "phone" in low:
        return f"+1555{chance.randrange(10**7):07}"
    return word
