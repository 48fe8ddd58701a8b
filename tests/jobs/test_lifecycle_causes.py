"""Each event of an installation by what really causes it, at the sandbox vendor: its hook and its job get it once.

Nearly every cause comes twice, as the vendor repeats webhooks and people press a button again. That a credential is
lost once is in `tests/installs/test_history.py`, the uninstall in `test_lifecycle.py`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import GrantRevoked
from integrations.installs.claim import claim
from integrations.jobs import events, runs, schedules
from integrations.jobs.job_run import JobRun
from integrations.sync import plans
from integrations.tenants import lifecycle_hooks, marketplace
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import App, Installation
from integrations.tokens.models import Credential
from integrations.tokens.refresh.claim_call_swap import refresh
from integrations.webhooks import mailbox
from integrations.webhooks.models import Event, Mailbox
from tests.installs.conftest import Worker, app, browser, many_requests, worker
from tests.installs.journey import Browser
from tests.jobs.conftest import Defined
from tests.plugin.vendor import SCOPES, Vendor, run_vendor
from tests.sync.resources.test_sandbox import run_all

__all__ = ["app", "browser", "many_requests", "worker"]

NAMES = (
    "installed",
    "claimed",
    "first_sync_complete",
    "updated",
    "scopes_changed",
    "disconnected",
    "reconnected",
)
_seeds = itertools.count(13_000)


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    yield from run_vendor(contacts=3, locations=1, seed=next(_seeds))


class Life:
    """One location of the vendor, the hooks that were called for it, and the events that jobs got."""

    def __init__(self, vendor: Vendor, app: App, browser: Browser, worker: Worker) -> None:
        self.vendor, self.app, self.browser, self.worker = vendor, app, browser, worker
        self.location = vendor.locations[0]
        self.hooked: list[str] = []
        self.worked: list[str] = []
        self._ids = itertools.count(1)

    @property
    def row(self) -> Installation:
        return Installation.objects.select_related("app").get(resource_id=self.location)

    def hook(self, change: InstallationChange) -> None:
        self.hooked.append(change.what)

    def job(self, run: JobRun) -> None:
        self.worked += [event["type"] for event in run.events()]

    def receive(self, kind: str, **fields: Any) -> None:
        """A webhook of the vendor; each attempt of it has an id of its own."""
        now = clock.now()
        tenant = {"locationId": self.location, "companyId": self.vendor.company}
        box, _ = Mailbox.objects.get_or_create(app=self.app, tenant=f"location:{self.location}")
        moments = {"occurred_at": now, "received_at": now, "due_at": now}
        named = {"webhook_id": f"w{next(self._ids)}", "type": kind}
        payload = {"type": kind, "appId": self.app.highlevel_id, **tenant, **fields}
        Event.objects.create(app=self.app, mailbox=box, payload=payload, **named, **moments)
        Mailbox.objects.update(due_at=now)
        mailbox.drain(box.pk)
        assert list(Event.objects.exclude(status="done").values_list("type", "status", "error")) == []

    def settle(self) -> tuple[list[str], list[str]]:
        """What dispatcher and workers do until nothing is due; the hooks and events since the last time."""
        self.worker.drain()
        while due := list(lifecycle_hooks.take_due(100, clock.now())):
            for pk in due:
                lifecycle_hooks.deliver(pk)
        for pk in schedules.start_due(clock.now()):
            runs.advance(pk)
        seen = (sorted(self.hooked), sorted(self.worked))
        self.hooked.clear()
        self.worked.clear()
        return seen

    def install(self) -> None:
        self.browser.install(self.location)

    def sync(self) -> None:
        plans.make(self.app.pk, self.location)
        plans.request_runs(self.app.plans.all(), clock.now(), full=True)
        plans.start_due(clock.now())
        run_all()

    def refuse(self) -> None:
        """HighLevel no longer knows the grant."""
        self.vendor.fault("/oauth/token", "status", status=400, body={"error": "invalid_grant"})
        row = Credential.objects.get(resource_id=self.location)
        with pytest.raises(GrantRevoked):
            refresh(row.pk)


@pytest.fixture
def life(
    vendor: Vendor,
    app: App,
    browser: Browser,
    worker: Worker,
    defined: Defined,
    monkeypatch: pytest.MonkeyPatch,
) -> Life:
    monkeypatch.setattr(lifecycle_hooks, "HOOKS", {})
    life = Life(vendor, app, browser, worker)
    lifecycle_hooks.on(*NAMES)(life.hook)
    for name in NAMES:
        defined(life.job, f"test.{name}", on=name)
    events.register()
    return life


@pytest.mark.slow
def test_each_event_has_its_cause_and_comes_once(life: Life, settings: Any) -> None:
    life.install()
    assert life.settle() == (["claimed", "installed"],) * 2, "the browser that installs it owns it"
    claim(life.row, by="operator op", now=clock.now())
    life.receive("INSTALL", versionId="v1")
    assert life.settle() == ([], []), "it says what was unknown, and changes nothing"

    life.sync()
    assert life.settle() == (["first_sync_complete"],) * 2
    life.sync()
    assert life.settle() == ([], [])

    settings.HIGHLEVEL_SCOPES = [*SCOPES.split(), "calendars.readonly"]
    App.objects.filter(pk=life.app.pk).update(scopes=" ".join(settings.HIGHLEVEL_SCOPES))
    marketplace.reset()
    life.install()
    assert life.settle() == (["scopes_changed"],) * 2
    life.install()
    assert life.settle() == ([], [])

    life.refuse()
    assert life.settle() == (["disconnected"],) * 2
    assert life.settle() == ([], [])
    life.install()
    assert life.settle() == (["reconnected"],) * 2
    life.install()
    assert life.settle() == ([], [])

    for again in (False, True):
        life.receive("UPDATE", versionId="v2", previousVersionId="v1")
        assert life.settle() == (([], []) if again else (["updated"],) * 2)

    counted = Counter(InstallationChange.objects.filter(what__in=NAMES).values_list("what", flat=True))
    assert counted == dict.fromkeys(NAMES, 1)
