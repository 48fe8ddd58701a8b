"""What the control API reads of its requests, and how it refuses them."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web


async def json_of(request: web.Request) -> Any:
    """The body's JSON; anything else is refused."""
    try:
        return await request.json()
    except ValueError:
        raise refusal("the body must be JSON") from None


async def object_of(request: web.Request) -> dict[str, Any]:
    """The body's JSON object; anything else is refused."""
    given = await json_of(request)
    if not isinstance(given, dict):
        raise refusal("the body must be a JSON object")
    return given


def refusal(message: str, status: int = 400) -> web.HTTPException:
    """The exception that answers 400 or 404 with this message."""
    kind = {400: web.HTTPBadRequest, 404: web.HTTPNotFound}[status]
    return kind(text=json.dumps({"error": message}), content_type="application/json")
