"""Parked tasks and real workers: each delivered once, in order, never too fast, and none lost by a kill."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from django.db import connection
from pytest_django import Settings

from integrations.core import clock
from integrations.core.models import LeaderLease
from integrations.quota.models import Parked
from integrations.quota.parking import queue
from integrations.quota.parking.parked_task_sender import LEASE_NAME
from integrations.quota.permits.lanes import Lane
from tests.quota.parked import APP, RESOURCE, opened
from tests.quota.permits.test_governor_chaos import Store
from tests.quota.workers import Worker, Workers, busiest, workers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

TASKS, LIMIT, WINDOW = 500, 100, 1.0


@pytest.fixture(autouse=True)
def namespace(clean_redis: redis.Redis, settings: Settings) -> None:
    settings.NAMESPACE = connection.settings_dict["NAME"]  # as the workers have it, from their URL


def park(numbers: range, resource: str = RESOURCE, lane: Lane = Lane.BULK) -> None:
    for number in numbers:
        queue.enqueue("tests.spend", app=APP, resource=resource, lane=lane, number=number, key=f"{APP}:{resource}")


def all_done(group: Workers, count: int) -> None:
    group.wait_for(lambda: len(group.done()) >= count, seconds=60.0)
    group.wait_for(lambda: not Parked.objects.exists())


def test_each_is_delivered_once_in_order_and_no_window_holds_too_many(tmp_path: Path) -> None:
    opened(LIMIT)
    with workers(tmp_path, 2, limit=LIMIT) as group:
        group.leader()
        park(range(TASKS))
        all_done(group, TASKS)
        called = group.lines("called")
        assert len(group.lines("delivered")) <= 1.05 * TASKS
        assert group.done() == Counter(range(TASKS))
        assert busiest([line.at for line in called], WINDOW) <= LIMIT
        late = [abs(place - line.number) for place, line in enumerate(sorted(called, key=lambda line: line.at))]
        # Threads that start together may overtake each other, and the machine may stop one of them for a while. In no
        # order at all, a task would be 167 places away on average.
        assert sorted(late)[int(0.95 * TASKS)] <= 32, "sent in order"


def test_a_flood_of_one_tenant_delays_no_other(tmp_path: Path) -> None:
    opened(20)
    opened(20, resource="another")
    with workers(tmp_path, 2, limit=20) as group:
        group.leader()
        park(range(TASKS))
        group.wait_for(lambda: len(group.done()) >= 20)
        for number in range(10):
            park(range(1000 + number, 1001 + number), resource="another", lane=Lane.EVENTS)
            group.wait_for(lambda number=number: 1000 + number in group.done("another"))
        assert Parked.objects.filter(key=f"{APP}:{RESOURCE}").count() > 100, "the flood takes twenty seconds yet"


def only_left_in(group: Workers, lost: Worker) -> bool:
    """Whether every row still there is one that this worker has begun: the others have done all they can."""
    begun = {line.number for line in group.lines("delivered") if line.pid == lost.pid}
    return all(row.state == "running" and row.kwargs["number"] in begun for row in Parked.objects.all())


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
def test_the_leader_is_lost_and_nothing_is_forgotten_or_doubled(tmp_path: Path, blow: signal.Signals) -> None:
    count = 150
    opened(50)
    with workers(tmp_path, 2, limit=50) as group:
        leader = group.leader()
        park(range(count))
        group.wait_for(lambda: len(group.done()) >= 40)
        leader.process.send_signal(blow)
        group.running.remove(leader)
        group.leader()
        group.wait_for(lambda: only_left_in(group, leader), seconds=60.0)
        held = {row.kwargs["number"] for row in Parked.objects.all()}
        assert held >= set(range(count)) - set(group.done()), "no task is lost"
        assert len(held) <= 8, "those in the lost worker's threads"
        Parked.objects.update(back_at=clock.now())  # half a minute later
        all_done(group, count)
        group.running.append(leader)
        assert set(group.done()) == set(range(count))
        twice = {number for number, times in group.done().items() if times > 1}
        assert twice <= held, "only a task that was killed between its end and its row's end is done again"
        called = Counter(line.number for line in group.lines("called"))
        assert sum(called.values()) <= count + 8, "only what ran in the lost worker is called again"


def kill_the_leader(group: Workers, store: Store) -> None:
    """Nobody waits half a minute for its tasks here: they are taken for lost at once."""
    leader = group.leader()
    leader.kill()
    group.running.remove(leader)
    group.leader()
    Parked.objects.exclude(state="waiting").update(back_at=clock.now())


def empty_the_store(group: Workers, store: Store) -> None:
    store.ask("FLUSHALL")


def kill_the_store(group: Workers, store: Store) -> None:
    """It is unavailable until a worker has noticed, and comes back with nothing."""
    store.kill()
    group.wait_for(lambda: group.restart_ended() or LeaderLease.objects.get(name=LEASE_NAME).trouble)
    store.start()


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    store.start()
    store.empty()
    yield store
    store.kill()


@pytest.mark.timeout(240)  # two outages of the broker on a loaded machine
@pytest.mark.parametrize("blow", [kill_the_leader, empty_the_store, kill_the_store])
def test_whatever_dies_a_flood_delays_no_other_tenant_and_no_task_is_lost(
    tmp_path: Path, own_store: Store, blow: Callable[[Workers, Store], None]
) -> None:
    count = 200
    with workers(tmp_path, 2, limit=20, REDIS_URL=own_store.url) as group:
        group.leader()
        park(range(count))
        group.wait_for(lambda: len(group.done()) >= 20)
        blow(group, own_store)
        for number in range(1000, 1005):
            park(range(number, number + 1), resource="another", lane=Lane.INTERACTIVE)
        group.wait_for(lambda: group.restart_ended() or len(group.done("another")) >= 5, seconds=60.0)
        assert Parked.objects.filter(key=f"{APP}:{RESOURCE}").count() > count / 4, "the flood still waits"
        group.wait_for(lambda: group.restart_ended() or not Parked.objects.exists(), seconds=90.0)
        assert set(group.done()) == {*range(count), *range(1000, 1005)}
        twice = sum(times - 1 for times in group.done().values())
        assert twice <= (8 if blow is kill_the_leader else 0), "but for what ran in a worker that was killed"
        for resource in (RESOURCE, "another"):
            assert busiest([line.at for line in group.lines("called", resource)], WINDOW) <= 20
