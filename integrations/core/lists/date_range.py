"""Filter of every admin list by a range of time: the last hours or days, or from one moment to another, in UTC.

The last hours count from the moment at which the list is read, so a saved filter stays true tomorrow.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.admin import ListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import DateTimeField, Model, QuerySet
from django.http import HttpRequest

from integrations.core import clock

WITHIN, FROM, TO = "when", "when_from", "when_to"  # parameters of the address
SPANS = {
    "1h": ("Last hour", timedelta(hours=1)),
    "1d": ("Last 24 hours", timedelta(days=1)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}
_USUAL = ("at", "received_at", "started_at", "sent_at", "created_at")


def field_of(model: type[Model], ordering: Any) -> str:
    """The name of the moment that a list is filtered by: the one that orders it, else the usual one of its model.

    Empty for a model without any.
    """
    moments = [field.name for field in model._meta.fields if isinstance(field, DateTimeField)]  # noqa: SLF001
    leading = str(next(iter(ordering or ()), "")).lstrip("-")
    wanted = [leading, *_USUAL, *moments]
    return next((name for name in wanted if name in moments), "")


class DateRangeFilter(ListFilter):
    """Rows whose moment (`model_admin.moment`) is in the range. Moments are UTC, as the lists show them."""

    title = "time"
    template = "admin/date_range.html"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.moment: str = model_admin.moment
        field: Any = model._meta.get_field(self.moment)  # noqa: SLF001 - Django's documented name
        self.title = "time" if self.moment == "at" else str(field.verbose_name)
        self.entered: dict[str, str] = {}
        for name in (WITHIN, FROM, TO):
            if name in params:
                self.entered[name] = str(params.pop(name)[-1])

    def has_output(self) -> bool:
        """Always: every list with a moment has it."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """Its parameters in the address of the list."""
        return [WITHIN, FROM, TO]

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        """One entry for the template: the spans, what was entered, and the other parameters, which stay."""
        others = [
            (name, value)
            for name, values in changelist.filter_params.items()
            for value in values
            if name not in (WITHIN, FROM, TO)
        ]
        yield {
            "spans": [(key, words, key == self.entered.get(WITHIN)) for key, (words, _) in SPANS.items()],
            "start": self.entered.get(FROM, ""),
            "end": self.entered.get(TO, ""),
            "others": others,
            "is_part_of_form": changelist.model_admin.list_filter_submit,
        }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Rows in the range. Raises IncorrectLookupParameters for what is no moment or no span."""
        span = self.entered.get(WITHIN)
        if span and span not in SPANS:
            raise IncorrectLookupParameters(f"{span} is no span: {', '.join(SPANS)} are")
        limits: dict[str, datetime] = {}
        if span:
            limits["gte"] = clock.now() - SPANS[span][1]
        if start := self.entered.get(FROM):
            limits["gte"] = max(_moment(start), limits.get("gte", datetime.min.replace(tzinfo=UTC)))
        if end := self.entered.get(TO):
            limits["lt"] = _moment(end)
        return queryset.filter(**{f"{self.moment}__{lookup}": at for lookup, at in limits.items()})


def _moment(text: str) -> datetime:
    """2026-11-30, 2026-11-30T08:15 and the like, in UTC unless it names another zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise IncorrectLookupParameters(f"{text} is no moment such as 2026-11-30T08:15") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
