"""Removes local variables from exceptions that leave code which handles secrets in plain text.

An error reporter prints the local variables of every frame of a traceback. Below the boundaries of this application
(the HTTP client, the seals, the parsers of secrets) these are tokens and passwords as plain strings, whatever the
exception is. So each boundary is a `with sensitive():` block, and views that read secrets are functions `@sensitive()`.
"""

from __future__ import annotations

import traceback
from contextlib import AbstractContextManager, ContextDecorator
from types import TracebackType

from integrations.core.errors import IntegrationError
from integrations.core.redaction import redact_text

_FRAMES = 4  # of the removed ones that the note names


class sensitive(AbstractContextManager[None], ContextDecorator):
    """Context manager and decorator. An exception that leaves it has no frames from inside, and no token in its text.

    It is the same exception: type, attributes, causes. A note says where it was raised, without values. With
    `texts=False` the texts stay as they are: when the code inside puts no secret into one. It has no state: one that
    a module makes serves all its blocks, in any thread.
    """

    __slots__ = ("_texts",)

    def __init__(self, *, texts: bool = True) -> None:
        self._texts = texts

    def __enter__(self) -> None:
        """Nothing to do before."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise the cleaned exception again."""
        if error is not None:
            raise cleaned(error, texts=self._texts).with_traceback(None)


def cleaned(error: BaseException, *, texts: bool = True) -> BaseException:
    """The exception and those that led to it, without frames; texts without what looks like a token."""
    seen: set[int] = set()
    chain: list[BaseException | None] = [error]
    while chain:
        one = chain.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        _drop_frames(one)
        if texts and not isinstance(one, IntegrationError):  # our own have no secret in their texts
            _redact(one)
        chain += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            chain += one.exceptions
    return error


def _drop_frames(error: BaseException) -> None:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    if frames:
        error.add_note("raised at " + ", ".join(f"{one.filename}:{one.lineno} in {one.name}" for one in frames))
    error.__traceback__ = None


def _redact(error: BaseException) -> None:
    error.args = tuple(redact_text(part) if isinstance(part, str) else part for part in error.args)
    for name in ("object", "doc"):  # what a decoder could not read
        if isinstance(getattr(error, name, None), str | bytes):
            setattr(error, name, type(getattr(error, name))())
