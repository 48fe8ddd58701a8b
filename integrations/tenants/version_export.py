"""The installations of one app version as CSV, for mails to those whom a deprecation will uninstall."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from integrations.core import masking
from integrations.core.lists import spreadsheet
from integrations.tenants import versions
from integrations.tenants.app_version import AppVersion
from integrations.tenants.models import Installation

COLUMNS = (
    "app",
    "version_id",
    "version",
    "uninstalled_on",
    "kind",
    "id",
    "name",
    "company_id",
    "company",
    "status",
    "plan_id",
    "since",
    "claimed_by",
    "installer_id",
    "owner",
    "email",
)


def lines(version: AppVersion, *, masked: bool = False) -> Iterator[str]:
    """The lines of the CSV, the names of the columns first. Reads the rows as they are sent.

    `masked` is for an operator who may not see personal data.
    """
    yield from spreadsheet.lines([COLUMNS])
    yield from spreadsheet.lines(_rows(version, masked=masked))


def _rows(version: AppVersion, *, masked: bool) -> Iterator[list[Any]]:
    for row in versions.installations(version).iterator(chunk_size=500):
        if masked:
            masking.columns(row, Installation.PERSONAL)
        yield _values(version, row)


def _values(version: AppVersion, row: Installation) -> list[Any]:
    tenant = row.location if row.user_type == "Location" else row.company
    return [
        version.app.name,
        version.version_id,
        version.number,
        version.deprecated_at.isoformat() if version.deprecated_at else "",
        row.tenant.kind,
        row.resource_id,
        tenant.name if tenant else "",
        row.company_id or "",
        row.company.name if row.company else "",
        row.status,
        row.plan_id,
        row.status_at.isoformat(),
        row.claimed_by,
        row.installer_id,
        row.installer.get("companyOwnerFullName", ""),
        row.installer.get("companyEmail", ""),
    ]
