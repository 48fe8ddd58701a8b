"""Runs of upserts: each sends the rows that wait, one after the other, and then is complete.

The intent of a row is committed before its request leaves. A row whose answer is lost is unknown, and never sent again
unseen: when no row waits any more, and no answer can come any more, the run asks the vendor for the record. If it has
what the row says, the row is done. If it has not, and the call may be made twice (`safe_writes`), the row is sent
again. All else is for a person (`bulk_upsert.decide`).

The engine of durable runs does the rest (`core.runs.turn`): without a permit the run is parked, a temporary error lets
it try again, an uninstall cancels it. The rows are its checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from integrations.core import audit, clock
from integrations.core.errors import (
    NO_ANSWER,
    BadRequest,
    InstallGone,
    IntegrationError,
    OtherAccount,
    RequestRejected,
    Retryable,
    SealBroken,
    VendorAnswer,
)
from integrations.core.process import stopping
from integrations.core.runs import turn
from integrations.core.runs.querysets import Fields, error_columns
from integrations.gateway import client, fate, safe_writes
from integrations.gateway.stats import attempt_hook
from integrations.jobs.writes import WORKER_ENDED
from integrations.quota import usage
from integrations.quota.parking import queue
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import Installation
from integrations.upserts import comparison, look_up, pricing, upsert_key
from integrations.upserts.models import Run, Upsert, UpsertRow
from integrations.upserts.upsert_key import RowContent
from integrations.vault import keys

TURN = 10.0  # seconds; then other runs have their turn
CALL = 20.0  # seconds for one call
AFTER_FAILURE = timedelta(minutes=15)
SPENDER = "bulk upsert"  # in statistics of usage, beside the names of jobs
MOST_SENDS = 3  # of one row whose answers were lost, each of which a look-up proved to have done nothing
_OF_ALL_ROWS = (401, 403)  # refusals that the next row would meet, too
_BATCH = 100
_STARTS = 100


def advance(run_id: int) -> None:
    """Do one turn of a run, if it is due and no other worker has it."""
    turn.advance(Run, run_id, UpsertTurn)


def start_due(now: datetime) -> list[int]:
    """Start a run for every due upsert that has none; their ids."""
    started = Upsert.objects.filter(enabled=True, phase=Upsert.Phase.STARTED)
    return [run.pk for run in started.start_due(now, limit=_STARTS)]


def take_due(limit: int, _now: datetime) -> list[int]:
    """Ids of due runs, for the dispatcher; the tenants take turns."""
    return Run.objects.take_due(limit, tenant="upsert__tenant_id")


def cancel(runs: QuerySet[Run], now: datetime, *, reason: str) -> list[int]:
    """Cancel runs, even while a worker is at them; the ids of those that had not ended. The rows stay as they are."""
    chosen = Run.objects.filter(pk__in=runs.values("pk"))
    return [run.pk for run in chosen.cancel(now, reason=reason, set_plan=UpsertTurn.plan_after_incomplete)]


def keep_runs() -> timedelta:
    """How long ended runs are kept: as long as their upsert."""
    return timedelta(days=settings.UPSERT_RETENTION_DAYS)


class UpsertTurn(turn.Turn[Run]):
    """One turn of a run."""

    log_name = "upserts"
    keep_runs = staticmethod(keep_runs)
    park_task = staticmethod(queue.park)

    def __init__(self, run: Run, owner: str) -> None:
        super().__init__(run, owner)
        self._upsert = run.upsert
        self._tenant = run.upsert.tenant
        self._done = run.done
        self._rest = 0.0  # seconds before the next turn
        self._progress: Fields = {}  # columns to write once a row was sent

    def work(self) -> bool:
        """Send the rows that wait, then look up those of unknown fate. Raises what concerns all rows."""
        installed = Installation.objects.installed().filter(app=self._upsert.app, user_type=self._upsert.level)
        if not installed.filter(resource_id=self._upsert.tenant_id).exists():
            raise InstallGone("the app was uninstalled")
        keys.ring()  # a wrong ring is no fault of the rows
        self._target = pricing.target_of(self._upsert)
        self._matcher = comparison.matcher_of(self._target)
        self._cipher = upsert_key.cipher(self._upsert)
        with usage.spent_by(SPENDER):
            for orphan in self._rows("sent"):  # no worker waits for its answer
                self._lose(orphan, WORKER_ENDED)
            return self._work(clock.monotonic() + TURN)

    def hand_back(self) -> None:
        """The turn is over; the next one comes at once, unless it is to look up rows."""
        self._runs.hand_back(self.run, self.owner, wait=self._rest, **self.checkpoint())

    def log_context(self) -> Fields:
        """The id of the run, the upsert and the tenant."""
        return {**super().log_context(), "upsert": self._upsert.pk, "tenant": self._tenant.mailbox_key}

    def result(self) -> Fields:
        """How many rows are done."""
        return {"done": self._done}

    def checkpoint(self) -> Fields:
        """Likewise."""
        return {"done": self._done}

    def plan_after_success(self, now: datetime) -> None:
        """Nothing is due any more."""

    def plan_after_failure(self, now: datetime, error: Exception | None) -> None:
        """When the vendor was away the rows are tried again later. All else a person has to cure."""
        if isinstance(error, Retryable):
            Upsert.objects.filter(pk=self.run.upsert_id).plan_next(now + AFTER_FAILURE)

    @classmethod
    def plan_after_incomplete(cls, run: Run, now: datetime) -> None:
        """A cancelled run goes on when an operator or the app resumes its upsert."""

    def _work(self, until: float) -> bool:
        while not self._is_over(until):
            rows = list(self._rows("waiting")[:_BATCH])
            if not rows:
                return self._look_up(until)
            self._send_batch(rows, until)
        return False

    def _rows(self, *states: str) -> QuerySet[UpsertRow]:
        return UpsertRow.objects.filter(upsert=self._upsert, state__in=states).order_by("number")

    def _is_over(self, until: float) -> bool:
        return clock.monotonic() >= until or stopping.is_requested()

    def _send_batch(self, rows: Sequence[UpsertRow], until: float) -> None:
        """Skip what the copy has by now, and send the others. The lease is renewed before each."""
        self.renew(**self.checkpoint())
        genuine = [(row, content) for row in rows if (content := self._content(row)) is not None]
        found = pricing.alike(self._upsert, self._matcher, [content for _, content in genuine])
        same = [(row, record.record_id) for (row, _), record in zip(genuine, found, strict=True) if record is not None]
        self._done += sum(UpsertRow.objects.of(row).unchanged(record_id, clock.now()) for row, record_id in same)
        for (row, content), record in zip(genuine, found, strict=True):
            if self._is_over(until):
                return
            if record is None:
                self._send(row, content)

    def _content(self, row: UpsertRow) -> RowContent | None:
        """What the row says; None for one that this application did not write, which is never sent."""
        try:
            return self._cipher.content(row)
        except (SealBroken, ValueError):
            self.log("error", "row_not_sealed", {"row": row.number})
            audit.record("upsert.not_sealed", actor="system", subject=self._tenant.audit_subject, row=row.number)
            reason = "this row was not written by this application, or was changed or moved: it is not sent"
            UpsertRow.objects.of(row).reject("seal_broken", reason, clock.now())
            return None

    def _send(self, row: UpsertRow, content: RowContent) -> None:
        self.renew(**self.checkpoint(), **self._progress)
        self._progress = {}
        try:
            result = self._call(row, content)
        except _Withdrawn:
            return
        except RequestRejected as error:
            if isinstance(error, OtherAccount) or error.vendor.status in _OF_ALL_ROWS:
                raise
            UpsertRow.objects.of(row).refuse(error, clock.now())
        except BadRequest as error:
            UpsertRow.objects.of(row).refuse(error, clock.now())
        else:
            record_id, created = look_up.record_in(result.json, self._matcher)
            UpsertRow.objects.of(row).done(result, record_id, clock.now(), created=created)
            self._done += 1
        self._progress = {"attempts": 0, **error_columns("", "")}

    def _call(self, row: UpsertRow, content: RowContent) -> client.Result:
        """Make the call. Raises what the gateway raises; a row whose fate is unknown is marked before."""
        intent = _RowIntent(self, row)
        try:
            with attempt_hook.watched(intent):
                return client.call(self._upsert.operation, params=content.params, body=content.body, **self._how())
        except Exception as error:
            if not intent.is_unknown:
                UpsertRow.objects.of(row).not_sent()
                raise
            said = str(error) if isinstance(error, IntegrationError) else type(error).__name__
            self._lose(row, said, error.vendor if isinstance(error, IntegrationError) else NO_ANSWER)
            self.log("error", "fate_unknown", {"row": row.number, "reason": said})
            raise

    def _how(self) -> dict[str, Any]:
        version = self._upsert.version or None
        how: dict[str, Any] = {"app": self._upsert.app, "lane": Lane.BULK, "deadline": CALL, "version": version}
        return how | {self._tenant.kind: self._tenant.id}

    def _lose(self, row: UpsertRow, reason: str, answer: VendorAnswer = NO_ANSWER) -> None:
        try:
            held = self._cipher.held(row)
        except (SealBroken, ValueError):
            held = ""  # it cannot be sent or compared: a person decides whether it happened
        UpsertRow.objects.of(row).lose(reason, held, clock.now(), answer=answer)

    def _look_up(self, until: float) -> bool:
        """Ask the vendor about the rows of unknown fate. True when none is left that it could decide."""
        if self._matcher is None or not look_up.is_possible(self._matcher):
            return True
        for row in self._rows("unknown").filter(looked_up_at=None).exclude(body=""):
            if self._is_over(until):
                return False
            wait = look_up.seconds_for_answer(row, clock.now())
            if wait > 0:
                self._rest = wait if not self._rest else min(wait, self._rest)
                continue
            self.renew(**self.checkpoint())
            self._decide(row)
        return not self._rest and not self._rows("waiting").exists()

    def _decide(self, row: UpsertRow) -> None:
        assert self._matcher is not None, "only rows that can be looked up are decided about"
        try:
            content = self._cipher.content(row)
        except (SealBroken, ValueError):
            UpsertRow.objects.of(row).looked_up("its content does not open", clock.now())
            return
        try:
            record = look_up.record_of(self._matcher, content, self._tenant, self._how())
        except (RequestRejected, BadRequest) as error:
            UpsertRow.objects.of(row).looked_up(f"it could not be looked up: {error}", clock.now())
            return
        if record is not None and self._matcher.is_like(content, record, self._tenant.request_fields):
            record_id = self._matcher.resource.record_id(record) or ""
            UpsertRow.objects.of(row).happened(
                record_id, "its answer was lost: the record has what it says", clock.now()
            )
            self._done += 1
        elif not safe_writes.may_repeat(self._target):
            UpsertRow.objects.of(row).looked_up("the record does not have what it says", clock.now())
        elif row.times_sent >= MOST_SENDS:
            UpsertRow.objects.of(row).give_up(f"sent {row.times_sent} times without effect: {row.error}", clock.now())
        else:
            again = self._cipher.encrypted(row.number, content, may_be_sent=True)
            if UpsertRow.objects.of(row).did_not_happen(again):
                self.log("warning", "sent_again", {"row": row.number})


class _RowIntent(fate.WriteWatcher):
    """Marks the row as sent right before the request leaves, if this worker still has the run."""

    def __init__(self, turn_: UpsertTurn, row: UpsertRow) -> None:
        self._turn, self._row = turn_, row
        self._times = row.times_sent + 1

    def sending(self) -> None:
        """Commit the intent."""
        with transaction.atomic():
            self._turn.renew()
            if not UpsertRow.objects.of(self._row).send(clock.now(), times_sent=self._times):
                raise _Withdrawn


class _Withdrawn(Exception):
    """The row was settled by another one at this moment."""
