"""Admin mixin: the page `export/` of a list, with saved filters, and the download of what the filters match.

Every list has its range of time, its saved filters and its export by this mixin alone. The export needs the permission
to see the list and `core.export_lists`; the audit trail has an entry when it begins and one when it ends.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db import DataError, ProgrammingError
from django.db.models import BinaryField, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from integrations.core import audit, clock, masking
from integrations.core.errors import BadRequest
from integrations.core.lists import list_columns, list_file, saved_filters, spreadsheet
from integrations.core.lists.date_range import DateRangeFilter, field_of
from integrations.core.lists.list_columns import ListColumn
from integrations.core.lists.saved_filters import NewFilter
from integrations.core.pages import list_query

EXPORT = "core.export_lists"  # the permission


class ListExport:
    """Admin mixin. `exported` names annotations of the list's rows that become columns beside those of the model."""

    exported: Sequence[str] = ()
    personal: ClassVar[Mapping[str, masking.Masker]] = {}  # columns that are masked for who may not see personal data
    model: Any
    opts: Any
    admin_site: Any

    @property
    def moment(self) -> str:
        """The name of the column that a range of time refers to; empty without any."""
        return field_of(self.model, getattr(self, "ordering", ()))

    def get_list_filter(self, request: HttpRequest) -> Any:
        """The list's own filters, and the range of time before them."""
        own = list(super().get_list_filter(request))  # type: ignore[misc]
        # Django's own filter of the same column would offer the same days a second time.
        return [DateRangeFilter, *(one for one in own if one != self.moment)] if self.moment else own

    def get_urls(self) -> list[URLPattern]:
        """The page of the export beside the list's own pages."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        urls: list[URLPattern] = super().get_urls()  # type: ignore[misc]
        return [path("export/", self.admin_site.admin_view(self.export_view), name=name), *urls]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """What an address may filter by: no column of bytes, which are seals and encrypted secrets."""
        name = lookup.partition(LOOKUP_SEP)[0]
        sealed = {field.name for field in self.model._meta.fields if isinstance(field, BinaryField)}  # noqa: SLF001
        allowed: bool = super().lookup_allowed(lookup, value, request)  # type: ignore[misc]
        return allowed and name not in sealed

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, with the rows of its page read.

        Raises IncorrectLookupParameters for filters that only the database refuses, such as a regular expression that
        is none, or a text with a NUL. Django shows the list without them then.
        """
        try:
            listed = super().get_changelist_instance(request)  # type: ignore[misc]
            len(listed.result_list)  # the page shows these very rows, and asks no second time
        except (DataError, ProgrammingError) as error:
            raise IncorrectLookupParameters("the database cannot compare with this") from error
        return listed

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list, with links to its saved filters and to its export."""
        tools = {
            "saved": self._saved_filters(request),
            "export": f"export/?{list_query.cleaned(request.GET.urlencode())}",
        }
        extra = {"list_tools": tools, **(extra_context or {})}
        shown: HttpResponse = super().changelist_view(request, extra)  # type: ignore[misc]
        return shown

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """The page; by POST the file, a new saved filter, or one that is deleted. Raises PermissionDenied for who may
        not see the list, BadRequest for filters that are none of it.
        """
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        every = list_columns.columns(self, request)
        match request.POST.get("do", ""):
            case "download":
                return self._export_file(request, every)
            case "save":
                return self._save_filter(request, every)
            case "forget":
                return self._forget_filter(request)
        return self._export_page(request, every)

    def _export_file(self, request: HttpRequest, every: list[ListColumn]) -> HttpResponseBase:
        if not request.user.has_perm(EXPORT):
            raise PermissionDenied
        rows, form = self._export_rows(request), _form(request)
        columns = list_columns.chosen(every, request.POST.getlist("column"))
        masked = masking.applies(request)
        actor, name = f"operator {request.user.get_username()}", self.opts.label_lower
        detail = list_query.for_audit(list_query.cleaned(request.GET.urlencode()))
        detail |= {"columns": [column.name for column in columns], "format": form, "masked": masked}
        audit.record("list.export_began", actor=actor, subject=f"list:{name}", **detail)
        parts = list_file.lines(list_file.batches(self, rows, masked=masked), columns, form)
        answer = StreamingHttpResponse(_counted(parts, name, actor), content_type=list_file.TYPES[form])
        file = f"{self.opts.model_name}-{clock.now():%Y%m%d-%H%M%S}.{form}"
        answer["Content-Disposition"] = spreadsheet.attachment(file)
        answer["X-Accel-Buffering"] = "no"  # a proxy passes it on as it comes
        return answer

    def _export_rows(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows that the filters of the address match, in the list's order, all of them."""
        try:
            listed = self.get_changelist_instance(request)
        except IncorrectLookupParameters as error:
            raise BadRequest(f"these filters are none of this list: {error}") from error
        rows: QuerySet[Any] = listed.queryset
        return rows

    def _save_filter(self, request: HttpRequest, every: list[ListColumn]) -> HttpResponse:
        self._export_rows(request)  # what the list would refuse is not saved
        wanted = [one.name for one in every if one.name in request.POST.getlist("column")]
        new = NewFilter(
            name=request.POST.get("name", ""),
            query=request.GET.urlencode(),
            columns=wanted,
            form=_form(request),
            is_shared="shared" in request.POST,
        )
        try:
            row = saved_filters.save(request, self.model, new, actor=f"operator {request.user.get_username()}")
        except BadRequest as error:
            messages.error(request, f"Not saved: {error}.")
            return HttpResponseRedirect(request.get_full_path())
        messages.success(request, f"The filter “{row.name}” is saved{' for all' if row.is_shared else ''}.")
        return HttpResponseRedirect(f"{self._list_address()}?{row.query}")

    def _forget_filter(self, request: HttpRequest) -> HttpResponse:
        actor = f"operator {request.user.get_username()}"
        row = saved_filters.forget(request, self.model, request.POST.get("filter", ""), actor=actor)
        said = f"The filter “{row.name}” is deleted." if row else "There is no such filter of yours."
        (messages.success if row else messages.error)(request, said)
        return HttpResponseRedirect(request.get_full_path())

    def _export_page(self, request: HttpRequest, every: list[ListColumn]) -> HttpResponse:
        rows = self._export_rows(request)
        query = list_query.cleaned(request.GET.urlencode())
        saved = self._saved_filters(request)
        same = next((one["row"] for one in saved if one["is_shown"]), None)
        chosen = list_columns.chosen(every, same.columns if same else ())
        paginator = self.get_paginator(request, rows, 1)  # type: ignore[attr-defined]
        count = paginator.count
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Export {self.opts.verbose_name_plural}",
            "columns": [(one, one in chosen) for one in every],
            "forms": list_file.FORMS.items(),
            "form": same.form if same else list_file.CSV,
            "count": count,
            "is_more": count == getattr(paginator, "MOST", None),
            "filters": list_query.for_audit(query),
            "saved": saved,
            "name": same.name if same and same.owner_id == request.user.pk else "",
            "is_shared": bool(same and same.is_shared),
            "may_export": request.user.has_perm(EXPORT),
            "may_share": request.user.has_perm(saved_filters.SHARE),
            "is_masked": masking.applies(request),
            "list_url": f"{self._list_address()}?{query}",
        }
        return TemplateResponse(request, "admin/list_export.html", context)

    def _saved_filters(self, request: HttpRequest) -> list[dict[str, Any]]:
        """The saved filters with their addresses; `is_shown`: the list shows this one now."""
        query = list_query.cleaned(request.GET.urlencode())
        return [
            {
                "row": row,
                "url": f"{self._list_address()}?{row.query}",
                "is_shown": row.query == query and bool(query),
                "may_forget": saved_filters.may_forget(request, row),
            }
            for row in saved_filters.visible(request, self.model)
        ]

    def _list_address(self) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")


def _form(request: HttpRequest) -> str:
    form = request.POST.get("form", list_file.CSV)
    if form not in list_file.FORMS:
        raise BadRequest(f"{form} is no format: {', '.join(list_file.FORMS)} are")
    return form


def _counted(parts: Generator[tuple[bytes, int]], name: str, actor: str) -> Iterator[bytes]:
    """The parts of the file. At its end, also an early one, the audit trail says how many rows went out."""
    rows, is_whole = 0, False
    try:
        for part, number in parts:
            yield part
            rows += number
        is_whole = True
    finally:
        parts.close()  # its transaction ends before the entry is written
        audit.record("list.export_ended", actor=actor, subject=f"list:{name}", rows=rows, complete=is_whole)
