"""Graceful interrupt: Ctrl-C and SIGTERM set a flag, read between two batches; the second Ctrl-C ends at once."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Context manager that only notes the first signal. Main thread only, because Python sets handlers only there."""

    def __init__(self) -> None:
        self._asked = False
        self._former: dict[int, Any] = {}

    def asked(self) -> bool:
        """Whether a signal has asked this process to stop."""
        return self._asked

    def __enter__(self) -> Self:
        self._former = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._asked = True
        signal.signal(number, self._former[number])
