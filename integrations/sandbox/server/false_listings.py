"""False listings: a wrong total, an empty page, a part of the search index that is silent, an index that lags.

A client that believes them deletes records that exist.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import Any

from aiohttp import web

from integrations.sandbox.faults import Rule

SHARE = 0.2
HOLD_MS = 3000.0
_MOST_KEPT = 1000

Kept = dict[tuple[str, bytes], tuple[float, bytes]]


async def falsified(rule: Rule, request: web.Request, answer: web.StreamResponse, kept: Kept) -> web.StreamResponse:
    """The answer to a listing as the rule falsifies it. `kept` holds earlier answers."""
    if not isinstance(answer, web.Response) or not isinstance(answer.body, bytes) or answer.status >= 300:
        return answer
    if rule.kind == "stale":
        answer.body = _stale(
            answer.body, (request.path_qs, await request.read()), rule, kept, asyncio.get_running_loop().time()
        )
        return answer
    body = json.loads(answer.body)
    name = next((name for name, value in body.items() if isinstance(value, list)), None)
    if name is not None:
        answer.body = json.dumps(_false(rule, body, name), separators=(",", ":")).encode()
    return answer


def _stale(body: bytes, key: tuple[str, bytes], rule: Rule, kept: Kept, now: float) -> bytes:
    at, earlier = kept.get(key, (now, body))
    if key in kept and (now - at) * 1000 < float(rule.params.get("hold_ms", HOLD_MS)):
        return earlier
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    kept[key] = (now, body)
    return body


def _false(rule: Rule, body: dict[str, Any], name: str) -> dict[str, Any]:
    total = body.get("total")
    if rule.kind == "empty":
        return {**body, name: [], **({} if total is None else {"total": 0})}
    if rule.kind == "silent":
        share = float(rule.params.get("share", SHARE))
        rows = [row for row in body[name] if zlib.crc32(str(row.get("id")).encode()) % 1000 >= share * 1000]
        return {**body, name: rows, **({} if total is None else {"total": int(total * (1 - share))})}
    return {**body, "total": max(0, int(total or 0) + int(rule.params.get("add", 0)))}
