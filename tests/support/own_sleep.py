"""A test's own way to sleep. Other threads of the process, such as the one that sends quota reports, sleep on."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from integrations.core import clock


def replace_sleep(monkeypatch: pytest.MonkeyPatch, act: Callable[[float], object] = lambda _: None) -> None:
    """Where the thread that calls this would sleep, `act` is called with the seconds. While it acts, sleep is real."""
    here, sleep, acting = threading.get_ident(), clock.sleep, False

    def instead(seconds: float) -> None:
        nonlocal acting
        if acting or threading.get_ident() != here:
            sleep(seconds)
            return
        acting = True
        try:
            act(seconds)
        finally:
            acting = False

    monkeypatch.setattr(clock, "sleep", instead)
