"""GET /opportunities/pipelines."""

from __future__ import annotations

from integrations.sandbox.data.records import Pipeline
from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.resources.checks import own, query


def list_pipelines(call: ApiCall) -> Reply:
    """Handle GET /opportunities/pipelines."""
    given = query(call, {"locationId": "string"}, required=("locationId",))
    location = own(call, given["locationId"])
    return Reply({"pipelines": [view(pipeline, location.id) for pipeline in location.pipelines.values()]})


def view(pipeline: Pipeline, location_id: str) -> dict[str, object]:
    """A pipeline as lists show it."""
    return {
        "id": pipeline.id,
        "name": pipeline.name,
        "stages": [{"id": stage.id, "name": stage.name, "position": stage.position} for stage in pipeline.stages],
        "showInFunnel": True,
        "showInPieChart": True,
        "locationId": location_id,
    }


ROUTES = (Route("GET", "/opportunities/pipelines", "get-pipelines", list_pipelines, ("opportunities.readonly",)),)
