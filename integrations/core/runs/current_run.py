"""Which run or webhook this thread works for, so that what it records on the way can name it: a failed call does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db.models import Model

from integrations.core import texts
from integrations.core.runs.models import AbstractRun

LONGEST = 40
_name: ContextVar[str] = ContextVar("current_run", default="")


@contextmanager
def working_on(run: AbstractRun) -> Iterator[None]:
    """Context manager: what this thread does inside is done for this run."""
    with working_for(name_of(run)):
        yield


@contextmanager
def working_for(name: str) -> Iterator[None]:
    """Context manager: the same for the name of a run, or of a row that is handled like one, `webhooks:12`."""
    token = _name.set(name)
    try:
        yield
    finally:
        _name.reset(token)


def name() -> str:
    """The run or webhook that this thread works for, as `name_of` writes it; empty outside of one."""
    return _name.get()


def name_of(run: Model) -> str:
    """The room and the number of a run, `jobs:12`, or of a webhook."""
    return f"{run._meta.app_label}:{run.pk}"  # noqa: SLF001 - Django's documented name


def parsed(text: str) -> tuple[str, int] | None:
    """The room and the number that `name_of` wrote; None for another text."""
    room, _, written = text.partition(":")
    number = texts.whole(written)
    return (room, number) if room and number is not None else None
