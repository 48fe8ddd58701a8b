"""App versions over all installations: how many have each, those on older versions, and what a deprecation will end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q

from integrations.core import clock
from integrations.tenants.app_version import AppVersion
from integrations.tenants.installation_queryset import InstallationQuerySet
from integrations.tenants.models import App, Installation

_ENTERED_EVERY = timedelta(hours=1)  # an install of thousands of locations writes the version's row once


@dataclass(frozen=True, slots=True)
class VersionUse:
    """One version with its installations. `is_newest`: those of other versions lag behind."""

    version: AppVersion
    companies: int
    locations: int
    is_newest: bool

    @property
    def total(self) -> int:
        """Installations on agencies and locations."""
        return self.companies + self.locations

    @property
    def lags(self) -> bool:
        """Whether installations are on it although there is a newer version."""
        return not self.is_newest and self.total > 0

    def days_left(self, now: datetime) -> int | None:
        """Whole days until its installations are uninstalled; None without a deprecation, 0 when it is due."""
        if self.version.deprecated_at is None:
            return None
        return max(0, (self.version.deprecated_at - now).days)


def entered(row: Installation, at: datetime) -> None:
    """An installation began with its version or moved to it: the row of the version is there, and dated."""
    if not row.version_id:
        return
    found = AppVersion.objects.filter(app=row.app_id, version_id=row.version_id)
    known = found.values_list("entered_at", flat=True).first()
    if known is not None and at < known + _ENTERED_EVERY:
        return
    new = AppVersion(app_id=row.app_id, version_id=row.version_id, entered_at=at, created_at=clock.now())
    AppVersion.objects.bulk_create([new], ignore_conflicts=True)
    found.filter(Q(entered_at=None) | Q(entered_at__lt=at)).update(entered_at=at)


def uses(app: App) -> list[VersionUse]:
    """The versions of an app, the newest first. Two queries."""
    rows = Installation.objects.not_uninstalled().filter(app=app).exclude(version_id="")
    counted = rows.values("version_id").annotate(
        companies=Count("id", filter=Q(user_type="Company")), locations=Count("id", filter=Q(user_type="Location"))
    )
    counts = {found["version_id"]: (found["companies"], found["locations"]) for found in counted.order_by()}
    versions = list(AppVersion.objects.filter(app=app))
    if not all(version.number for version in versions if version.deprecated_at is None):
        versions = sorted(versions, key=lambda version: version.rank()[1], reverse=True)
    else:
        versions = sorted(versions, key=AppVersion.rank, reverse=True)
    newest = next((version.pk for version in versions if version.deprecated_at is None), None)
    return [
        VersionUse(version, *counts.get(version.version_id, (0, 0)), is_newest=version.pk == newest)
        for version in versions
    ]


def of(row: Installation) -> AppVersion | None:
    """The version of an installation; None while the vendor has not named it."""
    return AppVersion.objects.filter(app=row.app_id, version_id=row.version_id).first()


def installations(version: AppVersion) -> InstallationQuerySet:
    """The installations of a version, agencies before locations."""
    rows = Installation.objects.not_uninstalled().filter(app=version.app_id, version_id=version.version_id)
    return rows.select_related("app", "company", "location").order_by("user_type", "company_id", "resource_id")


def ending(now: datetime) -> list[tuple[AppVersion, int]]:
    """Deprecated versions with installations left, the soonest end first, with how many those are."""
    rows = AppVersion.objects.filter(deprecated_at__isnull=False).select_related("app").order_by("deprecated_at")
    counted = [(version, installations(version).count()) for version in rows]
    return [(version, count) for version, count in counted if count]
