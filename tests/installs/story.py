"""A story between the simulated vendor and our books of it: what people do there, and what reaches us of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from integrations.core import celery_tasks, clock
from integrations.core.errors import IntegrationError
from integrations.core.tenant import UserType
from integrations.gateway import client as gateway
from integrations.highlevel.http import wire
from integrations.installs import callback as callbacks
from integrations.installs import reconcile
from integrations.installs.callback import Callback
from integrations.tenants import lifecycle_hooks, marketplace
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import App, Company, Installation, Location
from integrations.tokens import access_cache
from integrations.tokens.models import Credential
from integrations.webhooks import handlers
from integrations.webhooks.models import Event
from tests.installs.simulated_vendor import Payload, SimulatedVendor

Status = Installation.Status
What = InstallationChange.What
STEP = timedelta(seconds=1)
AT_VENDOR = (
    "install_company",
    "install_location",
    "uninstall_location",
    "uninstall_company",
    "transfer",
    "transfer_silently",
    "update",
    "change_plan",
    "rename",
)
_stories = itertools.count()


class Story:
    """Two agencies at the vendor, and our books of them."""

    def __init__(self, app: App, skew: timedelta) -> None:
        self.app, self.elapsed = app, timedelta(0)
        self.number = next(_stories)
        self.vendor = SimulatedVendor(now=self.now, skew=skew)
        self.companies = [self._id("agency", number) for number in range(2)]
        self.errors: list[IntegrationError] = []  # of reconciliations
        self.granted: set[int] = set()  # installations whose code the callback has brought
        self.called: list[int] = []  # the changes for which the lifecycle hook was called, as it committed them
        self.crash = False  # the next call of the hook dies before it is committed
        for number in range(4):
            self.vendor.add_location(self.companies[number % 2], self._id("place", number))
        self.vendor.events.clear()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.elapsed

    def step(self, what: str, which: int, other: int) -> None:
        self.elapsed += STEP
        vendor, places = self.vendor, sorted(self.vendor.places)
        place, company = places[which % len(places)], self.companies[which % 2]
        if what in ("install_company", "uninstall_company"):
            getattr(vendor, what)(company)
        elif what in ("transfer", "transfer_silently"):
            getattr(vendor, what)(place, self.companies[other % 2])
        elif what == "add_location":
            vendor.add_location(company, self._id("new", len(places)))
        elif what in AT_VENDOR:
            getattr(vendor, what)(place)
        elif what in ("deliver", "repeat", "lose"):
            self._event(what, which)
        elif what in ("callback", "lose_code"):
            self._code(what, which)
        elif what in ("hooks", "crashing_hook"):
            self._hooks(crash=what == "crashing_hook")
        else:
            self._reconcile_one(which)

    def install_agency(self, company: str) -> None:
        """Install on the agency, bring the code, and come to rest. Its webhooks are lost."""
        self.vendor.install_company(company)
        self._settle()

    def install_alone(self, location: str) -> None:
        """Install on one location, bring the code, and come to rest. Its webhooks are lost."""
        self.vendor.install_location(location)
        self._settle()

    def _settle(self) -> None:
        self.vendor.events.clear()
        self.step("callback", len(self.vendor.codes) - 1, 0)
        self.reconcile_due()

    def reconcile(self) -> None:
        """One reconciliation of everything: each row once, and again what became due by it."""
        self.elapsed += timedelta(minutes=1)
        Installation.objects.not_uninstalled().update(reconcile_due_at=self.now())
        self.reconcile_due()

    def reconcile_due(self) -> None:
        """What workers do: reconcile rows that are due, until none is."""
        for _ in range(8):
            self.elapsed += STEP
            due = Installation.objects.filter(reconcile_due_at__lte=self.now()).order_by("pk")
            due_ids = list(due.values_list("pk", flat=True))
            for pk in due_ids:
                self._reconcile(pk)
            if not due_ids:
                return
        pytest.fail("rows stay due")

    def _hooks(self, *, crash: bool = False) -> None:
        """What workers do for changes that are due; the first call may die, as a killed worker does."""
        self.crash = crash
        for pk in lifecycle_hooks.take_due(1_000, self.now()):
            try:
                lifecycle_hooks.deliver(pk)
            except KilledError:
                InstallationChange.objects.filter(pk=pk).update(due_at=self.now())  # once its time is over

    def hook(self, change: InstallationChange) -> None:
        """The lifecycle hook of the story: its effect is a row, as a real one's is."""
        Company.objects.create(id=f"effect{change.pk}", created_at=self.now())
        if self.crash:
            self.crash = False
            raise KilledError
        self.called.append(change.pk)

    def _event(self, what: str, which: int) -> None:
        events = self.vendor.events
        if not events:
            return
        payload, at = events[which % len(events)]
        if what != "lose":
            self._handle(payload, at)
        if what != "repeat":
            events.remove((payload, at))

    def _handle(self, payload: Payload, at: datetime) -> None:
        event = Event(app=self.app, type=payload["type"], payload=payload, occurred_at=at, received_at=self.now())
        event.webhook_id = f"event {at.isoformat()}"
        with transaction.atomic():
            handlers.run(event)

    def _code(self, what: str, which: int) -> None:
        codes = self.vendor.codes
        if not codes:
            return
        code, install = codes[which % len(codes)]
        if what == "callback" and install.live:
            callbacks.handle(Callback(code=code, state=None, error=None, app=None, browser=""))
            self.granted.add(id(install))
        codes.remove((code, install))

    def _reconcile_one(self, which: int) -> None:
        rows = list(Installation.objects.not_uninstalled().order_by("pk").values_list("pk", flat=True))
        if rows:
            self._reconcile(rows[which % len(rows)])

    def _reconcile(self, pk: int) -> None:
        try:
            reconcile.reconcile(pk)
        except IntegrationError as error:
            self.errors.append(error)

    def _id(self, kind: str, number: int) -> str:
        return f"{kind}{number}of{self.number}"

    # --- What must hold ------------------------------------------------------------------------------------------

    def check(self) -> None:
        rows = {row.resource_id: row for row in Installation.objects.select_related("location")}
        for company in self.companies:
            install = self.vendor.companies.get(company)
            expected = install is not None and id(install) in self.granted
            assert self._installed(rows.get(company)) == expected, (company, expected)
        unknown = []
        for location in self.vendor.places:
            row = rows.get(location)
            if location not in self.vendor.locations and row is not None and _is_unknown(row):
                unknown.append(row.pk)  # its grant may still come
            else:
                self._check_location(location, row)
        self.elapsed += reconcile.FAILED_RETRY * 4
        for pk in unknown:
            self._reconcile(pk)
        assert not Installation.objects.filter(pk__in=unknown).not_uninstalled().exists()

    def _check_location(self, location: str, row: Installation | None) -> None:
        place, install = self.vendor.places[location], self.vendor.locations.get(location)
        company = self.vendor.companies.get(place.company)
        covered = company is not None and id(company) in self.granted
        if install is None:
            assert not self._installed(row), (location, "is not installed at the vendor")
            assert row is None or row.status == Status.UNINSTALLED or not covered, (location, "is in no list")
            return
        reachable = covered or id(install) in self.granted
        assert self._installed(row) == reachable, (location, "reachable" if reachable else "no token can be had")
        if row is None or not reachable:
            return
        assert row.company_id == place.company
        assert row.location is not None
        assert (row.location.name, row.location.company_id) == (place.name, place.company)
        if covered:
            assert (row.version_id, row.plan_id) == (place.version, place.plan)
        assert Credential.objects.get(resource_id=location).company_id == place.company
        answer = gateway.call("locations.get-location", app=self.app, location=location)
        assert answer.json["location"]["companyId"] == place.company

    def check_history(self) -> None:
        """Each change is one entry, no more and no less, and the hook was called for each exactly once, in order."""
        for _ in range(InstallationChange.objects.count()):
            self._hooks()
        for row in Installation.objects.all():
            entries = list(row.changes.order_by("pk"))
            life = [entry.what for entry in entries if entry.what in (What.INSTALLED, What.UNINSTALLED)]
            assert _alternates(life), life
            assert (len(life) % 2 == 1) == row.is_installed, (life, row.status)
            for what, value in ((What.UPDATED, row.version_id), (What.PLAN, row.plan_id), (What.MOVED, row.company_id)):
                self._check_chain([e for e in entries if e.what == what and e.generation == row.generation], value)
            called = [pk for pk in self.called if pk in {entry.pk for entry in entries}]
            assert called == [entry.pk for entry in entries], "each once, and in order"
        effects = Company.objects.filter(id__startswith="effect").count()
        assert effects == len(self.called) == InstallationChange.objects.count()

    def _check_chain(self, entries: list[InstallationChange], value: str | None) -> None:
        assert all(entry.old != entry.new for entry in entries)
        assert all(a.new == b.old for a, b in itertools.pairwise(entries)), [(e.old, e.new) for e in entries]
        assert not entries or entries[-1].new == value

    def _installed(self, row: Installation | None) -> bool:
        return row is not None and row.is_installed


class KilledError(BaseException):
    """A worker is killed in the middle of a hook."""


def _is_unknown(row: Installation) -> bool:
    """Whether the row is a pending location that no company here can list; it ends after an hour without a grant."""
    companies = Installation.objects.filter(user_type=UserType.COMPANY).installed()
    return row.status == Status.PENDING and not companies.filter(resource_id=row.company_id or "").exists()


def _alternates(life: list[str]) -> bool:
    return life == [(What.INSTALLED, What.UNINSTALLED)[number % 2] for number in range(len(life))]


Begin = Callable[[timedelta], Story]


@pytest.fixture
def begin(transactional_db: None, clean_redis: Any, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """Begins a story: an empty database, a new vendor behind the wire, and a clock that the story moves on."""
    monkeypatch.setattr(celery_tasks, "_send", lambda *_: None)

    def begin(skew: timedelta) -> Story:
        for model in (InstallationChange, Credential, Installation, Location, Company):
            model.objects.all().delete()
        access_cache.clear()
        story = Story(marketplace.default(), skew)
        monkeypatch.setattr(clock, "now", story.now)
        monkeypatch.setattr(lifecycle_hooks, "HOOKS", {what: {"story": story.hook} for what in What.values})
        monkeypatch.setattr(wire.Wire, "exchange", lambda _, request: story.vendor.exchange(request))
        return story

    return begin
