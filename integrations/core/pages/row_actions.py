"""Actions of a list as buttons: on the page of one row, and on other pages that show the row.

A button posts to the list, as a choice of that one row would. So there is one implementation of an action, one check of
its permission, and one audit entry. The field `back` says which page follows.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from integrations.core.pages import timeline_link
from integrations.core.pages.bulk_actions import AsksBeforeMany, allowed_back

_DELETE = "delete_selected"  # Django's own, which has a button of its own


@dataclass(frozen=True, slots=True)
class ActionForm:
    """The buttons of a row, or of several. `url` is the list that takes the POST; `rows` are keys, `choices` the names
    and labels of the actions.
    """

    url: str
    rows: tuple[str, ...]
    title: str
    choices: tuple[tuple[str, str], ...]


def form_for(request: HttpRequest, row: Model, names: Collection[str] | None = None) -> ActionForm | None:
    """The actions that this operator may use on the row, of these names unless all; None without any."""
    page: Any = admin.site.get_model_admin(type(row))
    allowed = {name: label for name, (_, _, label) in page.get_actions(request).items() if name != _DELETE}
    wanted = allowed if names is None else [name for name in names if name in allowed]
    choices = tuple((name, _without_note(str(allowed[name]))) for name in wanted if page.applies_to(row, name))
    if not choices:
        return None
    model = row._meta  # noqa: SLF001 - Django's documented name
    url = reverse(f"admin:{model.app_label}_{model.model_name}_changelist")
    return ActionForm(url, (str(row.pk),), str(row), choices)


def _without_note(label: str) -> str:
    """The label without the note in brackets, which says to which rows of a list the action applies."""
    return label.partition(" (")[0]


class RowActions(AsksBeforeMany):
    """Admin mixin: the actions of the list as buttons on the page of a row."""

    change_form_outer_before_template = "admin/row_actions.html"
    on_page: Collection[str] | None = None  # the actions with a button on the page; None: all

    def applies_to(self, row: Any, action: str) -> bool:
        """Whether the action can change this row now; one that cannot has no button."""
        return True

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page of a row, with its buttons."""
        row = self.get_object(request, object_id) if object_id else None  # type: ignore[attr-defined]
        form = form_for(request, row, self.on_page) if row is not None else None
        timeline = timeline_link.url(row) if row is not None else ""
        extra = {"row_actions": form, "timeline": timeline, "back": request.get_full_path(), **(extra_context or {})}
        shown: HttpResponse = super().changeform_view(request, object_id, form_url, extra)  # type: ignore[misc]
        return shown

    def response_action(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """The page that the button was on, after the action."""
        answer = super().response_action(request, queryset)
        if isinstance(answer, HttpResponseRedirect) and (back := allowed_back(request)):
            return HttpResponseRedirect(back)
        return answer
