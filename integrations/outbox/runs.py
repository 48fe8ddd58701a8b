"""Runs of an outbox: each sends what may be sent, entry after entry, and then is complete.

The engine of durable runs does the rest (`core.runs.turn`): without a permit the run is parked, a temporary error lets
it try again, an uninstall cancels it. What concerns one entry stays with it: a refusal, an unknown fate.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from integrations.core import audit, clock
from integrations.core.errors import (
    NO_ANSWER,
    BadRequest,
    DestinationRefused,
    InstallGone,
    IntegrationError,
    RequestRejected,
    ScopeMissing,
    SealBroken,
    ServerFault,
)
from integrations.core.process import stopping
from integrations.core.runs import turn
from integrations.core.runs.querysets import Fields, error_columns
from integrations.gateway import client, fate, safe_writes, target
from integrations.gateway.stats import attempt_hook
from integrations.outbox import entry_seal, entry_states, expected_values, outbox_pauses
from integrations.outbox.expected_values import RecordChanged
from integrations.outbox.models import Entry, Run, TenantOutbox
from integrations.quota.parking import queue
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import Installation
from integrations.vault import keys

TURN = 10.0  # seconds; then other runs have their turn
CALL = 20.0  # seconds for one call
AFTER_FAILURE = timedelta(minutes=15)
OF_THE_ENTRY = (RequestRejected, BadRequest, ScopeMissing, DestinationRefused)
MOST_FAULTS = 5  # of the vendor in a row over one entry
_BATCH = 200


def advance(run_id: int) -> None:
    """Do one turn of a run, if it is due and no other worker has it."""
    turn.advance(Run, run_id, OutboxTurn)


def start_due(now: datetime) -> list[int]:
    """Start a run for every due outbox that has none and is not paused; their ids."""
    boxes = TenantOutbox.objects.filter(enabled=True)
    return [run.pk for run in boxes.start_due(now, limit=_BATCH, refusal=outbox_pauses.refusal)]


def wake_idle(now: datetime) -> int:
    """Make outboxes due that have something to send and are not: `put` could not, or the app was installed again."""
    ready = Entry.objects.filter(outbox=OuterRef("pk")).ready()
    mine = Installation.objects.installed().filter(app=OuterRef("app"), user_type=OuterRef("level"))
    installed = Exists(mine.filter(resource_id=OuterRef("tenant_id")))
    waiting = TenantOutbox.objects.filter(pk__in=Entry.objects.waiting().values("outbox"), enabled=True, due_at=None)
    return waiting.without_run().filter(installed, Exists(ready)).update(due_at=now)


def take_due(limit: int, _now: datetime) -> list[int]:
    """Ids of due runs, for the dispatcher; the tenants take turns."""
    return Run.objects.take_due(limit, tenant="outbox__tenant_id")


def keep_runs() -> timedelta:
    """How long ended runs are kept."""
    return timedelta(days=settings.JOB_RUN_RETENTION_DAYS)


class OutboxTurn(turn.Turn[Run]):
    """One turn of a run."""

    log_name = "outbox"
    keep_runs = staticmethod(keep_runs)
    park_task = staticmethod(queue.park)

    def __init__(self, run: Run, owner: str) -> None:
        super().__init__(run, owner)
        self._done = run.done
        self._progress: Fields = {}  # columns to write once an entry was sent

    def work(self) -> bool:
        """Send the entries that may be sent. Raises what concerns the whole tenant."""
        box, until = self.run.outbox, clock.monotonic() + TURN
        installed = Installation.objects.installed().filter(app=box.app, user_type=box.level)
        if not installed.filter(resource_id=box.tenant_id).exists():
            raise InstallGone("the app was uninstalled")
        for orphan in Entry.objects.filter(outbox=box, state=Entry.State.SENT):  # no worker waits for its answer
            entry_states.lose(orphan, entry_states.WORKER_ENDED, clock.now())
        while clock.monotonic() < until and not stopping.is_requested():
            entry = Entry.objects.filter(outbox=box).ready().select_related("outbox").first()
            if entry is None:
                return True
            if not outbox_pauses.sends(entry.outbox):
                raise SealBroken(outbox_pauses.NOT_OURS)
            self._send(entry)
        return False

    def log_context(self) -> Fields:
        """The id of the run and the tenant."""
        return {**super().log_context(), "tenant": self.run.outbox.tenant.mailbox_key}

    def result(self) -> Fields:
        """How many entries were sent."""
        return {"done": self._done}

    def checkpoint(self) -> Fields:
        """Likewise."""
        return {"done": self._done}

    def plan_after_success(self, now: datetime) -> None:
        """Nothing is due until the next `put`, which sets the time itself."""

    @classmethod
    def plan_after_incomplete(cls, run: Run, now: datetime) -> None:
        """The entries still wait: try again later."""
        TenantOutbox.objects.filter(pk=run.outbox_id).plan_next(now + AFTER_FAILURE)

    def plan_after_uninstall(self, now: datetime) -> None:
        """Set no due time: a sweep finds the entries after a new installation."""

    def _send(self, entry: Entry) -> None:
        self.renew(**self.checkpoint(), **self._progress)
        self._progress = {}
        try:
            result = self._call(entry)
        except _Withdrawn:
            return
        except RecordChanged as changed:
            entry_states.differ(entry, changed.found, clock.now())
            self.log("warning", "record_changed", {"entry": entry.pk, "operation": entry.operation})
        except OF_THE_ENTRY as error:
            entry_states.reject(entry, error, clock.now())
        except ServerFault as error:  # of a call that may be made twice; one such entry must not stop all others
            if self.run.attempts + 1 < MOST_FAULTS:
                raise
            entry_states.reject(entry, error, clock.now())
        else:
            if result is None:
                return
            entry_states.done(entry, result, clock.now())
            self._done += 1
        self._progress = {"attempts": 0, **error_columns("", "")}
        self.run.attempts = 0

    def _call(self, entry: Entry) -> client.Result | None:
        """Make the call; None if its fate is unknown.

        Raises what the gateway raises about calls that did nothing, and RecordChanged when it is not made.
        """
        box = entry.outbox = self.run.outbox
        self._prove(entry)
        version = entry.version or None
        wanted = target.find(entry.operation, box.app, version=version, params=entry.params, body=entry.body)
        intent = _EntryIntent(self, entry, is_safe=safe_writes.may_repeat(wanted))
        tenant = box.tenant
        how: dict[str, Any] = {tenant.kind: tenant.id, "lane": Lane(entry.lane), "deadline": CALL, "version": version}
        how["app"] = box.app
        if entry.expected is not None:
            self._compare(entry, wanted, how)
        try:
            with attempt_hook.watched(intent):
                return client.call(entry.operation, params=entry.params, body=entry.body, **how)
        except Exception as error:
            if not intent.is_unknown or intent.is_safe:
                Entry.objects.of(entry).not_sent()
                raise
            said, answer = type(error).__name__, NO_ANSWER
            if isinstance(error, IntegrationError):
                said, answer = str(error), error.vendor
            entry_states.lose(entry, said, clock.now(), answer=answer)
            self.log("error", "fate_unknown", {"entry": entry.pk, "operation": entry.operation, "reason": said})
            return None

    def _compare(self, entry: Entry, wanted: target.Target, how: Mapping[str, Any]) -> None:
        """Raise RecordChanged when the record holds other values than the app expected. It costs one read."""
        reader = expected_values.reader_of(wanted, entry.params)
        answer = client.call(reader.key, params=expected_values.arguments(reader, entry.params), **how)
        self.renew()  # the read may have waited for a token and a permit
        if found := expected_values.differing(entry.expected or {}, answer.json):
            raise RecordChanged(found)

    def _prove(self, entry: Entry) -> None:
        """Raise BadRequest for an entry that this application did not put, or not so."""
        keys.ring()  # a wrong ring is no fault of the entry
        if entry_seal.may_be_sent(entry):
            return
        self.log("error", "entry_not_sealed", {"entry": entry.pk})
        audit.record("outbox.not_sealed", actor="system", subject=str(entry.outbox), entry=entry.pk)
        raise BadRequest("this entry was not put by this application, or was changed or moved: it is not sent")


class _EntryIntent(fate.WriteWatcher):
    """Marks the entry as sent right before the request leaves, if this worker still has the run."""

    def __init__(self, turn_: OutboxTurn, entry: Entry, *, is_safe: bool) -> None:
        self.is_safe = is_safe
        self._turn, self._entry = turn_, entry

    def sending(self) -> None:
        """Commit the intent. Of a call that may be made twice none is needed."""
        if not self.is_safe:
            with transaction.atomic():
                self._turn.renew()
                if not Entry.objects.of(self._entry).send(clock.now()):
                    raise _Withdrawn


class _Withdrawn(Exception):
    """An operator discarded the entry at this moment."""
