"""Dispatcher: finds database rows that are due and sends a Celery message for each of them.

The database is the queue. A row that has work to do has a due time, and the code that writes the row sends no
message. A thread in every worker process (`Dispatcher`) looks for due rows, and one of these threads leads. It sends a
message per row, and only as many as workers can begin soon, so the broker never holds a backlog:

- `take` marks a row as sent before its message leaves: it is not due again until `LOST_AFTER`. So the broker holds at
  most one live message per row, and a lost message costs that many seconds. When a worker process falls silent, what
  it may have taken along is sent again at once (`DueSource.resend`). So is everything that no worker has begun when
  this process had to connect to the broker anew, because a broker that was restarted may have lost all messages.
- Of each source at most `PER_THREAD` messages per worker thread are in flight. The rows decide what has begun, not
  the broker, because a broker can lose messages and does not say so.
- Every source has that number to itself. Ten thousand due refreshes therefore delay no webhook: the messages of both
  sources alternate in the queue. Sources of the urgent queue (webhooks, token refresh, installs) never wait behind
  those of the other one (jobs, sync).
- Within a source the room that owns the rows decides which row is next (`DueSource.take`).
- A look begins with one statement that says which sources have due rows (`due_probe`). The others are left alone.

No statement depends on there being one leader (`core.leader`): `take` is conditional, so two can only waste time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog
from django import db
from django.db.models import Model, Q, QuerySet
from kombu.exceptions import OperationalError

from integrations.core import clock
from integrations.core.celery_tasks import DEFAULT, deliver
from integrations.core.due_probe import DueProbe, DueRows
from integrations.core.leader import RENEW_SECONDS, LeaderThread
from integrations.core.lease_owner import process_of
from integrations.core.models import WorkerProcess
from integrations.core.process import activity, broker_connections, memory
from integrations.core.process.silence import SilenceWatch

LOST_AFTER = timedelta(seconds=20)  # a message that no worker has begun by then is sent again
PER_THREAD = 2  # messages in flight per worker thread and source
PERIOD = 0.1  # seconds between two looks of the leader
LEASE_TERM = timedelta(seconds=3)
ALIVE = timedelta(seconds=15)  # a worker process that has not reported for so long is not counted
REMEMBERED = timedelta(hours=1)  # and pages show it as silent for so long
_FEWEST = 4
_DATABASE_AWAY = db.OperationalError, db.InterfaceError
_BROKER_WAIT = timedelta(seconds=2)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DueSource:
    """A kind of row that falls due, and how the dispatcher handles it.

    `take(limit, now)` returns the ids of up to `limit` due rows in the order in which they are to be handled, and sets
    their due time to `now + lost_after`. `find_unstarted(sent)` gets that due time by id and returns the ids of rows
    that no worker has begun. `make_due_again(ids, now)` is for rows whose messages could not be sent. `prepare(now)`,
    if given, runs first, for example to start runs of due plans. `end_leases(owners, now)`, if given, ends the leases
    whose owners' names begin so, because their processes fell silent, and returns how many. It is for rows whose work
    is one transaction, so that a process which was only frozen does no harm when it goes on. `resend(now)` then makes
    rows due again whose messages no worker has begun. None of these calls the vendor or waits for a row's lock.

    `due_rows(now)`, if given, are the rows without which neither `prepare` nor `take` finds anything. A source without
    it is looked at each time.
    """

    name: str
    task: str
    argument: str  # the task's keyword that takes the row's id
    take: Callable[[int, datetime], Collection[int]]
    find_unstarted: Callable[[Mapping[int, datetime]], Collection[int]]
    make_due_again: Callable[[Collection[int], datetime], None]
    prepare: Callable[[datetime], object] | None = None
    end_leases: Callable[[Collection[str], datetime], int] | None = None
    resend: Callable[[datetime], int] | None = None
    lost_after: timedelta = LOST_AFTER
    due_rows: DueRows | None = None
    queue: str = DEFAULT
    every: timedelta = timedelta(0)  # the shortest time between two looks; 0: in each round


SOURCES: dict[str, DueSource] = {}


def register(source: DueSource) -> None:
    """Add `source` to what the dispatcher sends. A room calls this in its `AppConfig.ready`."""
    SOURCES[source.name] = source


def mark_sent(rows: QuerySet[Model], limit: int, **fields: object) -> list[int]:
    """Write `fields` to the first `limit` rows and return their ids, in the order of `rows`.

    Rows that another transaction has locked are left for the next time: a worker that froze inside a transaction must
    not stop the dispatcher. The lock and the UPDATE are one statement each, in the caller's transaction.
    """
    ids = list(rows.select_for_update(skip_locked=True, of=("self",), no_key=True).values_list("pk", flat=True)[:limit])
    if ids:
        rows.model._default_manager.filter(pk__in=ids).update(**fields)  # noqa: SLF001 - Django's documented name
    return ids


@dataclass
class _Progress:
    """The leader's state of one source: messages in flight, and when to look again."""

    on_their_way: dict[int, datetime] = field(default_factory=dict)  # row id: when it counts as lost
    look_at: datetime | None = None


class Sender:
    """Sends messages for due rows. The caller keeps `threads` current: worker threads by queue."""

    def __init__(self, sources: Mapping[str, DueSource] = SOURCES) -> None:
        self.threads: Mapping[str, int] = {}
        self.sent = 0
        self.trouble = ""  # why it cannot send, for operators
        self._sources = sources
        self._probe: DueProbe | None = None
        self._progress: dict[str, _Progress] = {}
        self._silent: set[str] = set()  # worker processes, as of the last look
        self._broker_away_until: datetime | None = None
        self._connections = broker_connections.count()

    def send_due(self, now: datetime) -> int:
        """Look at every source once and send its due rows. Returns how many messages were sent.

        A fault of one source is logged and holds up no other. Raises the database's errors when it is unavailable.
        """
        if self._connections != broker_connections.count():
            self._send_again(now)
        if self._broker_away_until is not None and now < self._broker_away_until:
            return 0
        before = self.sent
        due = self._due(now)
        for source in self._sources.values():
            progress = self._progress.setdefault(source.name, _Progress())
            is_early = progress.look_at is not None and now < progress.look_at
            if is_early or (source.name not in due and not progress.on_their_way):
                continue
            progress.look_at = now + source.every
            try:
                self._serve(source, progress, now)
            except (OperationalError, OSError) as error:
                self._broker_away_until = now + _BROKER_WAIT
                self.trouble = f"the broker does not take messages ({type(error).__name__})"
                log.warning("dispatch.broker_away", source=source.name, reason=type(error).__name__)
                break
            except _DATABASE_AWAY:
                raise
            except Exception:
                log.exception("dispatch.source_failed", source=source.name)  # the sources after it must not wait
        return self.sent - before

    def take_over(self, silent: Collection[str], now: datetime) -> None:
        """Let others do what worker processes that fell silent had: their leases end, their messages are sent again.

        Their leases more than once, because a frozen transaction may hold a row's lock for a while.
        """
        new, self._silent = set(silent) - self._silent, set(silent)
        owners = [owner for owner in map(process_of, silent) if owner]
        for source in self._sources.values() if owners else ():
            ended = source.end_leases(owners, now) if source.end_leases is not None else 0
            resent = source.resend(now) if new and source.resend is not None else 0
            if ended or resent:
                log.warning("dispatch.taken_over", source=source.name, owners=owners, leases=ended, messages=resent)

    def unstarted_count(self) -> int:
        """How many messages are in flight, as of the last look."""
        return sum(len(progress.on_their_way) for progress in self._progress.values())

    def _send_again(self, now: datetime) -> None:
        """Make rows due again whose messages no worker has begun: the broker may have lost them."""
        self._connections, self._broker_away_until = broker_connections.count(), None
        for name, progress in self._progress.items():
            source, sent = self._sources[name], progress.on_their_way
            unstarted = source.find_unstarted(sent) if sent else ()
            if unstarted and source.resend is not None:
                source.resend(now)
            elif unstarted:
                source.make_due_again(unstarted, now)
            progress.on_their_way, progress.look_at = {}, None
            if unstarted:
                log.info("dispatch.sent_again", source=name, messages=len(unstarted))

    def _due(self, now: datetime) -> Collection[str]:
        """The names of the sources to look at."""
        if self._probe is None:
            self._probe = DueProbe({one.name: one.due_rows for one in self._sources.values() if one.due_rows})
        try:
            due = self._probe.find(now)
        except _DATABASE_AWAY:
            raise
        except Exception:
            log.exception("dispatch.probe_failed")  # a fault of one source's condition must not hold up the others
            due, self._probe = frozenset(), DueProbe({})
        return due | (self._sources.keys() - self._probe.names)

    def _serve(self, source: DueSource, progress: _Progress, now: datetime) -> None:
        if source.prepare is not None:
            source.prepare(now)
        most = max(_FEWEST, PER_THREAD * self.threads.get(source.queue, 0))
        free = most - self._still_unstarted(source, progress, now)
        if free <= 0:
            return
        ids = list(source.take(free, now))
        for number, row_id in enumerate(ids):
            try:
                deliver(source.task, {source.argument: row_id}, queue=source.queue)
            except (OperationalError, OSError):
                source.make_due_again(ids[number:], now)
                raise
            progress.on_their_way[row_id] = now + source.lost_after
            self.sent += 1
            self.trouble = ""

    def _still_unstarted(self, source: DueSource, progress: _Progress, now: datetime) -> int:
        sent = {row_id: lost_at for row_id, lost_at in progress.on_their_way.items() if lost_at > now}
        still = set(source.find_unstarted(sent)) if sent else set()
        progress.on_their_way = {row_id: sent[row_id] for row_id in still}
        return len(still)


class Dispatcher(LeaderThread):
    """The dispatcher's thread in one worker process.

    `start` and `stop` it with the process, whose `threads` worker threads serve `queues`.
    """

    lease_name, term = "dispatcher", LEASE_TERM

    def __init__(self, *, threads: int, queues: Iterable[str]) -> None:
        super().__init__()
        self._threads, self._queues = threads, sorted(queues)
        self._watch = SilenceWatch()

    def work(self) -> None:
        """Report this process, and lead unless another process does."""
        sender = Sender()
        silent = self._report()
        while not self.stopping.is_set() and self._hold(sender):
            sender.take_over(silent, clock.now())
            WorkerProcess.objects.forget(clock.now() - REMEMBERED)
            sender.threads = WorkerProcess.objects.threads(clock.now() - ALIVE)
            renew_at = clock.monotonic() + RENEW_SECONDS
            while clock.monotonic() < renew_at and not self.stopping.wait(PERIOD):
                sender.send_due(clock.now())
            silent = self._report()

    def _report(self) -> list[str]:
        """Report this process. Returns the names of those that fell silent."""
        running, now = activity.running(), clock.now()
        WorkerProcess.objects.report(
            self.owner,
            threads=self._threads,
            queues=self._queues,
            now=now,
            memory=memory.resident(),
            work=[one.summary() for one in running],
            hung=[one.describe() for one in running if one.is_nearly_hung],
        )
        return self._watch.silent(WorkerProcess.objects.reports(now - ALIVE))

    def leave(self) -> None:
        """Remove this process from the list of workers, and release the lease."""
        WorkerProcess.objects.filter(name=self.owner).delete()
        super().leave()

    def _hold(self, sender: Sender) -> bool:
        return self.hold(sent=sender.sent, unstarted=sender.unstarted_count(), trouble=sender.trouble)


def find_unstarted(model: type[Model], due: str, free: Q, sent: Mapping[int, datetime]) -> list[int]:
    """The ids of `sent` that no worker has begun: rows still `free`, with the column `due` as `take` set it."""
    rows = model._default_manager.filter(free, pk__in=list(sent))  # noqa: SLF001 - Django's documented name
    return [pk for pk, due_at in rows.values_list("pk", due) if due_at == sent[pk]]


def make_due_again(model: type[Model], due: str, ids: Collection[int], now: datetime) -> None:
    """Set the column `due` of these rows to now."""
    model._default_manager.filter(pk__in=list(ids)).update(**{due: now})  # noqa: SLF001 - Django's documented name


def rows_due(
    model: type[Model], due: str, *, name: str, task: str, argument: str, every: timedelta = timedelta(0)
) -> DueSource:
    """The source of rows that need no lease: due at their column `due`, the longest waiting first."""

    def due_rows(now: datetime) -> QuerySet[Model]:
        return model._default_manager.filter(**{f"{due}__lte": now})  # noqa: SLF001 - documented

    def take(limit: int, now: datetime) -> list[int]:
        with db.transaction.atomic():
            return mark_sent(due_rows(now).order_by(due), limit, **{due: now + LOST_AFTER})

    return DueSource(
        name=name,
        task=task,
        argument=argument,
        take=take,
        find_unstarted=partial(find_unstarted, model, due, Q()),
        make_due_again=partial(make_due_again, model, due),
        due_rows=lambda now: [due_rows(now)],
        every=every,
    )
