"""Bulk upserts at the sandbox vendor, whose contacts are in the synced copy."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.gateway.facade import v2
from integrations.quota.permits.lanes import Lane
from integrations.sync import records
from integrations.sync.models import Plan
from integrations.tenants.models import App
from integrations.upserts import bulk_upsert, look_up, runs
from integrations.upserts.models import Run, Upsert, UpsertRow
from tests.jobs.conftest import app as app
from tests.jobs.conftest import location as location
from tests.jobs.conftest import vendor as vendor
from tests.plugin.vendor import Vendor

UPSERT = "contacts.upsert-contact"
PATH = "/contacts/upsert"


class Loader:
    """Upserts of one location, and what the vendor has of it."""

    def __init__(self, app: App, location: str, vendor: Vendor) -> None:
        self.app, self.location, self.vendor = app, location, vendor
        self.api = v2.Api(app, location=location, lane=Lane.EVENTS)

    def prepare(self, rows: Any, operation: str = UPSERT, **how: Any) -> int:
        return bulk_upsert.prepare(operation, rows, **{"app": self.app, "location": self.location, **how})

    def start(self, rows: Any, operation: str = UPSERT, **how: Any) -> int:
        """A prepared, priced and started upsert."""
        upsert = self.prepare(rows, operation, **how)
        bulk_upsert.price(upsert)
        bulk_upsert.start(upsert)
        return upsert

    def sync(self, number: int = 5) -> list[dict[str, Any]]:
        """The vendor's first contacts, which are then in the copy, too."""
        found = self.api.contacts.search_contacts_advanced(body={"pageLimit": number}).json["contacts"]
        now = clock.now()
        plan = {"app": self.app, "location_id": self.location, "resource": "contacts"}
        Plan.objects.get_or_create(**plan, defaults={"created_at": now, "synced_at": now})
        records.merge(self.app.pk, self.location, "contacts", found)
        rows: list[dict[str, Any]] = found
        return rows

    def contact(self, email: str) -> dict[str, Any] | None:
        """The vendor's contact with this address."""
        params = {"locationId": self.location, "email": email}
        found: dict[str, Any] | None = self.api.contacts.get_duplicate_contact(**params).json["contact"]
        return found

    def sent(self, path: str = PATH) -> int:
        """How many writes reached the vendor."""
        return sum(one.path == path and one.method != "GET" for one in self.vendor.asked())

    def turn(self, upsert: int) -> Run:
        """The next turn of the upsert's run, as soon as it may be."""
        runs.start_due(clock.now())
        run = Run.objects.filter(upsert=upsert).latest("pk")
        Run.objects.filter(pk=run.pk).update(due_at=clock.now() - timedelta(seconds=1))
        runs.advance(run.pk)
        run.refresh_from_db()
        return run

    def finish(self, upsert: int) -> Run:
        """Turns up to the end of the run. The bulk lane may have to wait for a permit, above all when one was lost."""
        until = clock.monotonic() + 60
        while (run := self.turn(upsert)).status == "running":
            assert clock.monotonic() < until, (run.error, states(upsert))
            clock.sleep(0.05)
        return run


@pytest.fixture
def loader(app: App, location: str, vendor: Vendor) -> Loader:
    return Loader(app, location, vendor)


def states(upsert: int) -> list[str]:
    return list(UpsertRow.objects.filter(upsert=upsert).order_by("number").values_list("state", flat=True))


def people(*names: str) -> list[dict[str, Any]]:
    return [{"email": f"{name}@bulk.example", "firstName": name.title()} for name in names]


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer can come any more."""
    monkeypatch.setattr(look_up, "ANSWER_LOST_AFTER", timedelta(0))


def expire_lease(upsert: int) -> None:
    """The worker that had the run is gone."""
    Run.objects.filter(upsert=upsert).update(lease_until=clock.now() - timedelta(seconds=1))


def phases(ids: Iterable[int]) -> list[str]:
    return list(Upsert.objects.filter(pk__in=list(ids)).order_by("pk").values_list("phase", flat=True))
