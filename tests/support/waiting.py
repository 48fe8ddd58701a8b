"""Wait until something becomes true, polled: for what another thread or process brings about."""

from __future__ import annotations

# By name, because some tests put other clocks into `time`.
from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

import pytest

TIMEOUT = 60.0  # seconds: what happens happens at once on an idle machine, and much later on a busy one
_STEP = 0.02

Found = TypeVar("Found")


def wait_until(condition: Callable[[], Found], seconds: float = TIMEOUT, *, describe: Callable[[], str] = str) -> Found:
    """What `condition` returns as soon as it is true; after `seconds` the test fails with what `describe` says."""
    deadline = monotonic() + seconds
    while not (found := condition()):
        if monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} seconds in vain\n{describe()}")
        sleep(_STEP)
    return found
