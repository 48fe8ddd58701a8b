"""Which worker processes count as silent, and that only what was seen without a gap is judged."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from integrations.core import clock, lease_owner
from integrations.core.lease_owner import has_ended, new_owner, process_of
from integrations.core.process.silence import SILENT_AFTER, SilenceWatch

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the monotonic clock shows; a test sets the only element."""
    shown = [1000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: shown[0])
    return shown


def test_a_process_whose_report_does_not_change_is_silent(seconds: list[float]) -> None:
    watch = SilenceWatch()
    for second in range(int(SILENT_AFTER)):
        assert watch.silent({"alive": NOON + timedelta(seconds=second), "dead": NOON}) == []
        seconds[0] += 1
    assert watch.silent({"alive": NOON + timedelta(hours=-3), "dead": NOON}) == ["dead"], "whatever its clock shows"


def test_after_an_outage_everybody_has_to_be_heard_again(seconds: list[float]) -> None:
    watch = SilenceWatch()
    watch.silent({"one": NOON})
    seconds[0] += 60
    assert watch.silent({"one": NOON}) == []
    for _ in range(3):
        seconds[0] += 2
        silent = watch.silent({"one": NOON})
    assert silent == ["one"]


def test_one_that_is_heard_again_is_alive(seconds: list[float]) -> None:
    watch = SilenceWatch()
    for _ in range(4):
        silent = watch.silent({"frozen": NOON})
        seconds[0] += 2.5
    assert silent == ["frozen"]
    assert watch.silent({"frozen": NOON + timedelta(minutes=1)}) == []
    assert watch.silent({}) == []


def test_owners_of_one_process_begin_alike() -> None:
    first, second = new_owner(), new_owner()
    assert first != second
    assert process_of(first) == process_of(second) == first[: -len(first.rpartition(":")[2])]
    assert len(first) <= 64
    assert process_of("host:12:abcdef") == process_of("queued") == "", "a name of the release before matches nothing"


@pytest.fixture
def gone() -> str:
    """The name of a process of this machine that has ended."""
    code = "from integrations.core.lease_owner import new_owner; print(new_owner())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.strip()


def test_a_process_of_this_machine_that_is_gone_is_silent_at_once(seconds: list[float], gone: str) -> None:
    assert SilenceWatch().silent({gone: NOON, new_owner(): NOON}) == [gone]


def test_nothing_is_known_of_processes_elsewhere(gone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host, pid, start, attempt = gone.split(":")
    assert has_ended(gone)
    assert not has_ended(new_owner())
    assert not has_ended(f"{host}:{pid}:{'0' * len(start)}:{attempt}"), "a container beside this one"
    assert not any(map(has_ended, ("", "queued", f"{host}:{pid}:abcdef", f"{host}:x:{start}:{attempt}")))
    monkeypatch.setattr(lease_owner, "_machine", lambda: "")
    assert not has_ended(gone), "a system without /proc"


def test_a_process_of_another_user_is_alive(gone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert not has_ended(gone)
