"""Admin of companies and locations: their lists, and the page of one tenant in the place of the change page.

Every id on any admin page links to the page of its tenant (`core.pages.tenant_links`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.decorators import display

from integrations.console.tenant_page import location_table, note_forms, tenant_facts, tenant_health
from integrations.console.tenant_page.people_facts import KnownUser
from integrations.console.tenant_page.tenant_facts import SHOWN, TenantFacts
from integrations.core import clock, masking
from integrations.core.admin import ReadOnlyAdmin
from integrations.core.pages import tenant_links
from integrations.core.pages.row_actions import ActionForm, form_for
from integrations.core.runs import run_progress
from integrations.core.tenant import Tenant
from integrations.jobs.models import Schedule
from integrations.sync.models import Plan, Run
from integrations.tenants.models import Company, Location
from integrations.tenants.tenant_note import LONGEST
from integrations.webhooks.models import Event, Mailbox

_PLAN_ACTIONS = ("run_now", "run_in_full", "repair", "pause", "go_on")
_CREDENTIAL_ACTIONS = ("refresh_now", "mint_again", "suspend", "test_token")
_JOB_ACTIONS = ("run_at_once", "switch_on", "switch_off")
_EVENT_ACTIONS = ("process_again",)
_ENTRY_ACTIONS = ("it_happened", "it_did_not_happen", "send_again", "put_again")


@dataclass(frozen=True, slots=True)
class WithActions:
    """A row of a block, and its buttons. `pace` is how its run under way comes along, in words."""

    row: Any
    form: ActionForm | None
    pace: str = ""


class TenantPages(ReadOnlyAdmin):
    """Read-only admin whose change page is the page of the tenant."""

    list_display_links = ("name_or_id",)

    def get_urls(self) -> list[URLPattern]:
        """Adds what the forms of notes post to."""
        view = self.admin_site.admin_view(self.note_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_note"
        urls: list[URLPattern] = super().get_urls()
        return [path("<path:object_id>/note/", view, name=name), *urls]

    def note_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Add or delete a note. A GET, as a reload makes one, leads back to the tenant's page."""
        if not (self.has_view_permission(request) and request.user.has_perm(note_forms.ADD)):
            raise PermissionDenied
        tenant = self.tenant_of(unquote(object_id))
        if not self.model._default_manager.filter(pk=tenant.id).exists():  # noqa: SLF001 - Django's documented name
            raise Http404
        if request.method == "POST":
            note_forms.act(request, tenant)
        return redirect(tenant_links.url(tenant))

    def tenant_of(self, tenant_id: str) -> Tenant:
        """The tenant of a row."""
        raise NotImplementedError

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The tenant's page. Raises Http404 for an id that is not known here."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        tenant = self.tenant_of(unquote(object_id))
        row = self.model._default_manager.filter(pk=tenant.id).first()  # noqa: SLF001 - Django's documented name
        if row is None and not Mailbox.objects.filter(tenant=tenant.mailbox_key).exists():
            raise Http404
        context = {**self.admin_site.each_context(request), "opts": self.opts, **_context(request, tenant, row)}
        return TemplateResponse(request, "admin/tenants/tenant.html", context)


@admin.register(Company)
class CompanyAdmin(TenantPages):
    """Companies: the list, and the page of an agency with its locations."""

    list_display = ("name_or_id", "id", "location_count", "created_at")
    search_fields = ("id", "name")
    ordering = ("name", "id")

    def tenant_of(self, tenant_id: str) -> Tenant:
        """A company."""
        return Tenant.company(tenant_id)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Company]:
        """Adds the number of locations, counted for the rows of one page."""
        queryset: QuerySet[Company] = super().get_queryset(request)
        below = Location.objects.filter(company=OuterRef("pk")).order_by().values("company")
        return queryset.annotate(locations_found=Coalesce(Subquery(below.annotate(n=Count("pk")).values("n")), 0))

    @display(description="company", ordering="name")
    def name_or_id(self, company: Company) -> str:
        """The company's name, or its id while the name is unknown."""
        return str(company)

    @display(description="locations")
    def location_count(self, company: Any) -> int:
        """How many locations of the company are known."""
        return int(company.locations_found)


@admin.register(Location)
class LocationAdmin(TenantPages):
    """Locations: the list, and the page of a sub-account."""

    list_display = ("name_or_id", "id", "company", "created_at")
    list_select_related = ("company",)
    search_fields = ("id", "name", "company__id", "company__name")
    ordering = ("name", "id")

    def tenant_of(self, tenant_id: str) -> Tenant:
        """A location."""
        return Tenant.location(tenant_id)

    @display(description="location", ordering="name")
    def name_or_id(self, location: Location) -> str:
        """The location's name, or its id while the name is unknown."""
        return str(location)


def _context(request: HttpRequest, tenant: Tenant, row: Any) -> dict[str, Any]:
    now = clock.now()
    facts = tenant_facts.gather(tenant, now, request.user.has_perm)
    if masking.applies(request):
        _mask(facts)
    table = _table(request, tenant) if isinstance(row, Company) else None
    shown = _with_actions(request, Plan, facts.plans and facts.plans[:SHOWN], "plan_id", _PLAN_ACTIONS)
    plans = _with_paces(shown, now)
    signs = tenant_health.signs(facts, troubled_locations=table.troubled if table else 0)
    return {
        "title": str(row or tenant.id),
        "tenant": tenant,
        "company": row.company if isinstance(row, Location) else None,
        "facts": facts,
        "first_sign": signs[0],
        "more_signs": signs[1:],
        "installs": [(one, form_for(request, one.row)) for one in facts.installations or ()],
        "plans": plans,
        "all_plans": _for_all(plans, facts),
        "credentials": _with_forms(request, facts.credentials, _CREDENTIAL_ACTIONS),
        "job_rows": _jobs(request, facts),
        "events": _events(request, facts),
        "boxes": [(one, form_for(request, one.row)) for one in facts.outbox.boxes] if facts.outbox else (),
        "held": _with_forms(request, facts.outbox.held if facts.outbox else None, _ENTRY_ACTIONS),
        "table": table,
        "notes": [(note, note_forms.may_delete(request, note)) for note in facts.notes or ()],
        "installers": _installers(facts),
        "may_note": row is not None and request.user.has_perm(note_forms.ADD),
        "longest_note": LONGEST,
        "note_url": f"admin:tenants_{tenant.kind}_note",
        "back": request.get_full_path(),
        "now": now,
        "may_purge": request.user.has_perm("privacy.add_purge"),
        "may_export": request.user.has_perm("exports.add_export"),
    }


def _installers(facts: TenantFacts) -> list[tuple[tenant_facts.Installed, KnownUser]]:
    """Each installation with who installed it."""
    return [(one, facts.people.installer(one.row.installer_id)) for one in facts.installations or () if facts.people]


def _table(request: HttpRequest, tenant: Tenant) -> location_table.LocationTable | None:
    needed = ("tenants.view_location", "tokens.view_credential", "sync.view_plan")
    if not request.user.has_perms(needed):
        return None
    query = request.GET
    return location_table.read(tenant.id, clock.now(), order=query.get("order", ""), page=query.get("p", ""))


def _with_actions(
    request: HttpRequest, model: type[Model], rows: Collection[Any] | None, key: str, names: Collection[str]
) -> list[WithActions] | None:
    """Rows of a query with the buttons of the model's rows whose keys they have."""
    if rows is None:
        return None
    found = model._default_manager.in_bulk([getattr(row, key) for row in rows])  # noqa: SLF001 - Django's name
    return [WithActions(row, form_for(request, found[getattr(row, key)], names)) for row in rows]


def _with_paces(plans: list[WithActions] | None, now: datetime) -> list[WithActions] | None:
    """The plans with the rates of their runs under way."""
    ids = [plan.row.run_id for plan in plans or () if plan.row.status == Run.Status.RUNNING]
    runs = Run.objects.in_bulk(ids) if ids else {}
    paces = {pk: run_progress.words(run, run.seen, run.total, now) for pk, run in runs.items()}
    return plans and [replace(plan, pace=paces.get(plan.row.run_id, "")) for plan in plans]


def _events(request: HttpRequest, facts: TenantFacts) -> list[WithActions]:
    """The latest events, with buttons of those that could not be processed."""
    poisoned = Event.Status.POISONED
    return [
        WithActions(event, form_for(request, event, _EVENT_ACTIONS) if event.status == poisoned else None)
        for event in (facts.inbox.latest if facts.inbox else ())
    ]


def _for_all(plans: list[WithActions] | None, facts: TenantFacts) -> ActionForm | None:
    """The buttons for all plans at once: each that fits one of those shown. None where there is one plan at most."""
    forms = [plan.form for plan in plans or () if plan.form]
    if len(forms) < 2:
        return None
    labels = dict(choice for form in forms for choice in form.choices)
    keys = tuple(str(plan.plan_id) for plan in facts.plans or ())
    choices = tuple((name, labels[name]) for name in _PLAN_ACTIONS if name in labels)
    return ActionForm(forms[0].url, keys, "all plans", choices)


def _with_forms(request: HttpRequest, rows: Collection[Any] | None, names: Collection[str]) -> list[WithActions] | None:
    return None if rows is None else [WithActions(row, form_for(request, row, names)) for row in rows]


def _jobs(request: HttpRequest, facts: TenantFacts) -> list[WithActions] | None:
    if facts.jobs is None:
        return None
    schedules: list[tuple[Any, Schedule]] = [(one, one.schedule) for one in facts.jobs]
    return [WithActions(one, form_for(request, schedule, _JOB_ACTIONS)) for one, schedule in schedules]


def _mask(facts: TenantFacts) -> None:
    """Mask personal data in the rows that were read to be shown, as the pages of these rows do."""
    rows: list[Model] = [one.row for one in facts.installations or ()]
    rows += [one.run for one in facts.jobs or () if one.run]
    rows += [one.row for one in facts.upserts or ()]
    rows += facts.outbox.held if facts.outbox else ()
    for found in (facts.credentials, facts.calls and facts.calls.latest, facts.inbox and facts.inbox.latest):
        rows += found or ()
    for note in facts.notes or ():
        note.text = masking.text(note.text)
    if facts.people is not None:
        facts.people = facts.people.masked()
    for row in (*rows, *(facts.changes or ()), *(facts.audit or ())):
        masking.columns(row, admin.site.get_model_admin(type(row)).personal)  # type: ignore[attr-defined]
    if facts.upserts is not None:
        facts.upserts = [
            replace(one, progress=replace(one.progress, error=masking.text(one.progress.error)))
            for one in facts.upserts
        ]
    if facts.plans is not None:
        facts.plans = [replace(plan, error=masking.text(plan.error)) for plan in facts.plans]
