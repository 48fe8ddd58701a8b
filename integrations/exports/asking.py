"""Asks for an export: what an operator's form says, checked, as a row."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from integrations.core import audit
from integrations.core.errors import BadRequest
from integrations.exports.models import Export
from integrations.jobs import wall_times
from integrations.sync.export import file_formats
from integrations.sync.models import Plan
from integrations.sync.resources import RESOURCES
from integrations.tenants.models import App, Installation

ONCE, DAILY, WEEKLY = "once", "daily", "weekly"
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MOST_LOCATIONS = 1_000


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is asked for. `at` is a time such as 06:30 in UTC and `day` a number from 0, Monday, of a repeated one."""

    app: App
    resources: Sequence[str]
    form: str
    locations: Sequence[str] = ()
    repeat: str = ONCE
    at: str = "06:00"
    day: int = 0


def ask(request: ExportRequest, now: datetime, *, actor: str) -> Export:
    """Make the export, due now. Raises BadRequest for what cannot be exported."""
    locations = sorted({one.strip() for one in request.locations} - {""})
    _check(request, locations)
    with transaction.atomic():
        export = Export.objects.create(
            app=request.app,
            resources=list(dict.fromkeys(request.resources)),
            locations=locations,
            form=request.form,
            times=_times(request),
            made_by=actor[:160],
            due_at=now,
            created_at=now,
        )
        audit.record(
            "export.asked",
            actor=actor,
            subject=f"export:{export.pk}",
            resources=export.resources,
            locations=locations,
            form=export.form,
            times=export.times,
        )
    return export


def synced(app: App, locations: Collection[str] = ()) -> list[str]:
    """The resources that have a plan in the app, or of these tenants, in the order of the registry."""
    plans = Plan.objects.filter(app=app)
    plans = plans.filter(location_id__in=locations) if locations else plans
    found = set(plans.order_by().values_list("resource", flat=True).distinct())
    return [name for name in RESOURCES if name in found]


def _check(request: ExportRequest, locations: Sequence[str]) -> None:
    if not request.resources:
        raise BadRequest("choose a resource at least")
    if unknown := sorted(set(request.resources) - RESOURCES.keys()):
        raise BadRequest(f"there is no resource {', '.join(unknown)}")
    if request.form not in file_formats.WRITERS:
        raise BadRequest(f"there is no format {request.form!r}")
    file_formats.check(request.form)
    if len(locations) > MOST_LOCATIONS:
        raise BadRequest(f"name {MOST_LOCATIONS:,} locations and companies at most, or none for all")
    installed = Installation.objects.filter(app=request.app, resource_id__in=locations)
    if missing := sorted(set(locations) - set(installed.values_list("resource_id", flat=True))):
        raise BadRequest(f"the app is not installed on {', '.join(missing[:5])}")


def _times(request: ExportRequest) -> str:
    """The cron expression."""
    if request.repeat == ONCE:
        return ""
    if request.repeat not in (DAILY, WEEKLY) or not 0 <= request.day < len(DAYS):
        raise BadRequest("an export is made once, daily or weekly")
    wall_times.daily(request.at)  # refuses what is no time
    hours, _, minutes = request.at.partition(":")
    day = (request.day + 1) % 7 if request.repeat == WEEKLY else "*"
    return f"{int(minutes)} {int(hours)} * * {day}"


def words(export: Export) -> str:
    """When it is made, for people."""
    if not export.times:
        return "once"
    minute, hour, *_, day = export.times.split()
    name = "daily" if day == "*" else f"{DAYS[(int(day) - 1) % 7]}s"
    return f"{name} at {int(hour):02}:{int(minute):02} UTC"
