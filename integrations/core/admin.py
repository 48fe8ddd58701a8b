"""Base classes of the rooms' admin pages (read-only lists, capped paginator), and the admin of the audit trail."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import JSONField, Q, QuerySet, TextField
from django.db.models.constants import LOOKUP_SEP
from django.forms import model_to_dict
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display

from integrations.core import audit, cells, masking
from integrations.core.lists.list_export import ListExport
from integrations.core.models import AuditEntry
from integrations.core.pages import later_rows, tenant_links
from integrations.core.pages.chosen_keys import ChecksChosenKeys
from integrations.core.pages.id_links import IdLinks
from integrations.core.pages.row_actions import RowActions
from integrations.core.pages.tenant_links import TenantColumn

_FIRST_KEYS = ("operation", "method", "status", "code", "outcome", "reason", "why", "then", "path")
_MOST_ITEMS = 5  # of a list that are shown


def operator(request: HttpRequest) -> str:
    """The name of the signed-in operator, as the audit trail records it."""
    return f"operator {request.user.get_username()}"


class FirstTenThousand(Paginator):  # type: ignore[type-arg]
    """Paginator that stops counting at 10,000 rows, because an exact count reads the whole table.

    The last page leads on to the rows after it (`pages.later_rows`), whose number is again at most 10,000.
    """

    MOST = 10_000
    template_name = "admin/list_pages.html"
    later_rows: str = ""  # the address of the rows after the last page

    @cached_property
    def count(self) -> int:
        """The number of rows, at most `MOST`."""
        rows: QuerySet[Any] = cast("QuerySet[Any]", self.object_list)
        return rows.order_by()[: self.MOST].count()


class ReadOnlyAdmin(ChecksChosenKeys, IdLinks, ListExport, RowActions, ModelAdmin):  # type: ignore[misc]
    """Admin that shows rows and changes none, but by its actions. Reading still needs the view permission."""

    show_full_result_count = False
    list_per_page = 25
    paginator = FirstTenThousand
    is_live = False  # whether the list and the pages of its rows are kept up to date (`core.pages.live`)
    # Columns with personal data. They are masked in the loaded row for operators who may not see it, so that every
    # column, field and page that reads the row shows the masked value.
    personal: ClassVar[Mapping[str, masking.Masker]] = {}

    class Media:
        css = {"all": ("site/lists.css",)}

    def __init__(self, model: Any, admin_site: Any) -> None:
        super().__init__(model, admin_site)
        for name in self.readonly_fields:
            if isinstance(name, str) and callable(method := getattr(self, name, None)):
                setattr(self, name, _once_for_each_row(name, method))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The row of a page, masked where it has to be."""
        row = super().get_object(request, object_id, from_field)
        if row is not None and masking.applies(request):
            masking.columns(row, self.personal)
        return row

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, with its rows masked where they have to be. Actions load their own rows."""
        listed = super().get_changelist_instance(request)
        listed.paginator.later_rows = later_rows.address(listed)
        if masking.applies(request):
            for row in listed.result_list:
                masking.columns(row, self.personal)
        return listed

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """What an address may filter by. Who sees personal data only masked may not filter by it: the number of rows
        that begin with a letter tells the letter.
        """
        allowed: bool = super().lookup_allowed(lookup, value, request)
        return allowed and not (masking.applies(request) and self._is_personal(lookup))

    def _is_personal(self, lookup: str) -> bool:
        """Whether the lookup reads a masked column, or one that may have anything in it, shown or not."""
        name = lookup.partition(LOOKUP_SEP)[0]
        free = {field.name for field in self.model._meta.fields if isinstance(field, JSONField | TextField)}  # noqa: SLF001
        return name in free or name in self.personal

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Always False: the application adds rows, not the operator."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Always False: rows are shown and not edited."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Always False: rows are shown and not deleted."""
        return False


class AuditedAdmin(ChecksChosenKeys, ListExport, ModelAdmin):  # type: ignore[misc]
    """Admin of rows that operators edit: each change is in the audit trail, with old and new value of each field.

    Fields whose name contains "password" are left out; the entry only says that a secret was changed.
    """

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the relations, the last step of a change, and write the audit entry."""
        super().save_related(request, form, formsets, change)
        fields = form.changed_data if change else form.cleaned_data
        shown = {name: form.cleaned_data[name] for name in fields if "password" not in name}
        changed = audit.changes(form.initial if change else {}, shown)
        secrets = any("password" in name for name in form.changed_data)
        self._record(request, "changed" if change else "added", form.instance, changed=changed, secrets_changed=secrets)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete one row and write the audit entry."""
        self._record(request, "deleted", obj, changed=_gone(obj))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete the selected rows and write an audit entry for each."""
        for row in queryset:
            self._record(request, "deleted", row, changed=_gone(row))
        super().delete_queryset(request, queryset)

    def _record(self, request: HttpRequest, what: str, row: Any, **detail: Any) -> None:
        kind = self.opts.model_name
        audit.record(f"{kind}.{what}", actor=operator(request), subject=f"{kind}:{row}"[:200], **detail)


def _gone(row: Any) -> audit.Changes:
    """What a row that is deleted had: the value of each field, and no value after it."""
    shown = {name: value for name, value in model_to_dict(row).items() if "password" not in name}
    return audit.changes(shown, dict.fromkeys(shown))


def _once_for_each_row(name: str, method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The field `method` of a page. unfold's templates read each field many times, and some fields ask the database."""

    @functools.wraps(method)
    def field(row: Any) -> Any:
        shown: dict[str, Any] = row.__dict__.setdefault("_shown", {})
        if name not in shown:
            shown[name] = method(row)
        return shown[name]

    return field


def after_dialog(request: HttpRequest, url: str) -> HttpResponse:
    """Response that sends the browser to one of our pages after the POST of a dialog.

    A script sends the dialog. It would follow a redirect by itself and show the page inside the dialog.
    """
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": url})
    return redirect(url)


@admin.register(AuditEntry)
class AuditEntryAdmin(TenantColumn, ReadOnlyAdmin):
    """The audit trail, newest entry first."""

    personal = {"detail": masking.details}
    sortable_by = ("at",)  # no index serves another order of millions of rows
    list_display = ("at", "actor", "action", "subject_link", "summary")
    list_filter = ("action", "at")
    search_fields = ("subject",)  # makes Django show the search field; `get_search_results` does the search
    search_help_text = "A tenant's name or whole id, the beginning of a subject or action, or an operator"
    ordering = ("-id",)
    fields = (("at", "action"), ("actor", "subject_link"), "body", ("number", "key_id"), "chain")
    readonly_fields = ("subject_link", "body", "number", "key_id", "chain")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        """By subject or action through their indexes. Only a text that is neither is looked for among the actors."""
        term = search_term.replace("\0", "").strip()
        if not term:
            return queryset, False
        known = tenant_links.known([term, *tenant_links.search(term)])
        subjects = [one.tenant.audit_subject for one in known.values()]
        named = Q(subject__in=subjects) | Q(subject__startswith=term) | Q(action__startswith=term)
        if AuditEntry.objects.order_by().filter(named).exists():
            return queryset.filter(named), False
        return queryset.filter(actor__icontains=term), False

    def tenant_id_of(self, row: AuditEntry) -> str:
        """The id of the tenant that the entry is about; empty for any other subject."""
        tenant = tenant_links.named(row.subject)
        return tenant.id if tenant else ""

    @display(description="subject", ordering="subject")
    def subject_link(self, entry: AuditEntry) -> SafeString | str:
        """The subject; a tenant as a link, with its name."""
        tenant_id = self.tenant_id_of(entry)
        link = tenant_links.link_by_id(tenant_id, getattr(entry, "known_tenants", None)) if tenant_id else ""
        return link if isinstance(link, SafeString) else entry.subject

    @display(description="detail")
    def summary(self, entry: AuditEntry) -> SafeString:
        """The detail in one line. What was done and its result come first: PostgreSQL sorts JSON keys by length."""
        names = sorted(
            entry.detail, key=lambda name: (_FIRST_KEYS.index(name) if name in _FIRST_KEYS else len(_FIRST_KEYS), name)
        )
        parts = [f"{name.replace('_', ' ')} {_short(entry.detail[name])}" for name in names]
        return cells.long_text(
            ", ".join(part for name, part in zip(names, parts, strict=True) if not _is_blank(entry.detail[name]))
        )

    @display(description="detail")
    def body(self, entry: AuditEntry) -> SafeString:
        """The whole detail as JSON."""
        return format_html("<pre>{}</pre>", json.dumps(entry.detail, indent=2, ensure_ascii=False, sort_keys=True))

    @display(description="chain value and the one before")
    def chain(self, entry: AuditEntry) -> SafeString:
        """The entry's chain value and its predecessor's, in hexadecimal. `audit verify` checks them and the seal."""
        return format_html("<code>{}</code><br><code>{}</code>", bytes(entry.hash).hex(), bytes(entry.previous).hex())


def _is_blank(value: Any) -> bool:
    return value in (None, "", [], {})


def _short(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    more = len(value) - _MOST_ITEMS
    return " ".join(map(str, value[:_MOST_ITEMS])) + (f" and {more:,} more" if more > 0 else "")
