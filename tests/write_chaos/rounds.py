"""Chaos on every path by which a job or an app writes: lost answers, deaths, duplicates. What the vendor holds decides.

A round wants some texts at the vendor by one path. Something goes wrong once or twice. Then turns are taken, and a
person decides about what is unknown by looking at the vendor, or leaves it. In the end the vendor holds each text
exactly once, or a row says that its fate is unknown; of a page inside HighLevel, its user saw an error.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction

from integrations.core import clock
from integrations.core.models import AuditEntry
from integrations.core.runs.querysets import QUEUED
from integrations.core.tenant import UserType
from integrations.gateway.facade import v2
from integrations.jobs import define, schedules, writes
from integrations.jobs.models import Run as JobsRun
from integrations.jobs.models import Schedule, Trigger, Write
from integrations.outbox import entry_states, outbox
from integrations.outbox import runs as outbox_runs
from integrations.outbox.models import Entry, TenantOutbox
from integrations.outbox.models import Run as OutboxRun
from integrations.quota.permits.lanes import Lane
from integrations.sandbox.server.embedded import Embedded
from integrations.tenants.models import App, Installation
from integrations.tokens import store
from integrations.upserts import bulk_upsert
from integrations.upserts import runs as upsert_runs
from integrations.upserts.models import Run as UpsertsRun
from integrations.upserts.models import Upsert, UpsertRow
from integrations.webhooks.models import Event, Mailbox
from tests.plugin.vendor import OPTIONS, Vendor, location_grant, make_app
from tests.support.signed import sign
from tests.write_chaos.paths import NOTES, SHOWN, What

PATHS = ("page", "event", "once", "looked up", "repeatable", "outbox", "bulk notes", "bulk upsert", "own page")
FAULTS = ("none", "lost", "truncated", "garbage", "close", "status")
STEPS = ("none", "intent", "answer", "settled")  # at which the worker dies
MOST_TURNS = 30
PERMIT = 0.5  # seconds that a parked run waits
PATIENCE = 180.0  # seconds for a round
ROOMS = {"outbox": "outbox", "bulk notes": "upserts", "bulk upsert": "upserts", "own page": "pages"}
RUNS: dict[str, Any] = {"jobs": JobsRun, "outbox": OutboxRun, "upserts": UpsertsRun}
# Whom nobody needs to decide about: the look-up does, or the call may be made twice.
BY_ITSELF = ("looked up", "bulk upsert", "repeatable")
Advance = Callable[[str, What, str], None]  # room, what to do there, and step
Fault = Callable[[str, str], None]  # kind, and path of the write
Held = Callable[["Round", str], int]  # how often the vendor holds a text of a round


@dataclass
class Round:
    """One round, and what came of it: `held` counts the vendor's copies by text, `unknown` rows without an answer."""

    number: int
    path: str
    fault: str
    step: str
    location: str
    contact: str
    texts: list[str] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)
    unknown: int = 0
    ended: bool = False
    decided: int = 0
    left: dict[str, Any] = field(default_factory=dict)  # the run that did not end

    @property
    def room(self) -> str:
        """Whose workers write."""
        return ROOMS.get(self.path, "jobs")

    @property
    def written_to(self) -> str:
        """The path of the write."""
        if self.path == "bulk upsert":
            return "/contacts/upsert"
        return f"/contacts/{self.contact}/{'tags' if self.path == 'repeatable' else 'notes'}"

    @property
    def verdict(self) -> str:
        """`once`, `says unknown`, or what must not be: `twice`, `silently none`, or for ever `under way`."""
        if max(self.held.values()) > 1:
            return "twice"
        if not self.ended:
            return "under way"
        if all(count == 1 for count in self.held.values()):
            return "once"
        return "says unknown" if self.unknown else "silently none"


class WriteChaos:
    """Plays rounds. `fault` makes the vendor's next answer to a write of a round fail in that way."""

    def __init__(self, app: App, *, fault: Fault, held: Held, take: Advance, seed: int) -> None:
        self._app, self._fault, self._held, self._take = app, fault, held, take
        self._dice = random.Random(seed)

    def play(self, number: int, location: str, contact: str) -> Round:
        """One round from its want to its end."""
        dice = self._dice
        path = PATHS[number % len(PATHS)]
        this = Round(number, path, dice.choice(FAULTS), dice.choice(STEPS), location, contact)
        this.texts = [_text_of(this, part) for part in range(NOTES)]
        what = self._want(this)
        leaves = dice.random() < 0.2  # the person is on holiday
        if this.fault != "none":
            self._fault(this.fault, this.written_to)
        if what is None:
            self._visit(this, leaves=leaves)
        else:
            self._work(this, what, leaves=leaves)
        this.held = {text: self._held(this, text) for text in this.texts}
        this.unknown = self._failed_visibly(this) if what is None else self._unknown(this).count()
        self._clear(this)
        return this

    def _work(self, this: Round, run_id: int, *, leaves: bool) -> None:
        step, turns, until = this.step, 0, clock.monotonic() + PATIENCE
        while turns < MOST_TURNS and clock.monotonic() < until:
            self._take(this.room, run_id, step)
            step = "none"
            if self._dice.random() < 0.3:
                self._take(this.room, run_id, "none")  # the message came twice
            if RUNS[this.room].objects.filter(pk=run_id, status="running", lease_owner=QUEUED).exists():
                clock.sleep(PERMIT)  # killed workers left their permits, whose slots are blocked for a while
            else:
                turns += 1
            if not self._goes_on(this, run_id, leaves=leaves):
                this.ended = True
                return
        this.left = RUNS[this.room].objects.filter(pk=run_id).values().first() or {}

    def _visit(self, this: Round, *, leaves: bool) -> None:
        """A user opens the page for each text. Who sees an error looks, and asks again for what is not there."""
        for number, text in enumerate(this.texts):
            what = [this.location, this.contact, text]
            self._take("pages", what, this.step if number == 0 else "none")
            if leaves or _was_shown(text):
                continue
            this.decided += 1
            if not self._held(this, text):
                self._take("pages", what, "none")
        this.ended = True

    def _clear(self, this: Round) -> None:
        """What a person left undecided would hold the next round of the same schedule."""
        Schedule.objects.filter(tenant_id=this.location).delete()
        TenantOutbox.objects.filter(tenant_id=this.location).delete()
        UpsertRow.objects.filter(upsert__tenant_id=this.location).delete()
        Upsert.objects.filter(tenant_id=this.location).delete()

    def _want(self, this: Round) -> int | None:
        """Have it wanted; the id of the run that does it, None for a page."""
        match this.room:
            case "pages":
                return None
            case "outbox":
                return self._put(this)
            case "upserts":
                return self._prepare(this)
        job = define.JOBS[f"chaos.{this.path}"]
        tenants = Installation.objects.filter(resource_id=this.location)
        (schedule_id,) = schedules.request_runs(job, tenants, clock.now())
        schedules.start_due(clock.now())
        run = JobsRun.objects.filter(schedule=schedule_id).latest("pk")
        if this.path == "event":
            self._deliver(this, schedule_id)
        else:
            own = {"label": f"round {this.number}", "contact": this.contact}
            JobsRun.objects.filter(pk=run.pk).update(checkpoint={"own": own})
            sign(JobsRun)
        return run.pk

    def _deliver(self, this: Round, schedule_id: int) -> None:
        now, label = clock.now(), f"round {this.number}"
        box, _ = Mailbox.objects.get_or_create(app=self._app, tenant=f"location:{this.location}")
        payload = {"id": this.contact, "label": label}
        moments = {"occurred_at": now, "received_at": now, "due_at": now}
        event = Event.objects.create(
            app=self._app, mailbox=box, webhook_id=label, type="ContactCreate", payload=payload, **moments
        )
        Trigger.objects.create(schedule_id=schedule_id, event=event)
        sign(Event)
        sign(Trigger)

    def _put(self, this: Round) -> int:
        for text in [*this.texts, this.texts[0]]:  # one is put twice
            with transaction.atomic():
                outbox.put(
                    "contacts.create-note",
                    app=self._app,
                    location=this.location,
                    entity=this.contact,
                    key=text,
                    params={"contactId": this.contact},
                    body={"body": text},
                )
        TenantOutbox.objects.update(due_at=clock.now())
        outbox_runs.start_due(clock.now())
        return OutboxRun.objects.filter(outbox__tenant_id=this.location).latest("pk").pk

    def _prepare(self, this: Round) -> int:
        if this.path == "bulk notes":
            operation, rows = "contacts.create-note", [{"contactId": this.contact, "body": text} for text in this.texts]
        else:
            operation, rows = "contacts.upsert-contact", [{"email": text, "firstName": "Row"} for text in this.texts]
        upsert = bulk_upsert.prepare(operation, rows, app=self._app, location=this.location)
        bulk_upsert.price(upsert)
        bulk_upsert.start(upsert)
        upsert_runs.start_due(clock.now())
        return UpsertsRun.objects.filter(upsert=upsert).latest("pk").pk

    def _goes_on(self, this: Round, run_id: int, *, leaves: bool) -> bool:
        """Let time pass: leases end, a person decides. Whether there is more to do."""
        past = clock.now() - timedelta(minutes=5)
        unknown = self._unknown(this)
        unknown.update(sent_at=past)
        unknown.exclude(settled_at=None).update(settled_at=past)
        Run = RUNS[this.room]
        fresh = {"due_at": past, "attempts": 0}
        orphans = Run.objects.filter(pk=run_id, status="running")
        orphans.exclude(lease_owner="").update(lease_until=past, **fresh)
        orphans.update(**fresh)
        decides = this.path not in BY_ITSELF and not leaves
        for row in unknown.filter(state="unknown") if decides else ():
            this.decided += 1
            self._decide(this, row)
        if Run.objects.get(pk=run_id).status == "running":
            return True
        if decides and self._waits(this):
            Run.objects.filter(pk=run_id).update(status="running", finished_at=None, due_at=past)
            return True
        return False

    def _decide(self, this: Round, row: Any) -> None:
        now, by = clock.now(), "operator ann"
        if isinstance(row, UpsertRow):
            happened = bool(self._held(this, this.texts[row.number - 1]))
            bulk_upsert.decide(row.upsert_id, row.number, happened=happened, by=by)
        elif isinstance(row, Write):
            writes.decide(row.pk, now, happened=bool(self._held(this, row.request["body"]["body"])), by=by)
        else:
            entry_states.decide(row.pk, now, happened=bool(self._held(this, row.body["body"])), by=by)

    def _waits(self, this: Round) -> bool:
        """Whether something of a room waits whose runs end beside what is unknown."""
        if this.room == "outbox":
            return Entry.objects.ready().exists()
        return UpsertRow.objects.filter(upsert__tenant_id=this.location, state="waiting").exists()

    def _unknown(self, this: Round) -> Any:
        """The rows of this round that have no answer."""
        if this.room == "outbox":
            return Entry.objects.unsettled().filter(outbox__tenant_id=this.location, key__in=this.texts)
        if this.room == "upserts":
            return UpsertRow.objects.filter(upsert__tenant_id=this.location, state__in=("sent", "unknown"))
        schedule = Schedule.objects.filter(tenant_id=this.location, job=f"chaos.{this.path}")
        return Write.objects.unsettled().filter(schedule__in=schedule, request__body__body__in=this.texts)

    def _failed_visibly(self, this: Round) -> int:
        """How many texts the vendor lacks, each of whose visits ended in an error; 0 if one of them looked well."""
        lacking = [text for text in this.texts if not this.held[text]]
        return 0 if any(_was_shown(text) for text in lacking) else len(lacking)


def _text_of(this: Round, part: int) -> str:
    text = f"round {this.number} {part}"
    return f"{text.replace(' ', '-')}@chaos.example" if this.path == "bulk upsert" else text


def _was_shown(text: str) -> bool:
    return AuditEntry.objects.filter(action=SHOWN, subject=text).exists()


def api_of(app: App, location: str) -> v2.Api:
    """The vendor's API with limits that do not wait in the middle of a round."""
    return v2.Api(app, location=location, lane=Lane.INTERACTIVE)


def install(sandbox: Embedded) -> tuple[App, dict[str, list[str]]]:
    """An app with a token for each location; the contacts of each."""
    assert sandbox.platform is not None
    vendor = Vendor(sandbox.url, OPTIONS)
    app, now = make_app(vendor), clock.now()
    for location in list(sandbox.platform.world.locations):
        store.save_grant(store.location(app, location), location_grant(vendor, app, location), now=now)
        Installation.objects.create(
            app=app,
            user_type=UserType.LOCATION,
            resource_id=location,
            status=Installation.Status.INSTALLED,
            origin=Installation.Origin.APP,
            status_at=now,
            created_at=now,
        )
    world = sandbox.platform.world.locations
    return app, {location: list(row.contacts) for location, row in world.items()}
