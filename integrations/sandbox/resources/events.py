"""Webhook events of data changes: flat objects with `type`, `locationId` and the fields. `events` adds the envelope."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.protocol import ApiCall


def publish(call: ApiCall, event_type: str, location_id: str, fields: dict[str, Any]) -> None:
    """Emit an event. `fields` may have another `type`, because some of the vendor's events have two names."""
    call.emit(event_type, {"type": event_type, "locationId": location_id, **fields})
