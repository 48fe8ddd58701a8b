"""JSON parser for response bodies: the result can be written as UTF-8 and stored in PostgreSQL.

JSON may hold NUL characters and halves of surrogate pairs, which neither accepts. Any contact who fills in a form on a
tenant's web site can produce them, for example by a text cut inside an emoji. The parser replaces them by U+FFFD, so
that one odd name fails no job, page or command. Numbers that are not finite (NaN, or out of range) become None.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

from integrations.core.texts import storable_json

# Only bytes with one of these can give such a character. Without any, nothing has to be replaced.
_MARKS = (rb"\u0000", rb"\ud", rb"\uD", b"\xed", b"\0")


def parsed(body: bytes) -> Any:
    """The JSON in these bytes, or None. JSON nested deep enough to exhaust the stack gives None too."""
    try:
        value = _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
        return storable_json(value) if any(mark in body for mark in _MARKS) else value
    except (ValueError, RecursionError):
        return None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if isfinite(number) else None


_DECODER = json.JSONDecoder(parse_constant=lambda name: None, parse_float=_finite)
