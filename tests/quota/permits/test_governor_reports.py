"""What a call costs the store, and that nothing it has to say is lost or said too early."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import StoreUnavailable
from integrations.highlevel.http.rate_headers import RateSnapshot
from integrations.quota.permits import governor, queries, scripts
from integrations.quota.permits.lanes import Lane
from integrations.quota.permits.permit import Permit
from integrations.quota.permits.reports import Report, ReportBuffer, kept
from tests.quota.permits.test_governor import LATE, free_at
from tests.support.waiting import wait_until

APP, RESOURCE = "66a0419a0dffa47fb5f8b22f-lyx1abcd", "reports8h8vShlRW1KT"

pytestmark = pytest.mark.usefixtures("clean_redis")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The requests that the store received, in order."""
    reported: list[dict[str, Any]] = []
    real = scripts.run_all

    def run_all(calls: Any) -> Any:
        reported.extend(request for _, request in calls)
        return real(calls)

    monkeypatch.setattr(scripts, "run_all", run_all)
    return reported


def acquire() -> Permit:
    return governor.acquire(APP, RESOURCE, lane=Lane.INTERACTIVE, timeout=5.0)


def settle(permit: Permit, **said: Any) -> None:
    reported: dict[str, Any] = {"received_at": clock.monotonic(), "rate": RateSnapshot(max=50, remaining=49)}
    governor.settle(permit, **reported | said)


def test_a_call_costs_one_round_trip(asked: list[dict[str, Any]]) -> None:
    settle(acquire())
    asked.clear()
    for _ in range(20):
        settle(acquire())
    assert sum(request["want"] + request.get("spare", 0) for request in asked) >= 20
    assert len(asked) <= 22, "but for a report now and then whose next question was late"
    governor.send_reports()
    assert sum(len(request["reports"]) for request in asked) == 20


@pytest.mark.slow
def test_a_report_without_a_next_question_is_sent_soon(asked: list[dict[str, Any]]) -> None:
    settle(acquire())
    settle(acquire())
    wait_until(lambda: sum(len(request["reports"]) for request in asked) >= 2)
    assert sum(len(request["reports"]) for request in asked) == 2


def test_a_first_limit_and_a_refusal_are_reported_at_once(asked: list[dict[str, Any]]) -> None:
    settle(acquire())
    assert asked[-1]["rate"]["max"] == 50
    settle(acquire(), refused=True)
    assert asked[-1]["rate"]["refused"] is True


def test_a_report_waits_out_an_outage_with_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    settle(acquire())
    permit = acquire()
    received = clock.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(scripts, "run_all", away)
        settle(permit, received_at=received, refused=False, rate=None)
        with pytest.raises(StoreUnavailable):
            acquire()
        clock.sleep(0.2)
    governor.send_reports()
    earliest, latest = free_at(permit)
    assert latest >= received + 10.0
    assert earliest < received + 10.0 + LATE


def away(calls: list[Any]) -> list[StoreUnavailable]:
    return [StoreUnavailable("gone", retry_after=5.0) for _ in calls]


def test_snapshots_of_this_process_know_its_last_call() -> None:
    settle(acquire())
    governor.release(acquire())
    assert queries.snapshot(APP, RESOURCE).free == 49


def report(slot: int = 0) -> Report:
    return Report(slot, 1, clock.monotonic(), clock.monotonic(), 0)


def test_reports_of_many_threads_are_all_sent_once() -> None:
    sent: list[Report] = []
    outbox = ReportBuffer(lambda _, reports: sent.extend(reports))

    def add() -> None:
        for slot in range(100):
            outbox.add(("key", "epoch"), report(slot))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: len(sent) >= 800)
    assert len(sent) == 800


def test_what_was_not_sent_is_kept() -> None:
    def fails(_: Any, __: Any) -> None:
        raise StoreUnavailable("gone")

    outbox = ReportBuffer(fails)
    outbox.put_back(("key", "epoch"), [report(1), report(2)])
    with pytest.raises(StoreUnavailable):
        outbox.flush()
    assert [one.slot for one in outbox.take(("key", "epoch"))] == [1, 2]


def test_a_forked_process_leaves_its_parents_reports_to_it() -> None:
    outbox = kept(ReportBuffer(lambda _, __: None))
    outbox.put_back(("key", "epoch"), [report()])
    child = os.fork()
    if child == 0:
        os._exit(len(outbox.take(("key", "epoch"))))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert len(outbox.take(("key", "epoch"))) == 1
