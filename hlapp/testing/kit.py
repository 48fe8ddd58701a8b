"""`HighLevel`: the fake vendor of one test, with an agency and a location that have installed the app.

The vendor is the sandbox over real HTTP in a thread of the test's process. What the workers do in a deployment, the
kit does in the test: it handles an event as soon as it is delivered, and takes one turn of a run after another.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine
from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.test import Client

from hlapp.testing import process_state, samples, throwaway_servers
from hlapp.testing.vendor import Vendor, install_everywhere, make_app, run_vendor
from integrations.core import clock
from integrations.core.errors import MissingPermit, NoPermit
from integrations.core.tenant import Tenant, UserType
from integrations.gateway import client
from integrations.jobs import define, runs, schedules
from integrations.jobs.models import Run
from integrations.modules import module_keys
from integrations.modules.module_kinds import BY_TYPE, KINDS
from integrations.operators import accounts
from integrations.outbox import runs as outbox_runs
from integrations.outbox.models import Entry, TenantOutbox
from integrations.outbox.models import Run as OutboxRun
from integrations.quota.permits import governor, tickets
from integrations.quota.permits.lanes import Lane
from integrations.sandbox.events import signing
from integrations.sandbox.request_log import Asked
from integrations.sandbox.resources import ROUTES
from integrations.sync import plans
from integrations.sync import runs as sync_runs
from integrations.sync.choose import wanted
from integrations.sync.choose.wanted import WantedChoice
from integrations.sync.models import Plan
from integrations.sync.models import Run as SyncRun
from integrations.tenants.models import App, Installation
from integrations.webhooks import mailbox
from integrations.webhooks.models import Event

_MOST_TURNS = 100
# Seconds: longer than the window of the quota, and a moment in which the store is not asked.
_LONGEST_WAIT, _BETWEEN_PERMITS = 30.0, 0.05
_ENDED = frozenset({Run.Status.COMPLETE, Run.Status.FAILED, Run.Status.CANCELLED})
# All that the sandbox plays, so that no job lacks a scope.
SCOPES = " ".join(sorted({scope for route in ROUTES for scope in route.scopes} | {"oauth.readonly", "oauth.write"}))
CONTACTS = 20
# Other ids for each test: the quota of a location that was forgotten rests for a window.
_seeds = itertools.count(9_000)


@dataclass(frozen=True, slots=True)
class JobResult:
    """How far a run came: `status` is `complete` or `failed`, or else that of a run which has to wait."""

    status: str
    counts: Mapping[str, int]
    note: str
    error: str
    run_id: int


@dataclass
class HighLevel:
    """The vendor of this test, and the app with its tenants here."""

    vendor: Vendor
    app: App
    company: str
    location: str
    traveller: time_machine.Traveller
    patch: pytest.MonkeyPatch

    # --- What happens in HighLevel -------------------------------------------------------------------------------
    def deliver(self, event_type: str, *, run_jobs: bool = True, **fields: Any) -> Event:
        """Send a signed webhook to the app, and have it handled; then run the jobs that wait for it.

        It is a sample of its type (`samples.event`) with these `fields`. Returns the stored event, whose `status` and
        `error` say how its handlers fared. Raises BadRequest for an unknown type.
        """
        payload = samples.event(event_type, location=self.location, company=self.company, **fields)
        raw = json.dumps(payload).encode()
        url = f"/webhooks/{self.app.highlevel_id}/"
        answer = Client().post(url, raw, "application/json", headers=self._signed(raw))
        assert answer.status_code == 200, answer.content
        event = Event.objects.get(webhook_id=payload["webhookId"])
        mailbox.drain(event.mailbox_id)
        if run_jobs:
            self.run_due_jobs()
        event.refresh_from_db()
        return event

    def call_module(self, kind: str, name: str, *, run_jobs: bool = True, **payload: Any) -> Any:
        """Call a module of the app as HighLevel does, with its key or signature; then its handlers and jobs run.

        `kind` is the module's type, such as `WorkflowAction`. The location is in the payload's `extras`, unless it has
        others; a billing URL gets it in its query. Returns the response: `status_code`, and `json()` or `url`.
        """
        segment = BY_TYPE[kind]
        url = f"/modules/{self.app.highlevel_id}/{segment}/{name}/"
        if KINDS[segment].is_page:
            given = {"clientId": self.app.client_id, "installType": "location", "locationId": self.location, **payload}
            response = Client().get(url, given)
        else:
            raw = json.dumps({"extras": {"locationId": self.location}, **payload}).encode()
            response = Client().post(url, raw, "application/json", headers=self._module_headers(segment, raw))
        for mailbox_id in Event.objects.filter(status=Event.Status.PENDING).values_list("mailbox_id", flat=True):
            mailbox.drain(mailbox_id)
        if run_jobs:
            self.run_due_jobs()
        return response

    def _module_headers(self, segment: str, raw: bytes) -> dict[str, str]:
        if KINDS[segment].is_signed:
            return self._signed(raw)
        return {module_keys.HEADER: module_keys.make(self.app, now=clock.now(), by="the test kit").reveal()}

    def call(self, operation: str, **arguments: Any) -> Any:
        """What the vendor answers to a call of the app for the location: `params` and `body`, as `run.api.call`."""
        return client.call(operation, app=self.app, location=self.location, lane=Lane.INTERACTIVE, **arguments).json

    def lose_answer(self, path: str, *, times: int = 1) -> None:
        """The next requests below `path` take effect, and their answers are lost."""
        self.vendor.fault(path, "lost", times=times)

    def fail(self, path: str, status: int = 503, *, times: int = 1) -> None:
        """The next requests below `path` are answered with `status`, and nothing happens."""
        self.vendor.fault(path, "status", times=times, status=status)

    def asked(self, method: str = "", path: str = "") -> list[Asked]:
        """The API requests that reached the vendor, in their order: with this method, below this path."""
        return [one for one in self.vendor.asked() if method in ("", one.method) and one.path.startswith(path)]

    # --- What happens here ---------------------------------------------------------------------------------------
    def run_job(self, name: str, *, turns: int = _MOST_TURNS) -> JobResult:
        """Run a job for the location (or the company, if it is a job for companies) until it ends.

        It ends early when it has to wait: for a permit, or before another attempt after an error. `turns` is the most
        that it gets. Raises BadRequest for an unknown name.
        """
        job = define.find(name)
        tenant_id = self.company if job.level is UserType.COMPANY else self.location
        tenants = Installation.objects.filter(app=self.app, user_type=job.level, resource_id=tenant_id)
        schedules.request_runs(job, tenants, clock.now())
        schedules.start_due(clock.now())
        newest = Run.objects.filter(schedule__job=name, schedule__tenant_id=tenant_id).latest("pk")
        return self._take_turns(newest, turns)

    def go_on(self, result: JobResult) -> JobResult:
        """Take the next turns of a run that had to wait, as if its time had come."""
        Run.objects.filter(pk=result.run_id).update(due_at=Now())
        return self._take_turns(Run.objects.get(pk=result.run_id), _MOST_TURNS)

    def sync(self, *resources: str) -> None:
        """Sync these resources of the location, all chosen ones unless named, so that `records` has them.

        One that is named and not chosen is chosen first.

        A run that is tried again after an error is tried at once. Raises AssertionError, which says why, when a run
        does not complete, or got no permit within 30 seconds.
        """
        mine = Plan.objects.filter(app=self.app, location_id=self.location)
        if resources:
            wanted.make(self.app, WantedChoice(on=frozenset(resources)), clock.now(), actor="the test kit")
        plans.make(self.app.pk, self.location)
        asked = plans.request_runs(mine.filter(resource__in=resources) if resources else mine, clock.now(), full=False)
        plans.start_due(clock.now())
        for run in SyncRun.objects.filter(plan__in=asked):
            _sync_to_its_end(run)
            why = run.error or "it waits for a permit"
            assert run.status == SyncRun.Status.COMPLETE, f"{run.plan.resource}: {why}"

    def run_due_jobs(self) -> list[JobResult]:
        """Start and run every job that is due: by its schedule, or for an event that came."""
        schedules.start_due(clock.now())
        due = Run.objects.exclude(status__in=_ENDED).order_by("pk")
        return [self._take_turns(run, _MOST_TURNS) for run in due if _falls_due(run)]

    def send_outbox(self) -> dict[str, str]:
        """Send what waits in outboxes, as the workers do; the state of every entry by its key.

        A call whose answer is lost is `unknown`, a refused one `rejected`, one without a permit still `waiting`.
        """
        TenantOutbox.objects.filter(enabled=True).update(due_at=clock.now())
        outbox_runs.start_due(clock.now())
        for run in OutboxRun.objects.exclude(status__in=_ENDED):
            OutboxRun.objects.filter(pk=run.pk).update(due_at=Now())
            outbox_runs.advance(run.pk)
        return dict(Entry.objects.order_by("pk").values_list("key", "state"))

    def advance(self, time: timedelta) -> None:
        """Move the clocks here and at the vendor forward: tokens expire, schedules fall due."""
        self.traveller.shift(time)
        self.vendor.advance(self.vendor.behind(clock.now()))

    def refuse_permit(self, *, times: int = 1, retry_after: float = 30.0) -> None:
        """The governor has no permit for the next calls: they are not sent, and runs wait."""
        granted, refused = tickets.acquire, iter(range(times))

        def acquire(app: str, resource: str, **how: Any) -> Any:
            if next(refused, None) is None:
                return granted(app, resource, **how)
            missing = MissingPermit(app, resource, how["lane"].value, "burst")
            raise NoPermit("the test refuses it", retry_after=retry_after, permit=missing)

        self.patch.setattr(tickets, "acquire", acquire)

    def embedded_client(self, user: str = "", *, agency: bool = False) -> Client:
        """A client of the app's pages inside HighLevel, with the ticket of a user: of the location, unless `agency`.

        `user` is a user's id at the vendor; without it, it is the first user there.
        """
        where = {"company": self.company} if agency else {"location": self.location}
        wanted = "&".join(f"{name}={value}" for name, value in (where | ({"user": user} if user else {})).items())
        payload = self.vendor.get(f"/sandbox/sso?{wanted}")["payload"]
        body = {"payload": payload, "app": self.app.highlevel_id}
        answer = Client().post("/embed/session", json.dumps(body), "application/json")
        assert answer.status_code == 200, answer.content
        return Client(headers={"Authorization": f"Bearer {answer.json()['ticket']}"})

    @staticmethod
    def operator_client(role: str = "owner") -> Client:
        """A client of the admin pages, signed in as an operator: owner, operator, support or viewer."""
        client = Client()
        client.force_login(accounts.create(f"the-tests-{role}", role, password=None))
        return client

    @property
    def tenant(self) -> Tenant:
        """The location, as `tenant_api` wants it."""
        return Tenant.location(self.location)

    def _signed(self, raw: bytes) -> dict[str, str]:
        return {signing.HEADER: signing.signature(signing.private_key(self.vendor.options.seed), raw)}

    @staticmethod
    def _take_turns(run: Run, turns: int) -> JobResult:
        for _ in range(turns):
            runs.advance(run.pk)
            run.refresh_from_db()
            is_parked = bool(run.lease_owner)  # its message waits for a permit, and holds a lease
            if run.status in _ENDED or is_parked or not _falls_due(run):
                break
        return JobResult(run.status, run.counts, run.note, run.error, run.pk)


def _sync_to_its_end(run: SyncRun) -> None:
    """Take turns until the run has ended, or has waited too long for permits, which only time brings."""
    permit_by = clock.monotonic() + _LONGEST_WAIT
    while run.status == SyncRun.Status.RUNNING and clock.monotonic() < permit_by:
        sync_runs.advance(run.pk)
        run.refresh_from_db()
        if run.lease_owner:  # parked
            clock.sleep(_BETWEEN_PERMITS)
        else:
            permit_by = clock.monotonic() + _LONGEST_WAIT
            SyncRun.objects.filter(pk=run.pk).update(due_at=Now())


def _settings_of(app: App, vendor: Vendor) -> dict[str, Any]:
    """The settings by which this app is the default one, so that code need not name it."""
    return {
        "HIGHLEVEL_CLIENT_ID": app.client_id,
        "HIGHLEVEL_CLIENT_SECRET": vendor.options.client_secret,
        "HIGHLEVEL_SHARED_SECRET": vendor.options.shared_secret,
        "HIGHLEVEL_SCOPES": SCOPES.split(),
        "HIGHLEVEL_API_URL": app.api_url,
        "HIGHLEVEL_MARKETPLACE_URL": app.marketplace_url,
    }


def _falls_due(run: Run) -> bool:
    """Whether the run is due by the database's clock, or becomes so because the test's clock was moved past it."""
    moved = Q(due_at__lte=clock.now()) | Q(due_at__lte=Now())
    return bool(Run.objects.filter(moved, pk=run.pk).update(due_at=Now()))


def play(patch: pytest.MonkeyPatch) -> Iterator[HighLevel]:
    """Yield HighLevel with an agency whose first location has installed the app; for a fixture, with a database."""
    process_state.reset()
    seed = next(_seeds)
    patch.setattr(settings, "HIGHLEVEL_WEBHOOK_KEYS", [signing.public_key_pem(seed)])
    with redis.Redis.from_url(settings.REDIS_URL) as store, time_machine.travel(datetime.now(UTC)) as traveller:
        throwaway_servers.empty(store)
        for vendor in run_vendor(contacts=CONTACTS, locations=1, seed=seed):
            app = make_app(vendor, SCOPES)
            for name, value in _settings_of(app, vendor).items():
                patch.setattr(settings, name, value)
            company, location = install_everywhere(vendor, app)
            yield HighLevel(vendor, app, company, location, traveller, patch)
        governor.send_reports()  # what is still to be reported belongs to this test
        throwaway_servers.empty(store)
