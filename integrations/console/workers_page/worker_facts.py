"""What the rows of worker processes and of leaders say, for the page. No worker is asked.

A process writes its row each second, so the page is as right as the last second, and it still tells something about a
process that was killed or cut off: its row stays for a while, as silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from integrations.console.doctor.heartbeat_checks import BEAT
from integrations.core import dispatch
from integrations.core.ages import relative, span
from integrations.core.models import LeaderLease, WorkerProcess
from integrations.core.pages.figures import megabytes

LEADERS = {"dispatcher": "sends due work", "parked tasks": "hands out permits", BEAT: "starts maintenance"}


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """One process. `busy` is how many of its threads work; `work` says on what, the longest first."""

    host: str
    process: str
    tone: str
    state: str
    queues: str
    busy: int
    threads: int
    memory: str
    memory_part: int | None
    started_at: datetime
    seen_at: datetime
    work: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class LeaderRow:
    """One kind of leader: who leads, since when, and what it says of itself."""

    name: str
    does: str
    tone: str
    state: str
    process: str
    since: datetime
    sent: int
    unstarted: int


def workers(now: datetime) -> list[WorkerRow]:
    """All processes that have a row, the silent ones last, each by its host and number."""
    rows = [_worker(one, now) for one in WorkerProcess.objects.all()]
    return sorted(rows, key=lambda row: (row.state.startswith("silent"), row.host, row.process))


def leaders(now: datetime) -> list[LeaderRow]:
    """All leases, those of the threads that send work first."""
    rows = [_leader(one, now) for one in LeaderLease.objects.all()]
    order = list(LEADERS)
    return sorted(rows, key=lambda row: (order.index(row.name) if row.name in order else len(order), row.name))


def _worker(one: WorkerProcess, now: datetime) -> WorkerRow:
    host, process = _parts(one.name)
    alive = one.seen_at > now - dispatch.ALIVE
    hung = {str(part["work"]): part for part in one.hung}
    work = [_work(part, hung.get(str(part["work"]))) for part in one.work] if alive else []
    limit = settings.WORKER_MEMORY_BYTES
    tone, state = ("good", "at work" if work else "idle") if alive else ("bad", f"silent, {relative(one.seen_at, now)}")
    if alive and hung:
        tone, state = "bad", f"{len(hung)} of its threads hang"
    return WorkerRow(
        host=host,
        process=process,
        tone=tone,
        state=state,
        queues=", ".join(one.queues),
        busy=len(work),
        threads=one.threads,
        memory=megabytes(one.memory),
        memory_part=min(100, round(100 * one.memory / limit)) if limit and one.memory else None,
        started_at=one.started_at,
        seen_at=one.seen_at,
        work=work,
    )


def _work(part: dict[str, object], hung: dict[str, object] | None) -> dict[str, str]:
    """One thread's work in words. A hung one says where in the code it is."""
    position = f"writes nothing, {hung['position']}" if hung else ""
    return {"title": str(part["work"]), "time": span(int(str(part["seconds"]))), "hung": position}


def _leader(one: LeaderLease, now: datetime) -> LeaderRow:
    host, process = _parts(one.owner)
    held = one.until > now
    tone, state = ("good", "leads") if held else ("bad", f"nobody, since {relative(one.until, now)}")
    if held and one.trouble:
        tone, state = "bad", one.trouble
    where = "" if one.owner == one.name else f"{host}, process {process}"
    return LeaderRow(one.name, LEADERS.get(one.name, ""), tone, state, where, one.since, one.sent, one.unstarted)


def _parts(name: str) -> tuple[str, str]:
    """Host and process id of a lease owner's name; the whole name as the host for one of another form."""
    host, _, rest = name.partition(":")
    return host, rest.partition(":")[0]
