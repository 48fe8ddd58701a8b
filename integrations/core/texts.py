"""Texts and JSON as UTF-8, PostgreSQL and a terminal take them, and whole numbers in texts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from math import isfinite
from typing import Any

# C0 and C1 but tab and line feed, and the marks that change the direction of what follows.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
LARGEST_KEY = 2**63 - 1  # that a primary key can be
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """The text with U+FFFD in place of NUL and of lone surrogates, which neither UTF-8 nor PostgreSQL can store.

    JSON may contain both, and any form on a tenant's web site can submit them. One such name must not stop a sync.
    """
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def printable(text: str) -> str:
    """The text as a terminal may get it: control characters but line feed and tab are written out (`\\x1b`).

    A contact's name with an escape sequence would otherwise rewrite an operator's screen, or the title of their window.
    """
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def whole(text: str, largest: int = LARGEST_KEY) -> int | None:
    """The number that the text writes in the digits 0 to 9; None for any other text, and for a larger number.

    `int` raises ValueError for more than 4,300 digits, and the one who fills a field chooses how many it has.
    """
    if not (text.isascii() and text.isdecimal()):
        return None
    digits = text.lstrip("0")
    number = int(digits or "0") if len(digits) <= len(str(largest)) else None
    return number if number is not None and number <= largest else None


class TooDeep(ValueError):
    """JSON nested deeper than the caller takes."""


def storable_json(value: Any, *, deepest: int | None = None) -> Any:
    """A copy of parsed JSON with every text and name `storable`, and None for numbers that JSON does not know.

    Raises TooDeep for more than `deepest` levels of nesting below the value; None means no limit.
    """
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    if not isinstance(value, Mapping | list | tuple):
        return value
    return _storable_parts(value, None if deepest is None else deepest - 1)


def _storable_parts(value: Mapping[Any, Any] | list[Any] | tuple[Any, ...], left: int | None) -> Any:
    if left is not None and left < 0 and len(value):
        raise TooDeep("nested too deeply")
    if isinstance(value, Mapping):
        return {storable(str(name)): storable_json(item, deepest=left) for name, item in value.items()}
    return [storable_json(item, deepest=left) for item in value]


def as_stored_json(value: Any) -> Any:
    """The JSON value as PostgreSQL will return it, so that a digest of it is the same then.

    `jsonb` has no exponents and no negative zero: it returns 1e+22 as an integer.
    """
    return json.loads(json.dumps(value), parse_float=_stored_number)


def _stored_number(text: str) -> float | int:
    number = Decimal(text)
    return int(number) if "e+" in text else float(number) + 0.0
