"""Which run this thread works for, so that what it records on the way can name it: a failed call does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from integrations.core.runs.models import AbstractRun

LONGEST = 40
_name: ContextVar[str] = ContextVar("current_run", default="")


@contextmanager
def working_on(run: AbstractRun) -> Iterator[None]:
    """Context manager: what this thread does inside is done for this run."""
    token = _name.set(name_of(run))
    try:
        yield
    finally:
        _name.reset(token)


def name() -> str:
    """The run that this thread works for, as `name_of` writes it; empty outside of one."""
    return _name.get()


def name_of(run: AbstractRun) -> str:
    """The room and the number of a run: `jobs:12`."""
    return f"{run._meta.app_label}:{run.pk}"  # noqa: SLF001 - Django's documented name


def parsed(text: str) -> tuple[str, int] | None:
    """The room and the number that `name_of` wrote; None for another text."""
    room, _, number = text.partition(":")
    return (room, int(number)) if room and number.isascii() and number.isdecimal() else None
