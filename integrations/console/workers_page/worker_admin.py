"""The page of workers and queues, in the place of the list of worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from integrations.console.alerts import alerts_view
from integrations.console.safekeeping import safekeeping_view
from integrations.console.variables_page import variables_view
from integrations.console.workers_page import broker_messages, queue_facts, worker_facts
from integrations.console.workers_page.queue_facts import QueueRow
from integrations.console.workers_page.worker_facts import WorkerRow
from integrations.core import clock
from integrations.core.admin import ReadOnlyAdmin
from integrations.core.ages import span
from integrations.core.models import WorkerProcess

Card = tuple[str, str, str, str]  # title, figure, note, tone


@admin.register(WorkerProcess)
class WorkerProcessAdmin(ReadOnlyAdmin):
    """Worker processes; the changelist is the page of workers and queues."""

    fields = ("name", "queues", "threads", "memory", "started_at", "seen_at", "work", "hung")

    def get_urls(self) -> list[URLPattern]:
        """Adds the pages of alerts, of keys, spool and audit trail, and of variables."""
        beside = {"alerts": alerts_view.show, "safekeeping": safekeeping_view.show, "variables": variables_view.show}
        pages = [
            path(f"{name}/", self.admin_site.admin_view(view), name=f"core_workerprocess_{name}")
            for name, view in beside.items()
        ]
        return [*pages, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Render the page. Raises PermissionDenied without the view permission."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = clock.now()
        workers, queues = worker_facts.workers(now), queue_facts.queues(now, request.user.has_perm)
        messages = broker_messages.lengths()
        context = {
            **self.admin_site.each_context(request),
            "title": "Workers and queues",
            "cards": _cards(workers, queues, messages, now),
            "none_at_work": all(one.state.startswith("silent") for one in workers),
            "workers": workers,
            "queues": queues,
            "leaders": worker_facts.leaders(now),
            "now": now,
        }
        return TemplateResponse(request, "admin/workers.html", context)


def _cards(
    workers: Sequence[WorkerRow], queues: Sequence[QueueRow], messages: dict[str, int] | None, now: datetime
) -> list[Card]:
    alive = [one for one in workers if not one.state.startswith("silent")]
    silent = len(workers) - len(alive)
    busy, threads = sum(one.busy for one in alive), sum(one.threads for one in alive)
    late = max(queues, key=lambda one: now - one.oldest if one.oldest else now - now, default=None)
    waits = span(round((now - late.oldest).total_seconds())) if late and late.oldest else "0 s"
    hosts = len({one.host for one in alive})
    of_hosts = f"on {hosts} host{'' if hosts == 1 else 's'}" if alive else "nothing is done until one runs"
    held = "does not answer" if messages is None else f"{sum(messages.values()):,}"
    each = "messages cannot be sent" if messages is None else ", ".join(f"{n:,} {name}" for name, n in messages.items())
    return [
        (
            "Worker processes",
            f"{len(alive):,}",
            f"{silent:,} fell silent in the last hour" if silent else of_hosts,
            "bad" if not alive else "warn" if silent else "good",
        ),
        ("Threads at work", f"{busy:,} of {threads:,}", "a quarter is kept for urgent work", "good"),
        (
            "Longest wait",
            waits,
            f"{late.title}, {late.due:,} due" if late and late.oldest else "nothing that is due waits",
            late.tone if late else "good",
        ),
        ("Messages in the broker", held, each, "bad" if messages is None else "good"),
    ]
