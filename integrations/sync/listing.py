"""Fetches one page of a listing, also from operations that do not page and return everything at once."""

from __future__ import annotations

from typing import Any

from integrations.core.errors import PayloadAnomalous
from integrations.gateway import client
from integrations.gateway.client import Page


def page(operation: str, *, whole: str = "", cursor: dict[str, Any] | None = None, **arguments: Any) -> Page:
    """`gateway.client.page`; with `whole`, the name of the list in the answer, the only page there is.

    Raises what the gateway raises, and PayloadAnomalous when that list is missing: that is not an empty list.
    """
    if not whole:
        return client.page(operation, cursor=cursor, **arguments)
    answer = client.call(operation, **arguments).json
    items = answer.get(whole) if isinstance(answer, dict) else None
    if not isinstance(items, list):
        raise PayloadAnomalous(f"the answer holds no list of {whole}", operation=operation)
    return Page(items, None, None)
