"""The operation with which the app fires a workflow trigger.

The vendor publishes the address in the subscription call, and not how it is authenticated (FACTS 14). Here it takes the
location's token, and a trigger that ended or never was is a 404.
"""

from __future__ import annotations

from dataclasses import asdict

from integrations.sandbox.data.played_triggers import PlayedTriggers
from integrations.sandbox.protocol import ApiCall, ApiError, Reply

PATH = "/workflows-marketplace/triggers/execute/{locationId}/{triggerId}"


def execute(triggers: PlayedTriggers, call: ApiCall) -> Reply:
    """Start the workflow. Raises ApiError for an unknown trigger."""
    trigger = triggers.present.get(call.path["triggerId"])
    if trigger is None or trigger.location_id != call.path["locationId"]:
        raise ApiError(404, {"statusCode": 404, "message": "Trigger not found", "error": "Not Found"})
    triggers.fired.append({**asdict(trigger), "body": call.body})
    return Reply({"success": True})
