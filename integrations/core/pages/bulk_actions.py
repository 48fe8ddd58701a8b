"""Bulk actions of the admin: true count and preview first, typed confirmation above a limit, then the background.

A list shows at most 10,000 as its count, and "select all" means every row that its filters match. So an action on more
rows than a page has, and any action that a page names in `asks`, does nothing before the operator has seen how many
rows it is about and has confirmed it. More than `AT_ONCE` rows are worked through by a worker in batches
(`console.bulk_run`), with progress, a way to stop it, and entries in the audit trail.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import helpers
from django.db import transaction
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from integrations.core import audit, clock, masking, texts
from integrations.core.models import AuditEntry, BulkAction
from integrations.core.pages import bulk_mark, list_query

AT_ONCE = 25  # rows that a request changes itself: those of one page of a list
TYPED = 100  # above so many rows the operator types their number
PREVIEWED = 10
BACK, CONFIRMED, NUMBER = "back", "confirmed", "number"  # fields of the form


@dataclass(frozen=True, slots=True)
class ChosenRows:
    """What an operator asked for. `ids` are empty for all rows that the list's filters match.

    `resent`: the form of the question names the ids again. A page that finds them by itself needs no list of them.
    """

    action: str
    label: str
    does: str
    rows: QuerySet[Any]
    ids: list[str]
    count: int
    resent: bool = True

    @property
    def is_typed(self) -> bool:
        """Whether the number has to be typed."""
        return self.count > TYPED


class AsksBeforeMany:
    """Admin mixin that stands before the actions of a list."""

    asks: Collection[str] = ()  # actions that ask whatever the number, because they cannot be undone
    bulk_confirmation_template = "admin/bulk_confirm.html"
    opts: Any
    model: Any

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list. Its "select all" says that the number is counted before anything happens."""
        name = f"{self.opts.verbose_name_plural} that match; they are counted before anything happens"
        extra = {"module_name": name, **(extra_context or {})}
        shown: HttpResponse = super().changelist_view(request, extra)  # type: ignore[misc]
        return shown

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Do it, ask first, or give it to a worker."""
        chosen = self.chosen_rows(request, queryset)
        if chosen is not None and (answer := self.ask_or_start(request, chosen)):
            return answer
        done: HttpResponse | None = super().response_action(request, queryset)  # type: ignore[misc]
        return done

    def ask_or_start(self, request: HttpRequest, chosen: ChosenRows) -> HttpResponse | None:
        """The question, or the page of what a worker does now; None if the request may do it itself."""
        if chosen.count <= AT_ONCE and chosen.action not in self.asks:
            return None
        if not _is_confirmed(request, chosen):
            return self.bulk_question(request, chosen)
        return HttpResponseRedirect(_page(_start(request, chosen))) if chosen.count > AT_ONCE else None

    def chosen_rows(self, request: HttpRequest, queryset: QuerySet[Any]) -> ChosenRows | None:
        """What the form asks for; None for what Django refuses or confirms by itself."""
        allowed = self.get_actions(request)  # type: ignore[attr-defined]
        name = (request.POST.getlist("action") or [""])[_index(request)]
        ids = request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)
        across = request.POST.get("select_across") == "1"
        if name not in allowed or name == "delete_selected" or not (ids or across):
            return None
        function, _, label = allowed[name]
        rows = queryset if across else queryset.filter(pk__in=ids)
        does = (function.__doc__ or "").strip().partition("\n\n")[0]
        return ChosenRows(name, str(label), does, rows, [] if across else ids, rows.order_by().count())

    def bulk_question(self, request: HttpRequest, chosen: ChosenRows) -> HttpResponse:
        """The page with the true count, the first rows and what will happen."""
        first = list(chosen.rows.order_by("pk")[:PREVIEWED])
        if masking.applies(request):
            for row in first:
                masking.columns(row, getattr(self, "personal", {}))
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "opts": self.opts,
            "title": f"{chosen.label}?",
            "chosen": chosen,
            "first": [str(row) for row in first],
            "more": chosen.count - len(first),
            "noun": self.opts.verbose_name if chosen.count == 1 else self.opts.verbose_name_plural,
            "in_background": chosen.count > AT_ONCE,
            "back": allowed_back(request) or request.get_full_path(),
            "wrong_number": CONFIRMED in request.POST,
        }
        return TemplateResponse(request, self.bulk_confirmation_template, context)


def allowed_back(request: HttpRequest) -> str:
    """The page of ours that the form names; empty without one."""
    back = request.POST.get(BACK, "")
    return back if back.startswith("/") and url_has_allowed_host_and_scheme(back, allowed_hosts=None) else ""


def _index(request: HttpRequest) -> int:
    """Which of the forms above and below the list was sent; the last one there is, for another number."""
    sent = len(request.POST.getlist("action"))
    return min(texts.whole(request.POST.get("index", "0")) or 0, max(0, sent - 1))


def _is_confirmed(request: HttpRequest, chosen: ChosenRows) -> bool:
    if CONFIRMED not in request.POST:
        return False
    typed = request.POST.get(NUMBER, "").replace(",", "").strip()
    return not chosen.is_typed or typed == str(chosen.count)


def _start(request: HttpRequest, chosen: ChosenRows) -> BulkAction:
    """Note what is to be done. The dispatcher sends it to a worker."""
    now, user = clock.now(), request.user
    newest = chosen.rows.order_by().aggregate(newest=Max("pk"))["newest"]
    with transaction.atomic():
        row = BulkAction.objects.create(
            model=chosen.rows.model._meta.label_lower,  # noqa: SLF001 - Django's documented name
            action=chosen.action,
            label=chosen.label[:100],
            query=request.GET.urlencode(),
            ids=chosen.ids,
            newest="" if newest is None else str(newest),
            user_id=user.pk or 0,
            operator=user.get_username(),
            total=chosen.count,
            due_at=now,
            created_at=now,
        )
        row.mark = bulk_mark.make(row)
        row.save(update_fields=["mark"])
        record(row, "started")
    return row


def record(row: BulkAction, what: str, *, by: str = "") -> None:
    """Write the audit entry of a beginning or an end. `by` is who ended it, if not who asked for it."""
    detail = {"model": row.model, "what": row.action, "rows": row.total, "done": row.done}
    detail |= list_query.for_audit(row.query)
    actor = by or f"operator {row.operator}"
    audit.record(f"bulk.{what}", actor=actor, subject=_subject(row), **detail)


def has_ended(row: BulkAction) -> bool:
    """Whether the audit trail says that it ended, whatever its row says: it is done once."""
    ends = [f"bulk.{status.value}" for status in BulkAction.Status if status != BulkAction.Status.RUNNING]
    return AuditEntry.objects.filter(subject=_subject(row), action__in=ends).exists()


def cancel(rows: Iterable[BulkAction], *, by: str) -> int:
    """Stop what runs: no further batch begins. How many were stopped; the batches that are done stay done."""
    stopped = 0
    for row in rows:
        with transaction.atomic():
            if BulkAction.objects.filter(pk=row.pk).end(BulkAction.Status.CANCELLED, clock.now()):
                record(BulkAction.objects.get(pk=row.pk), "cancelled", by=by)
                stopped += 1
    return stopped


def _subject(row: BulkAction) -> str:
    return f"bulk action:{row.pk}"


def _page(row: BulkAction) -> str:
    return reverse("admin:core_bulkaction_change", args=[row.pk])
