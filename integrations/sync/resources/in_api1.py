"""How API 1.0 lists the resources: what differs from API 2.0, by the name of the resource.

It has no filter for changes nor one that an operator could choose, so every run reads everything, and hourly. The key
names the location. Opportunities are listed pipeline by pipeline, and one is asked for below its pipeline, which may
have changed: so two listings have to lack it. The short lists come whole in one answer, as far as public code knows.
Records are stored as the API gives them: a contact has `customField` here and `customFields` in API 2.0.

Sources: public-api.gohighlevel.com for paths and cursors, captured answers of public projects for names (FACTS 16).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.sync.resources.base import HOURLY, ListingRequest, Parent, Resource, Single

_PIPELINES = "GET /pipelines/"


def _everything(_location_id: str) -> ListingRequest:
    return ListingRequest(params={})


def _differs(operation: str, **more: Any) -> Mapping[str, Any]:
    always = {"every": HOURLY, "full": _everything, "since": None, "whole": "", "single": None, "filters": ()}
    return {**always, "operation": operation, **more}


_EACH_PIPELINE = Resource(
    name="pipelines", operation=_PIPELINES, whole="pipelines", api="1.0", elsewhere={"1.0": {"full": _everything}}
)
API_1: dict[str, Mapping[str, Any]] = {
    "contacts": _differs("GET /contacts/", single=Single("GET /contacts/{contactId}", "contactId", "contact")),
    "opportunities": _differs("GET /pipelines/{pipelineId}/opportunities", below=Parent(_EACH_PIPELINE, "pipelineId")),
    "pipelines": _differs(_PIPELINES, whole="pipelines"),
    "users": _differs("GET /users/", whole="users"),
    "calendars": _differs("GET /calendars/services", whole="services"),
    "custom_fields": _differs("GET /custom-fields/", whole="customFields"),
    "custom_values": _differs("GET /custom-values/", whole="customValues"),
    "tags": _differs("GET /tags/", whole="tags"),
    "campaigns": _differs("GET /campaigns/", whole="campaigns"),
    "workflows": _differs("GET /workflows/", whole="workflows"),
    "forms": _differs("GET /forms/", whole="forms"),
    "surveys": _differs("GET /surveys/", whole="surveys"),
}
