"""The dispatcher sends what is due, only as much as workers can begin, and goes on when others fail."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
import redis
from celery import current_app
from django.db import OperationalError as DatabaseAway
from django.db import connection, connections, transaction
from kombu.exceptions import OperationalError

from integrations.core import clock, dispatch
from integrations.core.celery_tasks import DEFAULT, URGENT
from integrations.core.dispatch import Dispatcher, DueSource, Sender
from integrations.core.models import LeaderLease, WorkerProcess
from integrations.core.process import broker_connections, silence
from tests.support.waiting import wait_until

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)


@dataclass
class Rows:
    """Due rows in memory, as a room keeps them in its table."""

    due: list[int] = field(default_factory=list)
    begun: set[int] = field(default_factory=set)
    given_back: list[int] = field(default_factory=list)

    def take(self, limit: int, now: datetime) -> list[int]:
        taken, self.due = self.due[:limit], self.due[limit:]
        return taken

    def find_unstarted(self, sent: Mapping[int, datetime]) -> Collection[int]:
        return set(sent) - self.begun

    def make_due_again(self, ids: Collection[int], now: datetime) -> None:
        self.given_back += ids
        self.due = [*ids, *self.due]

    def source(self, name: str = "rows", queue: str = DEFAULT) -> DueSource:
        return DueSource(
            name=name,
            task="room.verb",
            argument="row_id",
            take=self.take,
            find_unstarted=self.find_unstarted,
            make_due_again=self.make_due_again,
            queue=queue,
        )


@pytest.fixture
def delivered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, str]]:
    """The messages that were delivered: task, row and queue."""
    found: list[tuple[str, int, str]] = []
    monkeypatch.setattr(dispatch, "deliver", lambda task, kwargs, queue: found.append((task, kwargs["row_id"], queue)))
    return found


def sender(*sources: DueSource, threads: int = 4) -> Sender:
    made = Sender({source.name: source for source in sources})
    made.threads = {URGENT: threads, DEFAULT: threads}
    return made


def test_a_backlog_stays_in_the_database(delivered: list[tuple[str, int, str]]) -> None:
    rows = Rows(due=list(range(1000)))
    sending = sender(rows.source())
    most = 4 * dispatch.PER_THREAD
    assert [sending.send_due(NOW) for _ in range(3)] == [most, 0, 0]
    rows.begun |= {0, 1, 2}
    assert sending.send_due(NOW) == 3
    assert [row for _, row, _ in delivered] == list(range(most + 3)), "in the order of the room"


def test_a_lost_message_costs_seconds(delivered: list[tuple[str, int, str]]) -> None:
    rows = Rows(due=list(range(1000)))
    sending = sender(rows.source())
    sending.send_due(NOW)
    later = NOW + dispatch.LOST_AFTER + timedelta(seconds=1)
    assert sending.send_due(later) == 4 * dispatch.PER_THREAD, "what counts as lost takes no room any more"


def test_a_broker_that_was_restarted_gets_all_messages_again(delivered: list[tuple[str, int, str]]) -> None:
    """It may have lost them, and no send failed. What a worker has begun is not sent again."""
    most = 4 * dispatch.PER_THREAD
    rows, resent = Rows(due=list(range(most))), Rows(due=[100, 101])

    def resend(now: datetime) -> int:
        resent.make_due_again([101], now)
        return 1

    sending = sender(rows.source(), replace(resent.source("others"), resend=resend))
    sending.send_due(NOW)
    rows.begun |= {0, 1}
    resent.begun.add(100)
    assert sending.send_due(NOW) == 0
    broker_connections.note()
    assert sending.send_due(NOW) == most - 2 + 1
    assert sorted(row for _, row, _ in delivered[most + 2 :]) == [*range(2, most), 101]
    assert sending.send_due(NOW) == 0


def test_no_source_waits_for_another(delivered: list[tuple[str, int, str]]) -> None:
    flood, webhook = Rows(due=list(range(10_000))), Rows()
    sending = sender(flood.source("refreshes", URGENT), webhook.source("mailboxes", URGENT))
    sending.send_due(NOW)
    webhook.due = [77]
    assert sending.send_due(NOW) == 1
    assert delivered[-1] == ("room.verb", 77, URGENT)


def test_a_broker_that_is_away_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, sent = Rows(due=[1, 2, 3, 4]), list[int]()

    def deliver(task: str, kwargs: dict[str, int], queue: str) -> None:
        if len(sent) == 2:
            raise OperationalError("away")
        sent.append(kwargs["row_id"])

    monkeypatch.setattr(dispatch, "deliver", deliver)
    sending = sender(rows.source())
    assert sending.send_due(NOW) == 2
    assert (rows.given_back, sending.trouble) == ([3, 4], "the broker does not take messages (OperationalError)")
    assert sending.send_due(NOW + timedelta(seconds=1)) == 0, "it is not asked again at once"
    sent.clear()
    assert sending.send_due(NOW + timedelta(seconds=3)) == 2
    assert (sent, sending.trouble) == ([3, 4], "")


def test_a_slow_source_is_looked_at_less_often(delivered: list[tuple[str, int, str]]) -> None:
    rows = Rows(due=[1])
    quiet = DueSource(**{**_fields(rows.source()), "every": timedelta(seconds=1)})
    sending = sender(quiet)
    assert sending.send_due(NOW) == 1
    rows.due = [2]
    assert sending.send_due(NOW + timedelta(seconds=0.9)) == 0
    assert sending.send_due(NOW + timedelta(seconds=1)) == 1


def _fields(source: DueSource) -> dict[str, object]:
    return {name: getattr(source, name) for name in source.__slots__}


def test_a_fault_of_one_source_holds_up_no_other(
    delivered: list[tuple[str, int, str]], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(now: datetime) -> None:
        raise RuntimeError("a bug")

    faulty = DueSource(**{**_fields(Rows(due=[1]).source("faulty")), "prepare": broken})
    sending = sender(faulty, Rows(due=[2]).source("healthy"))
    assert sending.send_due(NOW) == 1
    assert [row for _, row, _ in delivered] == [2]
    assert "dispatch.source_failed" in caplog.text


def test_a_database_that_is_away_is_no_fault_of_a_source(delivered: list[tuple[str, int, str]]) -> None:
    def away(now: datetime) -> None:
        raise DatabaseAway("the server closed the connection")

    sending = sender(DueSource(**{**_fields(Rows().source()), "prepare": away}))
    with pytest.raises(DatabaseAway):
        sending.send_due(NOW)


@pytest.mark.django_db(transaction=True)
class TestThread:
    @pytest.fixture(autouse=True)
    def rows(self, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rows]:
        rows = Rows()
        monkeypatch.setattr(dispatch, "SOURCES", {"rows": rows.source()})
        monkeypatch.setattr(Sender.__init__, "__defaults__", (dispatch.SOURCES,))
        yield rows
        connections.close_all()

    def test_what_becomes_due_is_sent(self, rows: Rows, clean_redis: redis.Redis) -> None:
        dispatcher = Dispatcher(threads=3, queues=[DEFAULT])
        dispatcher.start()
        try:
            wait_until(LeaderLease.objects.exists)
            rows.due = list(range(50))
            queue = f"{current_app.conf.broker_transport_options['global_keyprefix']}api"
            wait_until(lambda: clean_redis.llen(queue) == 3 * dispatch.PER_THREAD)
            assert list(WorkerProcess.objects.values_list("threads", "queues")) == [(3, [DEFAULT])]
        finally:
            dispatcher.stop()
        assert not WorkerProcess.objects.exists()
        assert LeaderLease.objects.get().until <= clock.now(), "another process may lead at once"

    def test_one_leads_and_another_takes_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second = Dispatcher(threads=1, queues=[DEFAULT]), Dispatcher(threads=1, queues=[DEFAULT])
        first.start()
        wait_until(lambda: LeaderLease.objects.filter(owner=first.owner).exists())
        second.start()
        try:
            wait_until(lambda: WorkerProcess.objects.count() == 2)
            assert LeaderLease.objects.get().owner == first.owner
            first.stop()
            wait_until(lambda: LeaderLease.objects.get().owner == second.owner)
        finally:
            second.stop()

    def test_the_leases_of_a_killed_process_end_and_those_of_a_living_one_do_not(
        self, rows: Rows, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(silence, "SILENT_AFTER", 2.0)
        ended: list[str] = []
        source = {**_fields(rows.source()), "end_leases": lambda owners, now: ended.extend(owners)}
        monkeypatch.setitem(dispatch.SOURCES, "rows", DueSource(**source))
        killed = "host:12:abcdef:0123456789ab"
        WorkerProcess.objects.report(killed, threads=1, queues=[], now=clock.now())
        dispatchers = [Dispatcher(threads=1, queues=[DEFAULT]) for _ in range(2)]
        for one in dispatchers:
            one.start()
        try:
            wait_until(lambda: len(ended) > 1)
        finally:
            for one in dispatchers:
                one.stop()
        assert set(ended) == {"host:12:abcdef:"}

    def test_a_fault_of_a_source_does_not_end_the_thread(self, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
        failures = iter([RuntimeError("a bug"), RuntimeError("again")])

        def prepare(now: datetime) -> None:
            for error in failures:
                raise error

        faulty = DueSource(**{**_fields(rows.source()), "prepare": prepare})
        monkeypatch.setitem(dispatch.SOURCES, "rows", faulty)
        dispatcher = Dispatcher(threads=1, queues=[DEFAULT])
        dispatcher.start()
        try:
            rows.due = [1]
            wait_until(lambda: not rows.due)
        finally:
            dispatcher.stop()


@pytest.mark.django_db(transaction=True)
def test_a_locked_row_stops_nothing() -> None:
    """A worker that froze inside a transaction holds its row's lock; the dispatcher leaves that row out."""
    for name in ("frozen", "free"):
        WorkerProcess.objects.report(name, threads=1, queues=[], now=NOW)
    locked, done = threading.Event(), threading.Event()

    def freeze() -> None:
        with transaction.atomic():
            WorkerProcess.objects.select_for_update().get(name="frozen")
            locked.set()
            done.wait(60)
        connection.close()

    worker = threading.Thread(target=freeze)
    worker.start()
    try:
        assert locked.wait(60)
        with transaction.atomic():
            assert dispatch.mark_sent(WorkerProcess.objects.all(), 10, threads=5) == ["free"]
    finally:
        done.set()
        worker.join()


@pytest.mark.django_db
def test_silent_processes_do_not_count() -> None:
    WorkerProcess.objects.report("alive", threads=16, queues=[URGENT, DEFAULT], now=NOW)
    WorkerProcess.objects.report("other", threads=5, queues=[DEFAULT], now=NOW)
    WorkerProcess.objects.report("silent", threads=8, queues=[DEFAULT], now=NOW - timedelta(minutes=1))
    assert WorkerProcess.objects.threads(NOW - dispatch.ALIVE) == {URGENT: 16, DEFAULT: 12 + 5}
    WorkerProcess.objects.forget(NOW - dispatch.ALIVE)
    assert set(WorkerProcess.objects.values_list("name", flat=True)) == {"alive", "other"}
