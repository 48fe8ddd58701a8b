"""When deliveries are refused without asking, and when one of them asks again."""

from __future__ import annotations

import pytest

from integrations.core import clock
from integrations.webhooks import breaker as module
from integrations.webhooks.breaker import ASKING, PAUSE, SLOW, Breaker


class Monotonic:
    """A clock that the test moves."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Monotonic:
    time = Monotonic()
    monkeypatch.setattr(clock, "monotonic", time)
    return time


def test_after_a_slow_failure_one_delivery_at_a_time_asks_again(time: Monotonic) -> None:
    breaker = Breaker()
    assert breaker.admits("box")
    breaker.failed("box", SLOW)
    assert (breaker.admits("box"), breaker.admits("another")) == (False, True)
    time.now += PAUSE
    assert [breaker.admits("box") for _ in range(3)] == [True, False, False]
    breaker.failed("box", 0.0)
    assert not breaker.admits("box"), "it does not answer yet, however soon it said so"
    time.now += PAUSE
    assert breaker.admits("box")
    breaker.answered("box")
    assert [breaker.admits("box") for _ in range(3)] == [True] * 3


def test_a_quick_failure_refuses_nothing(time: Monotonic) -> None:
    breaker = Breaker()
    breaker.failed("box", SLOW / 2)
    assert breaker.admits("box")


def test_a_delivery_that_asks_and_never_comes_back_is_replaced(time: Monotonic) -> None:
    breaker = Breaker()
    breaker.failed("box", SLOW)
    time.now += PAUSE
    assert breaker.admits("box")
    time.now += ASKING
    assert breaker.admits("box")


def test_it_remembers_a_limited_number(time: Monotonic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 3)
    breaker = Breaker()
    for box in range(5):
        breaker.failed(box, SLOW)
    assert [box for box in range(5) if not breaker.admits(box)] == [3, 4]
