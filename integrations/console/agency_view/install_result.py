"""The page after an install: how far it is, which sub-accounts, and what is being fetched.

Its link is signed, lives for an hour, and is good for this installation of the account only: a later install of it has
another link. It shows facts of the account only to the browser that went through the install,
and only once the installation has an owner: anyone else who gets the link reads that the app is installed, and no name.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from integrations.console.agency_view import account_progress
from integrations.installs import consent_answer
from integrations.installs.browser import result_link
from integrations.tenants.models import Installation
from integrations.tokens import scope_gaps
from integrations.tokens.admin_pages import consent_link


@never_cache
@require_GET
def result(request: HttpRequest, signed: str) -> HttpResponse:
    """The result page. Raises BadRequest for a link that has expired, or whose installation ended."""
    link = result_link.read(signed)
    row = link.installation
    is_theirs = row.claimed_at is not None and link.is_from(request)
    context: dict[str, Any] = {"app": row.app, "is_theirs": is_theirs, "claimed": row.claimed_at is not None}
    if is_theirs:
        context |= _facts(row, link.asked)
    return render(request, "installs/result.html", context)


def _facts(row: Installation, asked: Installation | None) -> dict[str, Any]:
    gap = scope_gaps.of(row)
    return {
        "installation": row,
        "company": row.company,
        "location": row.location,
        "missing": gap.missing,
        "disabled": scope_gaps.disabled(row, gap) if gap.missing else (),
        "again": consent_link.path(row) if gap.missing else "",
        "asked": consent_answer.account_name(asked) if asked and asked.pk != row.pk else "",
        "progress": account_progress.of(row),
        "is_reading": row.reconciled_at is None and not row.location_id,
    }
