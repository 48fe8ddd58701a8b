"""Replaces characters that PostgreSQL cannot store in texts from outside."""

from __future__ import annotations

import re

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """The text with U+FFFD in place of NUL and of lone surrogates, which neither UTF-8 nor PostgreSQL can store.

    JSON may contain both, and any form on a tenant's web site can bring them. One such name must not stop a sync.
    """
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
