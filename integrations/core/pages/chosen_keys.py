"""Refuses keys that no row has: in the form of a list, and in the address of a row's page. A browser sends none."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import helpers
from django.contrib.admin.utils import unquote
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse

from integrations.core.errors import BadRequest


class ChecksChosenKeys:
    """Admin mixin, before what reads the keys: Django compares them with the column, and fails on what is no number."""

    model: Any

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Do what the form asks for. Raises BadRequest. Keys in the form of all rows are not read."""
        keys = () if request.POST.get("select_across") == "1" else request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)
        if not all(map(self._is_key, keys)):
            raise BadRequest("a row that was chosen has no such key: choose the rows in the list again")
        done: HttpResponse | None = super().response_action(request, queryset)  # type: ignore[misc]
        return done

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **named: Any) -> HttpResponse:
        """The page of a row. Raises Http404 for a key that no row has."""
        try:
            shown: HttpResponse = super().change_view(request, object_id, *args, **named)  # type: ignore[misc]
        except (ObjectDoesNotExist, ValueError) as error:
            key = unquote(object_id)
            if self._is_key(key) and self.model._base_manager.filter(pk=key).exists():  # noqa: SLF001 - as below
                raise
            raise Http404 from error
        return shown

    def _is_key(self, text: str) -> bool:
        try:
            self.model._meta.pk.to_python(text)  # noqa: SLF001 - Django's documented name
        except ValidationError:
            return False
        return True
