"""The sources of the search: each finds a few rows by whole or leading text, through an index.

`Ctrl+K` on any admin page opens the search (unfold's command palette). What an operator may not see is not searched,
and personal data is masked as on the pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from integrations.console import navigation
from integrations.console.search import contact_search
from integrations.console.variables_page.variables_view import SOURCES, VIEW
from integrations.core import masking, texts
from integrations.core.pages import tenant_links
from integrations.gateway.models import Call
from integrations.highlevel.catalogue import catalogue
from integrations.highlevel.oauth.dialects import DIALECTS
from integrations.jobs.models import Run as JobRun
from integrations.problems.models import Problem
from integrations.problems.timeline import beginnings
from integrations.problems.timeline.kinds import KINDS, NAMES
from integrations.sync import queries as sync
from integrations.sync.models import Record, Run
from integrations.tenants.models import App
from integrations.tokens.models import Credential
from integrations.webhooks.models import Event, FailedAttempt

EACH = 6  # results of one source
_LONGEST = 200  # characters of a text that is searched for

Found = Iterator[SearchResult]


def search(request: HttpRequest, _lowered: str) -> list[SearchResult]:
    """unfold's COMMAND.search_callback. It passes the text in lower case, but ids have both."""
    text = request.GET.get("s", "").replace("\0", "").strip()[:_LONGEST]
    if not text:
        return []
    may = request.user.has_perm
    return [
        one for permission, source in _SOURCES if not permission or may(permission) for one in source(text, request)
    ]


def _tenants(text: str, request: HttpRequest) -> Found:
    known = tenant_links.known([text, *tenant_links.search(text)[:EACH]])
    for one in list(known.values())[:EACH]:
        yield SearchResult(one.title, str(one.tenant), tenant_links.url(one.tenant), "storefront")


def _pages(text: str, request: HttpRequest) -> Found:
    items = [item for group in navigation.pages_for(request) for item in group["items"]]
    for item in [item for item in items if text.lower() in item["title"].lower()][:EACH]:
        yield SearchResult(item["title"], "page", item["link"], item["icon"])


def _contacts(text: str, request: HttpRequest) -> Found:
    for record in contact_search.find(text, EACH, whole=masking.applies(request)):
        yield _record(record, request)


def _records(text: str, request: HttpRequest) -> Found:
    """By whole id. Ids of the vendor have no spaces."""
    for record in [] if " " in text else sync.with_id(text, EACH):
        yield _record(record, request)


def _record(record: Record, request: HttpRequest) -> SearchResult:
    payload = record.payload if isinstance(record.payload, dict) else {}
    parts = [payload.get(name) for name in ("firstName", "lastName", "name", "email", "phone")]
    shown = " ".join(part for part in parts if isinstance(part, str) and part)
    if masking.applies(request):
        shown = masking.whole(shown)
    of = f"{record.resource} {record.record_id} of {record.location_id}"
    return SearchResult(shown or record.record_id, of, _page("sync_record", record.pk), "database")


def _events(text: str, request: HttpRequest) -> Found:
    apps = list(App.objects.values_list("pk", flat=True))
    refused = FailedAttempt.objects.filter(trace_id=text).values("event")
    for event in Event.objects.filter(Q(app__in=apps, webhook_id=text) | Q(pk__in=refused))[:EACH]:
        words = f"event {event.webhook_id}, {event.get_status_display()}"
        yield SearchResult(event.type or "event", words, _page("webhooks_event", event.pk), "inbox")


def _calls(text: str, request: HttpRequest) -> Found:
    for call in Call.objects.filter(trace_id=text).order_by("-pk")[:EACH]:
        words = f"call with trace id {call.trace_id}, {call.at:%Y-%m-%d %H:%M} UTC"
        yield SearchResult(call.operation, words, _page("gateway_call", call.pk), "report")


def _credentials(text: str, request: HttpRequest) -> Found:
    for row in Credential.objects.filter(last_trace_id=text)[:EACH]:
        yield SearchResult(str(row.tenant), "credential with this trace id", _page("tokens_credential", row.pk), "key")


def _sync_runs(text: str, request: HttpRequest) -> Found:
    for run in _by_number(Run.objects.select_related("plan"), text):
        yield SearchResult(f"Sync run {run.pk}", f"{run.plan}, {run.status}", _page("sync_run", run.pk), "sync")


def _job_runs(text: str, request: HttpRequest) -> Found:
    for run in _by_number(JobRun.objects.select_related("schedule"), text):
        words = f"{run.schedule}, {run.get_status_display()}"
        yield SearchResult(f"Job run {run.pk}", words, _page("jobs_run", run.pk), "play_circle")


def _timelines(text: str, request: HttpRequest) -> Found:
    """Whatever else has the id: writes of jobs, outbox entries, bulk upserts and their rows, runs by trace id."""
    may = request.user.has_perm
    found = [one for one in beginnings.find(text) if may(KINDS[one.kind].permission)]
    for one in found[:EACH]:
        address = f"{reverse('admin:problems_timeline')}?{urlencode({'id': str(one)})}"
        yield SearchResult(f"{NAMES[one.kind]} {one.pk}", "its timeline", address, "timeline")


def _problems(text: str, request: HttpRequest) -> Found:
    for problem in Problem.objects.filter(subject__icontains=text).order_by("-last_seen")[:EACH]:
        words = f"problem: {problem.error}, {problem.tenants:,} tenants"
        yield SearchResult(problem.subject, words, _page("problems_problem", problem.pk), "crisis_alert")


def _operations(text: str, request: HttpRequest) -> Found:
    if not request.user.has_perm(masking.PERMISSION):
        return  # the explorer is for those who see personal data
    both: dict[str, list[str]] = {}
    for dialect in DIALECTS:
        for one in catalogue(dialect).operations():
            if text.lower() in one.key.lower():
                both.setdefault(one.key, []).append(dialect)
    for key, dialects in list(both.items())[:EACH]:
        page, (only, *more) = reverse("admin:gateway_explore_operation", args=[key]), dialects
        words, query = ("operation", "") if more else (f"operation of {only} only", f"?version={only}")
        yield SearchResult(key, words, page + query, "travel_explore")


def _variables(text: str, request: HttpRequest) -> Found:
    """Settings, which are variables of the environment, by any part of the name."""
    wanted, page = text.upper().replace(" ", "_"), reverse("admin:core_workerprocess_variables")
    for one in [one for one in settings.VARIABLES if wanted in one.name][:EACH]:
        yield SearchResult(one.name, f"setting: {one.value or SOURCES[one.source]}", f"{page}#{one.name}", "tune")


def _by_number(rows: Any, text: str) -> Any:
    number = texts.whole(text.lower().removeprefix("run").strip())
    return () if number is None else rows.filter(pk=number)


def _page(name: str, pk: object) -> str:
    return reverse(f"admin:{name}_change", args=[pk])


# In the order of the results, each with the permission that it needs.
_SOURCES: tuple[tuple[str, Callable[[str, HttpRequest], Found]], ...] = (
    ("tenants.view_location", _tenants),
    ("webhooks.view_event", _events),
    ("gateway.view_call", _calls),
    ("tokens.view_credential", _credentials),
    ("sync.view_run", _sync_runs),
    ("jobs.view_run", _job_runs),
    ("problems.view_problem", _timelines),
    ("problems.view_problem", _problems),
    ("sync.view_record", _contacts),
    ("sync.view_record", _records),
    ("gateway.explore", _operations),
    (VIEW, _variables),
    ("", _pages),
)
