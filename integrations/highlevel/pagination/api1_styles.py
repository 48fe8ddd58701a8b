"""Pagination styles of API 1.0's listings, by method and path. It has no OpenAPI file, hence no catalogue.

`meta` has the cursor of the next page, as API 2.0's older listings do (public-api.gohighlevel.com).
"""

from __future__ import annotations

from integrations.highlevel.pagination.families import query
from integrations.highlevel.pagination.pages import Style
from integrations.highlevel.pagination.steps import start_after

_CURSOR = "startAfter startAfterId"

API_1_STYLES: dict[str, Style] = {
    "GET /contacts/": query("contacts", "meta.total", "limit", start_after, _CURSOR),
    "GET /pipelines/{pipelineId}/opportunities": query("opportunities", "meta.total", "limit", start_after, _CURSOR),
}
