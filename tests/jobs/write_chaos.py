"""Chaos on every path by which a job or an app writes: lost answers, deaths, duplicates. What the vendor holds decides.

A round wants some notes, each with a text of its own, by one path. Something goes wrong once or twice. Then turns are
taken, and a person decides about what is unknown by looking at the vendor, or leaves it. In the end the vendor holds
each note exactly once, or the row says that its fate is unknown.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from unittest import mock

from django.db import transaction

from integrations.core import clock
from integrations.core.runs.querysets import QUEUED
from integrations.core.tenant import UserType
from integrations.gateway.facade import v2
from integrations.highlevel.http.transport import Transport
from integrations.jobs import define, runs, schedules, writes
from integrations.jobs.job_run import JobRun
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
from integrations.webhooks.models import Event, Mailbox
from tests.plugin.vendor import OPTIONS, Vendor, location_grant, make_app
from tests.support.signed import sign

PATHS = ("page", "event", "once", "looked up", "outbox")
FAULTS = ("none", "lost", "truncated", "garbage", "close", "status")
STEPS = ("none", "intent", "answer", "settled")  # at which the worker dies
NOTES, MOST_TURNS = 3, 30
PERMIT = 0.5  # seconds that a parked run waits
Advance = Callable[[str, int, str], None]  # room, run and step
Held = Callable[[str, str, str], int]  # how often the vendor holds a note: location, contact and text


@dataclass
class Round:
    """One round, and what came of it: `held` counts the vendor's notes by text, `unknown` rows without an answer."""

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


def on_page(run: JobRun) -> None:
    """Writes a note for the first items of a listing."""
    pages = run.api.contacts.search_contacts_advanced_pages(body={"pageLimit": 2})
    for number, _ in enumerate(run.each(pages)):
        run.api.contacts.create_note(contactId=_contact(run), body={"body": f"{_label(run)} {number}"})
        if number == NOTES - 1:
            return


def on_event(run: JobRun) -> None:
    """Writes notes for each event."""
    for event in run.events():
        for number in range(NOTES):
            run.api.contacts.create_note(contactId=event["id"], body={"body": f"{event['label']} {number}"})


def once(run: JobRun) -> None:
    """Writes each note under a key."""
    _once(run, look_up=False)


def looked_up(run: JobRun) -> None:
    """Likewise, and looks up what became of a lost answer."""
    _once(run, look_up=True)


JOBS = {"page": on_page, "event": on_event, "once": once, "looked up": looked_up}


def _once(run: JobRun, *, look_up: bool) -> None:
    params = {"contactId": _contact(run)}

    def find(text: str) -> Any:
        notes = run.api.contacts.get_all_notes(contactId=params["contactId"]).json["notes"]
        return next((note for note in notes if note["body"] == text), None)

    for number in range(NOTES):
        text = f"{_label(run)} {number}"
        found = partial(find, text) if look_up else None
        run.once(text, "contacts.create-note", params, {"body": text}, look_up=found)


def _label(run: JobRun) -> str:
    return str(run.checkpoint["label"])


def _contact(run: JobRun) -> str:
    return str(run.checkpoint["contact"])


def define_jobs() -> None:
    """Define the jobs of the paths under names like `chaos.page`."""
    for path, function in JOBS.items():
        define.background_job(f"chaos.{path}", lane=Lane.EVENTS)(function)


@contextmanager
def dying(step: str, die: Callable[[], None]) -> Iterator[None]:
    """Call `die` the first time that a note's write reaches the step."""
    send, confirm, done = Transport.send, writes.confirm, entry_states.done

    def sent(transport: Transport, request: Any) -> Any:
        is_write = request.method == "POST" and request.path.endswith("/notes")
        if is_write and step == "intent":
            die()
        answer = send(transport, request)
        if is_write and step == "answer":
            die()
        return answer

    def settled(act: Callable[..., None]) -> Callable[..., None]:
        def settle(*arguments: Any) -> None:
            act(*arguments)
            if step == "settled":
                die()

        return settle

    with (
        mock.patch.object(Transport, "send", sent),
        mock.patch.object(writes, "confirm", settled(confirm)),
        mock.patch.object(entry_states, "done", settled(done)),
    ):
        yield


class Death(BaseException):
    """The end of a worker inside this process."""


def advance(room: str, run_id: int, step: str) -> None:
    """One turn in this process, which dies at the step."""

    def die() -> None:
        raise Death

    try:
        with dying(step, die):
            (runs if room == "jobs" else outbox_runs).advance(run_id)
    except Death:
        pass


class WriteChaos:
    """Plays rounds. `fault` makes the vendor's next answer to a note of this contact fail in that way."""

    def __init__(self, app: App, *, fault: Callable[[str, str], None], held: Held, take: Advance, seed: int) -> None:
        self._app, self._fault, self._held, self._take = app, fault, held, take
        self._dice = random.Random(seed)

    def play(self, number: int, location: str, contact: str) -> Round:
        """One round from its want to its end."""
        dice = self._dice
        path = PATHS[number % len(PATHS)]
        this = Round(number, path, dice.choice(FAULTS), dice.choice(STEPS), location, contact)
        this.texts = [f"round {number} {part}" for part in range(NOTES)]
        room, run_id = self._want(this)
        leaves = dice.random() < 0.2  # the person is on holiday
        if this.fault != "none":
            self._fault(this.fault, contact)
        for turn in range(MOST_TURNS):
            self._take(room, run_id, this.step if turn == 0 else "none")
            if dice.random() < 0.3:
                self._take(room, run_id, "none")  # the message came twice
            if not self._goes_on(this, room, run_id, leaves=leaves):
                this.ended = True
                break
        this.held = {text: self._held(location, contact, text) for text in this.texts}
        this.unknown = self._unknown(this).count()
        self._clear(this)
        return this

    def _clear(self, this: Round) -> None:
        """What a person left undecided would hold the next round of the same schedule."""
        Schedule.objects.filter(tenant_id=this.location).delete()
        TenantOutbox.objects.filter(tenant_id=this.location).delete()

    def _want(self, this: Round) -> tuple[str, int]:
        if this.path == "outbox":
            return "outbox", self._put(this)
        job = define.JOBS[f"chaos.{this.path}"]
        tenants = Installation.objects.filter(resource_id=this.location)
        (schedule_id,) = schedules.request_runs(job, tenants, clock.now())
        schedules.start_due(clock.now())
        run = JobsRun.objects.filter(schedule=schedule_id).latest("pk")
        label = f"round {this.number}"
        if this.path == "event":
            now = clock.now()
            box, _ = Mailbox.objects.get_or_create(app=self._app, tenant=f"location:{this.location}")
            payload = {"id": this.contact, "label": label}
            moments = {"occurred_at": now, "received_at": now, "due_at": now}
            event = Event.objects.create(
                app=self._app, mailbox=box, webhook_id=label, type="ContactCreate", payload=payload, **moments
            )
            Trigger.objects.create(schedule_id=schedule_id, event=event)
        else:
            own = {"label": label, "contact": this.contact}
            JobsRun.objects.filter(pk=run.pk).update(checkpoint={"own": own})
            sign(JobsRun)
        return "jobs", run.pk

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

    def _goes_on(self, this: Round, room: str, run_id: int, *, leaves: bool) -> bool:
        """Let time pass: leases end, a person decides. Whether there is more to do."""
        past = clock.now() - timedelta(minutes=5)
        unknown = self._unknown(this)
        unknown.update(sent_at=past)
        unknown.exclude(settled_at=None).update(settled_at=past)
        Run = JobsRun if room == "jobs" else OutboxRun
        fresh = {"due_at": past, "attempts": 0}
        orphans = Run.objects.filter(pk=run_id, status="running")
        if orphans.filter(lease_owner=QUEUED).exists():
            clock.sleep(PERMIT)
        orphans.exclude(lease_owner="").update(lease_until=past, **fresh)
        orphans.update(**fresh)
        decides = this.path != "looked up" and not leaves
        for row in unknown.filter(state="unknown") if decides else ():
            this.decided += 1
            happened = bool(self._held(this.location, this.contact, _text(row)))
            decide = writes.decide if room == "jobs" else entry_states.decide
            decide(row.pk, clock.now(), happened=happened, by="operator ann")
        run = Run.objects.get(pk=run_id)
        if room == "outbox" and run.status != "running" and decides and Entry.objects.ready().exists():
            Run.objects.filter(pk=run_id).update(status="running", finished_at=None, due_at=past)
            return True
        return run.status == "running"

    def _unknown(self, this: Round) -> Any:
        """The rows of this round that have no answer."""
        if this.path == "outbox":
            return Entry.objects.unsettled().filter(outbox__tenant_id=this.location, key__in=this.texts)
        schedule = Schedule.objects.filter(tenant_id=this.location, job=f"chaos.{this.path}")
        return Write.objects.unsettled().filter(schedule__in=schedule, request__body__body__in=this.texts)


def _text(row: Any) -> str:
    return str((row.request["body"] if isinstance(row, Write) else row.body)["body"])


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
