"""How much memory a piece of work takes at its height, as the kernel counts it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5)


def growth(work: Callable[[], Any]) -> int:
    """The bytes by which the process was larger during the work than before it. Skips where no kernel tells."""
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        pytest.skip("this system does not tell the peak of a process")
    before = _kilobytes("VmRSS")
    work()
    return (_kilobytes("VmHWM") - before) * 1024


def _kilobytes(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])
