"""The page of the timeline: a field for any id, and the rows that led to it and followed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from integrations.core import clock, masking
from integrations.core.pages import tenant_links
from integrations.problems.timeline import beginnings, walk
from integrations.problems.timeline.kinds import KINDS, NAMES
from integrations.problems.timeline.timeline_moments import Ref

PERMISSION = "problems.view_problem"


def show(request: HttpRequest) -> HttpResponse:
    """The timeline of the id in the address. If several rows have this number, a choice of them."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    wanted = request.GET.get("id", "").strip()[: beginnings.LONGEST]
    found = [ref for ref in beginnings.find(wanted) if request.user.has_perm(KINDS[ref.kind].permission)]
    number = beginnings.number_of(wanted)
    numbers = [ref for ref in found if ref.pk == number]
    context = {
        **admin.site.each_context(request),
        "title": "Timeline",
        "wanted": wanted,
        "choices": [{"ref": str(ref), "name": f"{NAMES[ref.kind]} {ref.pk}"} for ref in numbers]
        if len(numbers) > 1
        else [],
    }
    context |= _shown(request, [] if context["choices"] else found)
    return TemplateResponse(request, "admin/problems/timeline.html", context)


def _shown(request: HttpRequest, begins: list[Ref]) -> dict[str, Any]:
    now = clock.now()
    found = walk.timeline(begins, now, request.user.has_perm)
    known = tenant_links.known(moment.tenant_id for moment in found.moments)
    mask = masking.text if masking.applies(request) else str
    rows = [
        {
            "moment": moment,
            "words": mask(moment.words),
            "tenant": tenant_links.link_by_id(moment.tenant_id, known) if moment.tenant_id else "",
            "begins": moment.ref in found.begins,
            "kind": NAMES[moment.ref.kind],
        }
        for moment in found.moments
    ]
    return {"rows": rows, "more": found.more, "most": walk.MOST_ROWS, "now": now}
