"""Ids of the vendor and of webhooks on any admin page are links to their timeline: what led to it, and what followed.

A list or a page names the column, and gets its link in the column's place. A column that already leads to the page of
its row stays what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from integrations.core import masking
from integrations.core.pages import timeline_link

_IDS = {
    "trace_id": "trace id",
    "last_trace_id": "last trace id",
    "webhook_id": "webhook id",
    "event_id": "webhook id",
    "record_id": "record",
}


def _linked(column: str, words: str) -> Callable[[Any, Any], SafeString | str]:
    @display(description=words, ordering=column)  # type: ignore[untyped-decorator]
    def link(page: Any, row: Any) -> SafeString | str:
        text = getattr(row, column)
        return text if text == masking.MASK else timeline_link.of_id(text)

    shown: Callable[[Any, Any], SafeString | str] = link
    return shown


class IdLinks:
    """Admin mixin."""

    trace_id_link = _linked("trace_id", _IDS["trace_id"])
    last_trace_id_link = _linked("last_trace_id", _IDS["last_trace_id"])
    webhook_id_link = _linked("webhook_id", _IDS["webhook_id"])
    event_id_link = _linked("event_id", _IDS["event_id"])
    record_id_link = _linked("record_id", _IDS["record_id"])
    list_display_links: Any
    model: Any

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """The columns of the list, with links for ids. The first one leads to the row."""
        first, *others = super().get_list_display(request)  # type: ignore[misc]
        leads = self.list_display_links or ()
        return [first, *(name if name in leads else self._link(name) for name in others)]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The fields of a row's page, with links for ids. Without a row they are the columns themselves."""
        parts = super().get_fieldsets(request, obj)  # type: ignore[misc]
        if obj is None:
            return parts
        return [(title, {**part, "fields": [self._links(name) for name in part["fields"]]}) for title, part in parts]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The links are no columns, so no form has them."""
        return [*super().get_readonly_fields(request, obj), *(f"{name}_link" for name in _IDS)]  # type: ignore[misc]

    def _links(self, name: Any) -> Any:
        return self._link(name) if isinstance(name, str) else [self._link(one) for one in name]

    def _link(self, name: Any) -> Any:
        is_id = name in _IDS and any(field.name == name for field in self.model._meta.fields)  # noqa: SLF001 - as Django documents
        return f"{name}_link" if is_id else name
