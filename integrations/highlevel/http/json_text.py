"""The JSON of an answer, as all behind this room can keep it: written as UTF-8, stored in PostgreSQL.

JSON may hold NUL characters and halves of surrogate pairs, which neither takes, and whoever fills in a form on a
tenant's web site can put them there: a text cut in the midst of an emoji is enough. They become U+FFFD here, once for
all, so that one odd name costs no job, page or command. Numbers that are none (NaN, or beyond all bounds) become None.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

from integrations.core.texts import storable_json

# What has to stand in the bytes for one to come of them. Without any, nothing is walked through.
_MARKS = (rb"\u0000", rb"\ud", rb"\uD", b"\xed", b"\0")


def parsed(body: bytes) -> Any:
    """The JSON in these bytes, or None. Nesting deep enough to exhaust the stack is not JSON we want either."""
    try:
        value = _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
        return storable_json(value) if any(mark in body for mark in _MARKS) else value
    except (ValueError, RecursionError):
        return None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if isfinite(number) else None


_DECODER = json.JSONDecoder(parse_constant=lambda name: None, parse_float=_finite)
