"""Spans: where the time of one piece of work went, over processes, for a tracing system.

Off unless a process starts a tracer (`set_tracer`), which only `hlapp.observing.otel` makes; then a span costs a look
at a variable. Names are few; what differs is in attributes. These hold ids and codes, and go through the redaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

Value = str | int | float | bool
Kind = Literal["internal", "server", "client", "consumer"]
PARENT = "traceparent"  # W3C's name of what names a span in a header, and in a message to a worker


class Tracer(Protocol):
    """What makes spans."""

    def span(
        self, name: str, kind: Kind, parents: Iterable[str], attributes: Mapping[str, Value | None]
    ) -> AbstractContextManager[None]:
        """A span around a block, below the first of `parents` (each a `traceparent`), else below the thread's current
        one. The other parents are links.
        """

    def note(self, name: str, attributes: Mapping[str, Value | None]) -> None:
        """Add attributes to the thread's current span, and name it if `name` is not empty."""

    def parent(self) -> str:
        """The current span as a `traceparent`; empty without one, or when it is not recorded."""


_OFF: AbstractContextManager[None] = nullcontext()
_tracer: Tracer | None = None


def set_tracer(tracer: Tracer | None) -> None:
    """Set what makes the spans of this process; None for no spans."""
    global _tracer  # noqa: PLW0603 - one for the process, set at its start
    _tracer = tracer


def span(
    name: str, kind: Kind = "internal", parents: Iterable[str] = (), **attributes: Value | None
) -> AbstractContextManager[None]:
    """A span around a block (`Tracer.span`). An exception that leaves the block marks it as failed."""
    return _OFF if _tracer is None else _tracer.span(name, kind, parents, attributes)


def note(name: str = "", /, **attributes: Value | None) -> None:
    """Add attributes to the current span, and name it if `name` is given."""
    if _tracer is not None:
        _tracer.note(name, attributes)


def parent() -> str:
    """The current span as a `traceparent`, to hand on; empty without one."""
    return "" if _tracer is None else _tracer.parent()


def carried() -> dict[str, str]:
    """The header that hands the current span on with a message."""
    return {PARENT: found} if (found := parent()) else {}
