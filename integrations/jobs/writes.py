"""States of a job's writes (`models.Write`): the intent before the request, and what is known after it.

::

    no row ──send──> sent ──answer──> confirmed          called again, the job gets the stored answer
      ^                │ ╲──no complete answer──> unknown   the run stops; a person or a look-up says what happened
      ╰───refused──────╯

A worker that is killed leaves a row `sent`. The next turn of the schedule finds it and makes it unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction

from integrations.core import audit, clock
from integrations.core.errors import BadRequest
from integrations.core.runs.querysets import error_columns
from integrations.core.texts import storable_json
from integrations.gateway.client import Result
from integrations.jobs import macs
from integrations.jobs.models import Run, Write

log = structlog.get_logger(__name__)

WORKER_ENDED = "the worker ended between the request and its answer"
CODE = "fate_unknown"  # error code of a run that stopped over a write
# No answer can come any more: longer than one call (`job_run.CALL`) takes with its token refresh and retries.
ANSWER_LOST_AFTER = timedelta(seconds=60)
NOT_KNOWN = 0  # the status of a lost answer, of a write that happened
_REASON = 300


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a person decided: the write, and whether its run goes on now."""

    write: Write
    goes_on: bool


def confirm(write: Write, result: Result, now: datetime) -> None:
    """Store the answer.

    If it comes so late that another turn has made the write unknown, it settles that too, and the run goes on.
    """
    answer = {"status": result.status, "json": storable_json(result.json), "trace_id": result.trace_id}
    if not _settle(write, answer, now, was=Write.State.SENT) and _settle(write, answer, now, was=Write.State.UNKNOWN):
        _go_on_without(write, now)


def confirm_found(write: Write, found: Any, now: datetime) -> None:
    """Store what a look-up or a person knows of a write that happened."""
    _settle(write, {"status": NOT_KNOWN, "json": storable_json(found), "trace_id": None}, now, was=Write.State.UNKNOWN)


def refuse(write: Write, now: datetime) -> None:
    """The vendor did not act: forget the write. If another turn has made it unknown meanwhile, the run goes on."""
    if forget(write):
        _go_on_without(write, now)


def forget(write: Write) -> bool:
    """The write did not happen. False when its answer is there."""
    return bool(Write.objects.unsettled().filter(pk=write.pk).delete()[0])


def seconds_for_answer(write: Write, now: datetime) -> float:
    """How long the answer of an unknown write may still come; not above 0 when it cannot.

    It counts from the moment at which the write became unknown, too: the clock that wrote `sent_at` may be another
    machine's, and be behind.
    """
    since = max(write.sent_at, write.settled_at or write.sent_at)
    return (since + ANSWER_LOST_AFTER - now).total_seconds()


def lose(writes: Collection[Write], reason: str, now: datetime) -> None:
    """No answer came: the writes may have happened or not."""
    for write in writes:
        write.state, write.reason = Write.State.UNKNOWN, reason[:_REASON]
    Write.objects.filter(pk__in=[write.pk for write in writes]).lose(reason[:_REASON], now)


def doubt(write: Write, now: datetime) -> None:
    """The stored answer is not of this application: whether the write happened is not known, so a person decides."""
    reason = f"its answer is not of this application: {macs.NOT_OURS}"
    write.state, write.reason, write.answer, write.settled_at = Write.State.UNKNOWN, reason, None, now
    Write.objects.filter(pk=write.pk).doubt(reason, now)
    log.error("job.answer_not_ours", write=write.pk, operation=write.operation, schedule=write.schedule_id)


def discarded(theirs: Iterable[Write], _by: str) -> None:
    """Have a person decide over writes whose answer this application did not store."""
    for write in theirs:
        doubt(write, clock.now())


def result_of(write: Write) -> Result:
    """The stored answer, as the call would return it. `status` is 0 if the answer was lost."""
    assert write.answer is not None, "only a confirmed write has an answer"
    return Result(write.answer["status"], write.answer["json"], write.answer["trace_id"], write.operation)


def halting_columns(write: Write) -> dict[str, Any]:
    """The columns of a run that stops over this write."""
    called = f"{write.operation} ({write.key})" if write.key else write.operation
    words = f"{called} was sent at {write.sent_at:%Y-%m-%d %H:%M:%S} UTC, and {write.reason}: did it happen?"
    return error_columns(CODE, words)


def decide(write_id: int, now: datetime, *, happened: bool, answer: Any = None, by: str) -> Resolved:
    """A person says whether an unknown write happened; then the run that waits for it goes on.

    If it did, the job gets `answer` (JSON) in place of the vendor's, None unless given. If it did not, the write is
    sent again. Raises BadRequest when the write is not unknown, or when its answer may still come.
    """
    with transaction.atomic():
        audit.lock()
        write = Write.objects.unknown().select_related("schedule").select_for_update(of=("self",)).filter(pk=write_id)
        found = write.first()
        if found is None:
            raise BadRequest("this write is not unknown (any more): look at its run again")
        if (seconds := seconds_for_answer(found, now)) > 0:
            raise BadRequest(f"the answer may still come: decide in {seconds:.0f} seconds")
        run = Run.objects.filter(schedule=found.schedule_id, status=Run.Status.UNKNOWN).first()
        if happened:
            confirm_found(found, answer, now)
            if run is not None and not found.key:
                _move(found, run)
        else:
            forget(found)
        subject = f"job {found.schedule.job} for {found.schedule.tenant_id}"
        word = "job.write_happened" if happened else "job.write_did_not_happen"
        audit.record(word, actor=by, subject=subject, operation=found.operation, write=found.pk)
        goes_on = run is not None and go_on(run, now)
    return Resolved(found, goes_on)


def _move(write: Write, run: Run) -> None:
    """A write of an earlier run counts for the one that stopped over it, up to that run's end."""
    if write.run_id != run.pk:
        write.run, write.in_page = run, False
        mac = macs.write_mac(write, write.answer)
        Write.objects.filter(pk=write.pk).update(run=run, in_page=False, mac=mac)


def _go_on_without(write: Write, now: datetime) -> None:
    for run in Run.objects.filter(schedule=write.schedule_id, status=Run.Status.UNKNOWN):
        go_on(run, now)


def go_on(run: Run, now: datetime) -> bool:
    """Let a run that stopped go on, unless another write of its schedule is unknown that it needs."""
    if blocking(run.schedule_id):
        return False
    return Run.objects.resume(run, now, was=(Run.Status.UNKNOWN,))


def blocking(schedule_id: int) -> bool:
    """Whether a plain write of the schedule is unknown. One with a key blocks only a job that asks for it again."""
    return Write.objects.unknown().filter(schedule=schedule_id, key="").exists()


def _settle(write: Write, answer: dict[str, Any], now: datetime, *, was: str) -> bool:
    write.state, write.answer = Write.State.CONFIRMED, answer
    return bool(Write.objects.filter(pk=write.pk, state=was).confirm(answer, macs.write_mac(write, answer), now))
