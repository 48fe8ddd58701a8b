"""Pagination styles of API 1.0's listings, by method and path. It has no OpenAPI file, hence no catalogue.

`meta` has the cursor of the next page, as API 2.0's older listings do (public-api.gohighlevel.com).
"""

from __future__ import annotations

import re

from integrations.highlevel.pagination.families import query
from integrations.highlevel.pagination.pages import Style
from integrations.highlevel.pagination.steps import start_after

_SEGMENT = re.compile(r"{[^}]+}")
_CURSOR = "startAfter startAfterId"

STYLES_BY_ROUTE: dict[str, Style] = {
    "GET /contacts/": query("contacts", "meta.total", "limit", start_after, _CURSOR),
    "GET /pipelines/{pipelineId}/opportunities": query("opportunities", "meta.total", "limit", start_after, _CURSOR),
}


def style_of_route(method: str, path: str) -> Style | None:
    """The style of a method and path, whose parameters may be named in braces or filled in; None for a whole answer."""
    return next((style for route, style in STYLES_BY_ROUTE.items() if _fits(route, f"{method} {path}")), None)


def _fits(route: str, asked: str) -> bool:
    parts = map(re.escape, _SEGMENT.split(route))
    return re.fullmatch("[^/]+".join(parts), asked) is not None
