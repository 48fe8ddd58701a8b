"""Webhooks of the data: flat, with `type` and `locationId` beside the fields; the front adds the rest and signs."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.protocol import Call


def publish(call: Call, event_type: str, location_id: str, fields: dict[str, Any]) -> None:
    """`fields` may carry a `type` of its own where the vendor's event names itself otherwise."""
    call.emit(event_type, {"type": event_type, "locationId": location_id, **fields})
