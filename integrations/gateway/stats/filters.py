"""Admin filters of failed and slow calls; one form submits any combination of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.admin import ModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from integrations.core import clock
from integrations.core.filters import ColumnValueFilter, ExactValueFilter
from integrations.gateway.models import Call
from integrations.gateway.stats.usage_page import BY_HAND
from integrations.quota.permits import lanes

_TIMES = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}


class TenantFilter(ExactValueFilter):
    """Filter by the exact id of a location or company."""

    title, parameter_name = "tenant", "resource_id"


class TraceIdFilter(ExactValueFilter):
    """Filter by the vendor's exact trace id."""

    title, parameter_name = "trace id", "trace_id"


class OperationFilter(ColumnValueFilter):
    """Filter by operation key."""

    title = parameter_name = "operation"


class StatusFilter(ColumnValueFilter):
    """Filter by HTTP status."""

    title, parameter_name, empty = "status", "status", "no answer"


class CodeFilter(ColumnValueFilter):
    """Filter by the error's code; empty for slow calls without an error."""

    title, parameter_name, empty = "error", "code", "none, but slow"


class JobFilter(ColumnValueFilter):
    """Filter by the job that made the call."""

    title = parameter_name = "job"
    empty = BY_HAND


class LaneFilter(ColumnValueFilter):
    """Filter by quota lane."""

    title = parameter_name = "lane"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Call]) -> list[tuple[str, str]]:
        """All lanes, whether or not a call used them."""
        return [(lane.value, lane.value) for lane in lanes.Lane]


class SinceFilter(DropdownFilter):  # type: ignore[misc]
    """Filter by age: the last hour, day or week."""

    title, parameter_name = "time", "since"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Call]) -> list[tuple[str, str]]:
        """The three spans with their labels."""
        return [("hour", "last hour"), ("day", "last 24 hours"), ("week", "last 7 days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The calls of the chosen span; all calls without a valid choice."""
        length = _TIMES.get(self.value() or "")
        return queryset if length is None else queryset.filter(at__gte=clock.now() - length)


ALL = (TenantFilter, OperationFilter, StatusFilter, TraceIdFilter, CodeFilter, JobFilter, LaneFilter, SinceFilter)
