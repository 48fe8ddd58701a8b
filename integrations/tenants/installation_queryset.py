"""Filters of installations, and the transitions between their states."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models

from integrations.core.tenant import UserType
from integrations.tenants.credential_kinds import REPORTED

# What an uninstalled row has no more.
_ENDED: dict[str, object] = {
    "claimed_at": None,
    "claimed_by": "",
    "reconcile_due_at": None,
    "doubt": "",
    "reading": None,
    "rival": None,
    "braked_at": None,
    "released_at": None,
    "missing": 0,
    "first_synced_at": None,
}


class InstallationQuerySet(models.QuerySet[Any]):
    """Filters of installations, and their state transitions.

    A transition is one conditional UPDATE. It changes only the rows that may change, whatever was read before, and
    returns how many those were.
    """

    def companies(self) -> InstallationQuerySet:
        """Installations on companies."""
        return self.filter(user_type=UserType.COMPANY)

    def locations(self) -> InstallationQuerySet:
        """Installations on locations."""
        return self.filter(user_type=UserType.LOCATION)

    def installed(self) -> InstallationQuerySet:
        """Installations with a token: neither pending nor uninstalled."""
        return self.filter(status=self.model.Status.INSTALLED)

    def pending(self) -> InstallationQuerySet:
        """Installations without a token of their own yet."""
        return self.filter(status=self.model.Status.PENDING)

    def uninstalled(self) -> InstallationQuerySet:
        """Installations that ended."""
        return self.filter(status=self.model.Status.UNINSTALLED)

    def not_uninstalled(self) -> InstallationQuerySet:
        """Pending or installed."""
        return self.exclude(status=self.model.Status.UNINSTALLED)

    def reported(self) -> InstallationQuerySet:
        """Installations that the vendor lists and sends events about."""
        return self.filter(kind__in=REPORTED)

    def unlisted(self, *, since: datetime) -> InstallationQuerySet:
        """Locations that no reading of their company's list had that began at `since` or later."""
        return self.filter(models.Q(listed_at=None) | models.Q(listed_at__lt=since))

    def unclaimed(self) -> InstallationQuerySet:
        """Installations without proof of who started them. Only operators see these."""
        return self.not_uninstalled().filter(claimed_at__isnull=True)

    def doubted(self) -> InstallationQuerySet:
        """Those about which the vendor is to be asked, because the facts here do not decide."""
        return self.not_uninstalled().exclude(doubt="")

    def braked(self) -> InstallationQuerySet:
        """Companies from whose list so many locations vanished that an operator has to decide."""
        return self.companies().installed().filter(braked_at__isnull=False)

    def finish_pending(self, *, at: datetime | None = None) -> int:
        """Pending becomes installed. `at` is when the token came that proves it, by our clock."""
        return self.pending().update(status=self.model.Status.INSTALLED, confirmed_at=at, changed_at=at)

    def ask_vendor(self, doubt: str, *, now: datetime) -> int:
        """Note why the vendor is to be asked about these, and make them due."""
        return self.not_uninstalled().update(doubt=doubt, reconcile_due_at=now, revision=models.F("revision") + 1)

    def confirm_installed(self, *, at: datetime) -> int:
        """End the doubt: the vendor answered at `at` that these are installed."""
        return self.doubted().update(doubt="", confirmed_at=at)

    def claim(self, *, by: str, at: datetime) -> int:
        """Unclaimed becomes claimed. `by` names the embedded user or the operator."""
        return self.unclaimed().update(claimed_at=at, claimed_by=by)

    def uninstall(self, *, at: datetime, now: datetime | None = None) -> int:
        """End installations that began at `at` or before, and their claims. A newer installation stays.

        `now` is the time by our clock, `at` unless given.
        """
        return (
            self.not_uninstalled()
            .filter(status_at__lte=at)
            .update(
                status=self.model.Status.UNINSTALLED,
                status_at=at,
                changed_at=now or at,
                revision=models.F("revision") + 1,
                **_ENDED,
            )
        )

    def uninstalled_at(self, at: datetime) -> int:
        """Uninstalled rows that ended before `at` ended then: a later event says so."""
        return self.uninstalled().filter(status_at__lt=at).update(status_at=at)

    def reconcile_at(self, at: datetime | None) -> int:
        """Set when the reconciler runs next. An uninstalled row never becomes due."""
        return self.not_uninstalled().update(reconcile_due_at=at)

    def reconciled(self, *, at: datetime, due_at: datetime | None) -> int:
        """Note that the reconciler succeeded, and when it runs next."""
        return self.not_uninstalled().update(reconciled_at=at, reconcile_due_at=due_at, reading=None)

    def sync_at(self, at: datetime) -> int:
        """Make them due for the sync, which makes their plans or deletes them (`sync.follow`)."""
        return self.update(sync_due_at=at)
