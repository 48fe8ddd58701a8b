"""Which worker processes count as silent, and that only what was seen without a gap is judged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integrations.core import clock
from integrations.core.lease_owner import new_owner, process_of
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
