"""What the page of a problem shows: the cause, its tenants with their latest failures, and what may be done."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import HttpRequest

from integrations.core import clock
from integrations.core.pages import tenant_links
from integrations.core.pages.row_actions import form_for
from integrations.problems import admin_views, failed_rows, queries
from integrations.problems.models import FailureKind, Problem

PER_PAGE, TRACE_IDS, OPERATORS = 25, 5, 200
_TONES = {"open": "bad", "muted": "unknown", "fixed": "good"}
# What is tried again, and how the button says so.
_AGAIN = {
    FailureKind.EVENT: "Process its events again …",
    FailureKind.SYNC: "Run its syncs now …",
    FailureKind.JOB: "Resume its runs …",
    FailureKind.JOB_EVENT: "Run the job again for its events …",
    FailureKind.CREDENTIAL: "Refresh its credentials …",
    FailureKind.ENTRY: "Send its entries again …",
}
_NO_RETRY = {
    FailureKind.CALL: "What made a call repeats it: a job or a sync at its next run. From the page of a call you can "
    "open it in the call explorer.",
    FailureKind.OUTBOX: "An outbox tries again by itself.",
    FailureKind.WRITE: "Whether these happened is unknown. Say so on the page of each.",
    FailureKind.EXPORT: "One that repeats comes again by itself. Begin another one again on its page.",
    FailureKind.UPSERT: "Resume each on its page, once the cause is mended. No row is sent twice.",
    FailureKind.UPSERT_ROW: "Whether these were written is unknown. Say so on the page of each.",
}


def context(request: HttpRequest, problem: Problem) -> dict[str, Any]:
    """The context of the page's template."""
    now = clock.now()
    state = queries.state_of(problem, now)
    affected = Paginator(problem.affected.order_by("-last_seen", "pk"), PER_PAGE)
    page = affected.get_page(request.GET.get("page", "1"))
    known = tenant_links.known(row.tenant_id for row in page)
    decides = admin_views.may_decide(request)
    may_try = decides and admin_views.may_try(request, problem) is not None
    return {
        "title": str(problem),
        "problem": problem,
        "state": state,
        "tone": _TONES[state],
        "now": now,
        "list_url": failed_rows.list_url(problem),
        "rows": [
            {
                "affected": row,
                "tenant": tenant_links.link_by_id(row.tenant_id, known),
                "url": failed_rows.row_url(problem, row.row),
            }
            for row in page
        ],
        "page": page,
        "trace_ids": queries.trace_ids(problem, TRACE_IDS),
        "form": form_for(request, problem),
        "back": request.get_full_path(),
        "decides": decides,
        "again": _AGAIN.get(FailureKind(problem.kind), "") if may_try else "",
        "no_retry": _NO_RETRY.get(FailureKind(problem.kind), ""),
        "operators": _operators() if decides else [],
    }


def _operators() -> list[str]:
    """The names of the accounts that a problem can be given to."""
    staff = User.objects.filter(is_staff=True, is_active=True).order_by("username")
    return list(staff.values_list("username", flat=True)[:OPERATORS])
