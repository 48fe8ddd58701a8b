"""Django admin of problems: the list, and the page of one with its tenants and what can be done about it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from integrations.core import clock, masking
from integrations.core.admin import ReadOnlyAdmin, operator
from integrations.core.ages import relative
from integrations.problems import admin_views, decisions, problem_page, queries
from integrations.problems.models import Problem
from integrations.problems.timeline import timeline_view

_LABELS = {"open": "danger", "muted": "default", "fixed": "success"}
_DAY = timedelta(days=1)


class StateFilter(admin.SimpleListFilter):
    """Filter by what an operator has decided. Only open problems are shown unless another state is chosen."""

    title = parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The states beside the open one."""
        return [(state, state) for state in ("muted", "fixed", "all")]

    def choices(self, changelist: Any) -> Any:
        """The choices; the first one, without a filter, shows what is open."""
        for number, choice in enumerate(super().choices(changelist)):
            yield choice if number else {**choice, "display": "open"}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Problem]) -> QuerySet[Problem]:
        """Problems in the chosen state."""
        chosen = self.value() or ("all" if _names_rows(request) else "open")
        return queryset if chosen == "all" else queryset & queries.in_state(chosen, clock.now())


def _names_rows(request: HttpRequest) -> bool:
    """Whether an action names its rows one by one, as a button on the page of a problem does."""
    named = request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)
    return bool(named) and request.POST.get("select_across") != "1"


class MineFilter(admin.SimpleListFilter):
    """Filter by who has taken a problem."""

    title, parameter_name = "taken by", "taken"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Me and nobody."""
        return [("me", "me"), ("nobody", "nobody")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Problem]) -> QuerySet[Problem]:
        """Problems of the operator, or of nobody."""
        match self.value():
            case "me":
                return queryset.filter(assignee=request.user.pk)
            case "nobody":
                return queryset.filter(assignee=None)
        return queryset


@admin.register(Problem)
class ProblemAdmin(ReadOnlyAdmin):
    """Problems, the latest first, with the actions take, give up, mute, call fixed and open again."""

    personal = {"words": masking.text}
    is_live = True
    list_display = ("what", "error_words", "state_label", "how_often", "seen", "taken_by")
    list_filter = (StateFilter, "kind", "app", MineFilter)
    list_select_related = ("assignee", "app")
    sortable_by = ("how_often", "seen")
    search_fields = ("subject",)  # only shows the search box; `get_search_results` does the search
    search_help_text = "An operation, job, resource or type of event, words of the error, or a whole tenant id"
    ordering = ("-last_seen", "-pk")
    actions = ("take", "give_up", "mute_for_a_day", "call_fixed", "open_again")

    def get_urls(self) -> list[URLPattern]:
        """The pages of this model, with those that take the forms of a problem's page."""
        forms = {"again": admin_views.again, "mute": admin_views.mute, "assign": admin_views.assign}
        own = [
            path(f"<path:object_id>/{name}/", self.admin_site.admin_view(view), name=f"problems_problem_{name}")
            for name, view in forms.items()
        ]
        timeline = path("timeline/", self.admin_site.admin_view(timeline_view.show), name="problems_timeline")
        return [timeline, *own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page of a problem. Raises Http404 for a number that is none."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        problem = self.get_object(request, object_id)
        if problem is None:
            raise Http404
        context = {**self.admin_site.each_context(request), "opts": self.opts, **problem_page.context(request, problem)}
        return TemplateResponse(request, "admin/problems/problem.html", context)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Problem], search_term: str
    ) -> tuple[QuerySet[Problem], bool]:
        """Search in subjects and words, and by a tenant's whole id."""
        term = search_term.strip()
        if not term:
            return queryset, False
        found = Q(subject__icontains=term) | Q(code__icontains=term.replace(" ", "_")) | Q(words__icontains=term)
        mine = Problem.objects.filter(affected__tenant_id=term).values("pk")
        return queryset.filter(found | Q(pk__in=mine)), False

    def applies_to(self, row: Problem, action: str) -> bool:
        """What is fixed or muted can be opened again, and what is not can be fixed and muted."""
        state = queries.state_of(row, clock.now())
        fits = {
            "open_again": state != "open",
            "mute_for_a_day": state == "open",
            "give_up": row.assignee_id is not None,
        }
        return fits.get(action, state != "fixed")

    @display(description="what fails", ordering="subject", header=True)
    def what(self, problem: Problem) -> tuple[str, str]:
        """Column: the subject above the kind and the app."""
        kind = problem.get_kind_display()
        return problem.subject.replace("_", " "), f"{kind}, {problem.app}" if problem.app else kind

    @display(description="error")
    def error_words(self, problem: Problem) -> SafeString:
        """Column: the error and its words."""
        cell = '<div class="result-text"><div>{0}</div><div class="result-brief" title="{1}">{1}</div></div>'
        return format_html(cell, problem.error, problem.words)

    @display(description="state", label=_LABELS)
    def state_label(self, problem: Problem) -> tuple[str, str]:
        """Column: the state, and how often it came back."""
        state = queries.state_of(problem, clock.now())
        return state, f"{state}, came back" if state == "open" and problem.reopened else state

    @display(description="failures, tenants", ordering="count", header=True)
    def how_often(self, problem: Problem) -> tuple[str, str]:
        """Column: the number of failures above that of tenants."""
        return f"{problem.count:,}", f"{problem.tenants:,} tenant{'' if problem.tenants == 1 else 's'}"

    @display(description="last and first seen", ordering="last_seen")
    def seen(self, problem: Problem) -> SafeString:
        """Column: when it was last and first seen."""
        now, exact = clock.now(), f"{problem.last_seen:%Y-%m-%d %H:%M:%S %Z}"
        cell = '<span class="result-when" title="{}">{}<br>first {}</span>'
        return format_html(cell, exact, relative(problem.last_seen, now), relative(problem.first_seen, now))

    @display(description="taken by")
    def taken_by(self, problem: Problem) -> str:
        """Column: who looks after it."""
        return problem.assignee.get_username() if problem.assignee else "–"

    @action(description="Take it", permissions=["decide"])
    def take(self, request: HttpRequest, queryset: QuerySet[Problem]) -> None:
        """Give the problems to yourself: no alert is sent of them any more."""
        user: Any = request.user
        self._say(request, decisions.assign(queryset, user, by=operator(request)), "are yours")

    @action(description="Give it up", permissions=["decide"])
    def give_up(self, request: HttpRequest, queryset: QuerySet[Problem]) -> None:
        """Give the problems to nobody."""
        self._say(request, decisions.assign(queryset, None, by=operator(request)), "are taken by nobody now")

    @action(description="Mute for a day", permissions=["decide"])
    def mute_for_a_day(self, request: HttpRequest, queryset: QuerySet[Problem]) -> None:
        """Leave the problems out of the list and of alerts for a day."""
        until: datetime = clock.now() + _DAY
        self._say(request, decisions.mute(queryset, until, by=operator(request)), "are muted for a day")

    @action(description="Fixed", permissions=["decide"])
    def call_fixed(self, request: HttpRequest, queryset: QuerySet[Problem]) -> None:
        """Call the problems fixed. Each is open again as soon as it is seen again."""
        self._say(request, decisions.fix(queryset, clock.now(), by=operator(request)), "are called fixed")

    @action(description="Open again", permissions=["decide"])
    def open_again(self, request: HttpRequest, queryset: QuerySet[Problem]) -> None:
        """They are not fixed after all, and no longer muted."""
        self._say(request, decisions.reopen(queryset, clock.now(), by=operator(request)), "are open again")

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may decide about problems."""
        return admin_views.may_decide(request)

    def _say(self, request: HttpRequest, number: int, words: str) -> None:
        self.message_user(request, f"{number} problem{'' if number == 1 else 's'} {words}.", messages.SUCCESS)
