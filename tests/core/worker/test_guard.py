"""Processes with hung threads replace themselves one after the other (see also tests/jobs/test_hung_workers.py)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from integrations.core import clock
from integrations.core.models import WorkerProcess
from integrations.core.worker import guard
from integrations.core.worker.guard import Guard

pytestmark = pytest.mark.django_db
HUNG = [{"work": "job a.job", "seconds": 90, "position": "in f, line 1 of a.py"}]


def a_guard(name: str) -> Guard:
    dispatcher = cast("Any", SimpleNamespace(owner=name, stop=lambda: None))
    return Guard(None, dispatcher, others=(), memory_limit=0)


def report(name: str, hung: list[dict[str, Any]]) -> None:
    WorkerProcess.objects.report(name, threads=4, queues=[], hung=hung, now=clock.now())


def test_the_only_process_does_not_wait() -> None:
    report("b", HUNG)
    assert a_guard("b")._may_replace_now()


def test_of_two_that_hang_the_second_waits_until_the_first_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = a_guard("a"), a_guard("b")
    for name in ("a", "b"):
        report(name, HUNG)
    assert (first._may_replace_now(), second._may_replace_now()) == (True, False)
    WorkerProcess.objects.filter(name="a").delete()
    assert not second._may_replace_now(), "the first one restarts"
    report("a2", [])
    assert second._may_replace_now()
    WorkerProcess.objects.filter(name="a2").delete()
    assert not second._may_replace_now()
    monkeypatch.setattr(guard, "OTHERS_RETURN", 0.0)
    assert second._may_replace_now(), "the first one does not come back"


def test_no_process_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        report(name, HUNG)
    second = a_guard("b")
    assert not second._may_replace_now()
    monkeypatch.setattr(guard, "LONGEST_WAIT_FOR_OTHERS", 0.0)
    assert second._may_replace_now()
