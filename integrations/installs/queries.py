"""Reads for pages and commands: how far the installation of each company has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from integrations.installs.register import Status
from integrations.tenants.models import Installation


@dataclass(frozen=True, slots=True)
class CompanyProgress:
    """One company: locations that are connected, and that wait for a token.

    `missing`: locations that vanished from the vendor's list, while `braked_at` is set.
    """

    installation: Installation
    connected: int
    pending: int

    @property
    def total(self) -> int:
        """All locations on which the app is installed."""
        return self.connected + self.pending

    @property
    def braked_at(self) -> datetime | None:
        """Since when an operator has to decide about the missing ones."""
        return self.installation.braked_at

    @property
    def missing(self) -> int:
        """How many locations are missing from the vendor's list."""
        return self.installation.missing


def companies() -> list[CompanyProgress]:
    """The companies that have an app installed, by name. One query for the companies, one for their locations."""
    rows = Installation.objects.companies().not_uninstalled().select_related("app", "company")
    counted = (
        Installation.objects.locations()
        .not_uninstalled()
        .values("app_id", "company_id")
        .annotate(
            connected=Count("id", filter=Q(status=Status.INSTALLED)),
            pending=Count("id", filter=Q(status=Status.PENDING)),
        )
    )
    counts = {(row["app_id"], row["company_id"]): (row["connected"], row["pending"]) for row in counted.order_by()}
    return [
        CompanyProgress(row, *counts.get((row.app_id, row.resource_id), (0, 0)))
        for row in rows.order_by("company__name", "resource_id")
    ]


def progress(row: Installation) -> CompanyProgress:
    """How far the installation of one company has come."""
    locations = Installation.objects.locations().filter(app=row.app_id, company_id=row.resource_id)
    return CompanyProgress(row, locations.installed().count(), locations.pending().count())
