"""MACs of this room's rows (`vault.row_macs`): what decides over each, and what happens to one that does not fit.

::

    schedule    `mac`      app, job, tenant, whether it is on, since when and what it remembers
                `due_mac`  that it is due, and when. A schedule without a due time needs none
    run         schedule and start, whether it goes on, its checkpoint and the rest of its page (`run_mac`)
    trigger     schedule, event or change with its content, and whether it was set aside
    write       whose it is, which call it was, and its answer
    state       of a job: whether it is paused, and since when

A schedule that does not fit starts no run: it is switched off, and a failed run says why. A run that does not fit
fails in its next turn, before the job's function is called, and cannot be resumed. A trigger is set aside. An answer
is not given to the job: the write counts as one of unknown fate, which stops the run until a person decides. A job
whose state does not fit counts as paused.

Who changes a row here computes its MACs with `schedule_columns`, `Run.with_mac` and so on. A row that does not fit gets
no MAC by that, so a change vouches for nothing that another program wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from integrations.core import prepared
from integrations.jobs import run_mac
from integrations.jobs.models import JobState, Run, Schedule, Trigger, Write
from integrations.vault import row_macs, signed_tables
from integrations.vault.signed_tables import SignedTable

Fields = dict[str, Any]

NOT_OURS = row_macs.NOT_OURS
_RESUMABLE = ("running", "failed", "cancelled", "unknown")
_DECISIVE = frozenset({"app_id", "job", "level", "tenant_id", "enabled", "since", "memory"})
_MAKE_DUE = """
UPDATE jobs_schedule SET due_at = %(due_at)s::timestamptz, due_mac = made.mac
FROM unnest(%(ids)s::bigint[], %(macs)s::bytea[]) AS made (id, mac) WHERE jobs_schedule.id = made.id
"""


def refusal(schedule: Schedule) -> str:
    """Why the schedule may not start a run; empty when it may."""
    if not schedule_fits(schedule):
        return f"the schedule was not made like this by this application: {NOT_OURS}"
    if not row_macs.fits(schedule.due_mac, _due(schedule, schedule.due_at)):
        return "this application did not make the schedule due"
    return ""


def schedule_fits(schedule: Schedule) -> bool:
    """Whether this application wrote what decides over the schedule's runs."""
    return row_macs.fits(schedule.mac, _schedule(schedule, {}))


def schedule_columns(schedule: Schedule, **changes: Any) -> Fields:
    """The changes of a schedule that was read, under a lock or unchanged since, with the MACs that go with them."""
    columns = dict(changes)
    if _DECISIVE & changes.keys() and schedule_fits(schedule):
        columns["mac"] = row_macs.mac(_schedule(schedule, changes))
    if "due_at" in changes:
        due_at = changes["due_at"]
        columns["due_mac"] = None if due_at is None else row_macs.mac(_due(schedule, due_at))
    return columns


def signed_schedule(schedule: Schedule) -> Schedule:
    """A new schedule, with its MACs."""
    schedule.mac = row_macs.mac(_schedule(schedule, {}))
    schedule.due_mac = None if schedule.due_at is None else row_macs.mac(_due(schedule, schedule.due_at))
    return schedule


def make_due(schedules: Iterable[Schedule], due_at: datetime) -> list[int]:
    """Make these schedules due, in one statement; their ids. Only who they are for has to be loaded."""
    macs = {schedule.pk: row_macs.mac(_due(schedule, due_at)) for schedule in schedules}
    if macs:
        with prepared.cursor() as cursor:
            cursor.execute(_MAKE_DUE, {"due_at": due_at, "ids": list(macs), "macs": list(macs.values())})
    return list(macs)


def trigger_fits(trigger: Trigger, *, set_aside: bool = False) -> bool:
    """Whether this application gave this event to the job, with this content, and has it wait (or set aside)."""
    return row_macs.fits(trigger.mac, _trigger(trigger, set_aside=set_aside))


def trigger_mac(trigger: Trigger, *, set_aside: bool = False) -> bytes:
    """The MAC of a trigger whose event or change is loaded."""
    return row_macs.mac(_trigger(trigger, set_aside=set_aside))


def write_fits(write: Write) -> bool:
    """Whether this application stored the answer of this write."""
    return row_macs.fits(write.mac, _write(write, write.answer))


def write_mac(write: Write, answer: Any) -> bytes:
    """The MAC of a write that has this answer."""
    return row_macs.mac(_write(write, answer))


def state_fits(state: JobState) -> bool:
    """Whether this application wrote that the job is paused, or is not."""
    return row_macs.fits(state.mac, _state(state))


def signed_state(state: JobState) -> JobState:
    """A job's state with the MAC of what it has now."""
    state.mac = row_macs.mac(_state(state))
    return state


def register(doubted: Callable[[Sequence[Write], str], None]) -> None:
    """Register the tables with `vault.signed_tables`, and what discards answers. Called once at start-up."""
    answered = Write.objects.filter(state=Write.State.CONFIRMED)
    signed_tables.register(
        SignedTable(Schedule, Schedule.objects.all, _lacks_of_schedule),
        SignedTable(Run, Run.objects.filter(status__in=_RESUMABLE).all, _lacks_of_run),
        SignedTable(Trigger, Trigger.objects.all, _lacks_of_trigger, loaded=_with_what_happened),
        SignedTable(JobState, JobState.objects.all, _lacks_of_state),
        SignedTable(Write, answered.all, _lacks_of_write, discarded=doubted),
    )


def _with_what_happened(triggers: QuerySet[Trigger]) -> QuerySet[Trigger]:
    return triggers.select_related("event", "change")


def _schedule(schedule: Schedule, changes: Fields) -> bytes:
    def now(name: str) -> Any:
        return changes.get(name, getattr(schedule, name))

    who = [schedule.app_id, schedule.job, schedule.level, schedule.tenant_id]
    return row_macs.content("job schedule", *who, now("enabled"), now("since"), now("memory"))


def _due(schedule: Schedule, due_at: datetime | None) -> bytes:
    who = [schedule.app_id, schedule.job, schedule.level, schedule.tenant_id]
    return row_macs.content("job schedule due", *who, due_at)


def _trigger(trigger: Trigger, *, set_aside: bool) -> bytes:
    head = ["job event", trigger.schedule_id, trigger.event_id, trigger.change_id, set_aside]
    if trigger.event is not None:
        event = trigger.event
        return row_macs.stored_content(*head, event.type, event.webhook_id, event.payload)
    change = trigger.change
    assert change is not None, "a trigger has an event or a change"
    of_change = [change.installation_id, change.what, change.at, change.old, change.new, change.event_id]
    return row_macs.content(*head, *of_change)


def _write(write: Write, answer: Any) -> bytes:
    """Its run counts only for a plain write outside an event. The run of another may be deleted before it."""
    run_id = None if write.key or write.trigger_id else write.run_id
    which = [write.schedule_id, write.key, write.operation, write.fingerprint, write.number, write.in_page]
    return row_macs.content("job write", *which, run_id, write.trigger_id, answer)


def _state(state: JobState) -> bytes:
    return row_macs.stored_content("job state", state.job, state.paused_at)


def _lacks_of_state(row: JobState) -> dict[str, Any]:
    has = {"mac": row.mac}
    return row_macs.other(has, {"mac": signed_state(row).mac})


def _lacks_of_schedule(row: Schedule) -> dict[str, Any]:
    has = {"mac": row.mac, "due_mac": row.due_mac}
    signed_schedule(row)
    return row_macs.other(has, {"mac": row.mac, "due_mac": row.due_mac})


def _lacks_of_run(row: Run) -> dict[str, Any]:
    page = run_mac.page_digest(row.page)
    content = run_mac.content(row.schedule_id, row.started_at, row.status, row.checkpoint, page)
    return row_macs.other({"mac": row.mac}, {"mac": row_macs.mac(content)})


def _lacks_of_trigger(row: Trigger) -> dict[str, Any]:
    return row_macs.other({"mac": row.mac}, {"mac": trigger_mac(row, set_aside=row.set_aside_at is not None)})


def _lacks_of_write(row: Write) -> dict[str, Any]:
    return row_macs.other({"mac": row.mac}, {"mac": write_mac(row, row.answer)})
