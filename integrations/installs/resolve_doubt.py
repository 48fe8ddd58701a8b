"""Carries out the vendor's answer about a location: it ends, follows its location, or its doubt ends.

The answer is about the row as it was read. Where a notice came since (`revision`), the notice is newer and the answer
changes nothing.
"""

from __future__ import annotations

from django.db import transaction

from integrations.core import clock
from integrations.installs import location_events, register, uninstall
from integrations.installs.question import InstallStatus, LocationAnswer
from integrations.installs.register import Doubt
from integrations.tenants.models import Installation, Location

_WHY = {
    Doubt.EVENT: "UNINSTALL event, confirmed by the vendor",
    Doubt.REVOKED: "its grant was revoked, like its company's",
    Doubt.VANISHED: "not in the vendor's list of installed locations, and its token is refused",
}
_UNLISTED = "not in the vendor's list of installed locations"


def apply(row: Installation, answer: LocationAnswer) -> None:
    """Carry out the answer, and keep the name that came with it.

    CONTRADICTED and UNKNOWN change nothing here: the caller decides when to ask again.
    """
    if answer.name and row.location is not None:
        register.set_name(row.location, answer.name)
    if answer.verdict is InstallStatus.GONE:
        uninstall.confirmed(row, why=_WHY.get(Doubt(row.doubt), _UNLISTED) if row.doubt else "its token is refused")
    elif answer.verdict is InstallStatus.MOVED:
        _move(row, answer.company_id)
    elif answer.verdict is InstallStatus.INSTALLED:
        Installation.objects.filter(pk=row.pk, revision=row.revision).confirm_installed(at=clock.now())


def _move(row: Installation, company_id: str) -> None:
    """The vendor says that the location belongs to this company now."""
    with transaction.atomic():
        now = clock.now()
        fresh = Installation.objects.filter(pk=row.pk, revision=row.revision).exists()
        if not fresh:
            return
        register.location_target(row.app, row.resource_id, company_id=company_id, at=now)
        location_events.follow(Location.objects.select_related("company").get(pk=row.resource_id), actor="highlevel")
