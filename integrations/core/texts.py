"""Texts from outside, as everything here can keep them: written as UTF-8, stored in PostgreSQL."""

from __future__ import annotations

import re

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """The text with U+FFFD for what neither takes: NUL, and halves of surrogate pairs. JSON may hold both, and whoever
    fills in a form on a tenant's web site can put them there; one bad name shall cost nobody anything."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
