"""Fingerprint of a call: tells whether two calls ask for the same."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def fingerprint(operation: str, params: Any, body: Any) -> str:
    """SHA-256 over an operation and its arguments. Of an open file only the name is known."""
    text = json.dumps([operation, params, body], sort_keys=True, default=_hashed)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _hashed(value: Any) -> Any:
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    return str(getattr(value, "name", "")) if hasattr(value, "read") else str(value)
