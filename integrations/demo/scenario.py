"""Steps of the demo: install the agency through its pages, follow the sync, change data at the vendor, compare."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from integrations.core import clock
from integrations.demo.browser import Browser
from integrations.demo.deployment import RunningDemo
from integrations.demo.failure import DemoFailed
from integrations.sync.models import Plan, Record, Run
from integrations.tenants.models import Installation

RESOURCES = ("contacts", "opportunities")
_COLD_SECONDS = 150.0
CHANGES = 20


@dataclass(frozen=True)
class SyncState:
    """Records of both sides. `synced` counts those here that are not deleted, by (location id, resource)."""

    vendor: dict[str, Any]
    synced: Counter[tuple[str, str]]
    connected: int
    unfinished: int

    @property
    def complete(self) -> bool:
        """Whether all of the vendor's records are here and every plan has finished its first run."""
        return (
            self.connected == len(self.vendor["locations"])
            and self.unfinished == 0
            and all(self.synced[key] == count for key, count in self.expected.items())
        )

    @property
    def expected(self) -> dict[tuple[str, str], int]:
        """Records at the vendor by (location id, resource)."""
        locations: dict[str, dict[str, Any]] = self.vendor["locations"]
        return {(key, resource): row[resource] for key, row in locations.items() for resource in RESOURCES}


def install(demo: RunningDemo) -> str:
    """Install the agency on all its locations, through every page an admin sees. Returns the result page."""
    browser = Browser()
    start = browser.get(f"{demo.web}/install/")
    if "go=1" not in start:
        raise DemoFailed("the install page has no link to continue")
    consent = browser.get(f"{demo.web}/install/?go=1")
    company = next(iter(browser.json(f"{demo.vendor}/sandbox/state")["companies"]))
    choices = {"mode": "bulk", "company": company, "all_locations": "on", "action": "install"}
    result = browser.submit(consent, choices)
    if not browser.url.startswith(f"{demo.web}/install/done/"):
        raise DemoFailed(f"the installation ended on {browser.url.partition('?')[0]}")
    return result


def look(demo: RunningDemo) -> SyncState:
    """Read the counts of both sides: the sandbox and the database."""
    live = Record.objects.filter(deleted_at__isnull=True)
    rows = live.values_list("location_id", "resource").annotate(n=Count("pk"))
    return SyncState(
        vendor=Browser().json(f"{demo.vendor}/sandbox/state"),
        synced=Counter({(location, resource): n for location, resource, n in rows}),
        connected=Installation.objects.installed().locations().count(),
        unfinished=Plan.objects.filter(synced_at__isnull=True).count(),
    )


def failed_runs() -> list[str]:
    """One line with the reason for each sync run that failed."""
    return [f"{run}: {run.error}" for run in Run.objects.filter(status=Run.Status.FAILED).select_related("plan")]


def change(demo: RunningDemo) -> float:
    """Create contacts at the vendor and wait until webhooks have brought them. Returns the seconds it took."""
    browser, began = Browser(), clock.monotonic()
    for location in browser.json(f"{demo.vendor}/sandbox/state")["locations"]:
        body = {"location": location, "resource": "contacts", "kind": "create", "count": CHANGES}
        browser.post_json(f"{demo.vendor}/sandbox/changes", body)
    while not look(demo).complete:
        demo.supervisor.look()
        if clock.monotonic() - began > _COLD_SECONDS:
            raise DemoFailed("the changes made at the vendor did not all arrive through webhooks")
        clock.sleep(0.2)
    return clock.monotonic() - began
