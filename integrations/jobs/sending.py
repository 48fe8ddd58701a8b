"""Sends a job's writes so that none happens twice unseen: intent, request, and what is known afterwards."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from integrations.core import clock
from integrations.core.errors import BadRequest, IntegrationError
from integrations.core.texts import storable, storable_json
from integrations.gateway import fate
from integrations.gateway.client import Result
from integrations.gateway.fingerprint import fingerprint
from integrations.gateway.stats import attempt_hook
from integrations.jobs import macs, writes
from integrations.jobs.listing_positions import ListingPositions
from integrations.jobs.models import Run, Trigger, Write
from integrations.jobs.write_memory import WriteMemory

LookUp = Callable[[], Any]
LONGEST_KEY = 200
_OPERATION = 120


class UnknownFate(BaseException):
    """Ends the turn: the fate of `write` is unknown. A job's function must not catch it (it is no `Exception`)."""

    def __init__(self, write: Write) -> None:
        super().__init__(str(write))
        self.write = write


class LookUpLater(BaseException):
    """Ends the turn: in `wait` seconds the job looks up whether a write happened."""

    def __init__(self, wait: float) -> None:
        super().__init__(wait)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class WriteCall:
    """A write that a job wants: `send` makes the call, the rest says which it is."""

    operation: str
    params: Any
    body: Any
    send: Callable[[], Result]

    def row(self, **fields: Any) -> Write:
        """The intent, not yet stored."""
        request = {"params": self.params, "body": self.body}
        return Write(
            operation=self.operation[:_OPERATION],
            fingerprint=fingerprint(self.operation, self.params, self.body),
            request=storable_json(_shown(request)),
            **fields,
        )


class WriteSender:
    """Sends the writes of one run's turn. `trigger` is the event that the job handles now.

    `stop` is what has ended the turn. A job that catches it sends no more, and its turn ends in the same way.
    """

    def __init__(self, row: Run, owner: str, listings: ListingPositions) -> None:
        self.trigger: Trigger | None = None
        self.stop: BaseException | None = None
        self.memory = WriteMemory(row)
        self._row, self._owner, self._listings = row, owner, listings

    def plain(self, call: WriteCall) -> Result:
        """Send a write, or return the answer that it had in a turn which this one repeats.

        Raises UnknownFate when it may have happened or not.
        """
        with self._stopping():
            return self._plain(call)

    def _plain(self, call: WriteCall) -> Result:
        made = self.memory.answered(fingerprint(call.operation, call.params, call.body), self.trigger)
        if made is not None:
            return writes.result_of(made)
        row = call.row(
            schedule_id=self._row.schedule_id,
            run=self._row,
            trigger=self.trigger,
            in_page=self._listings.in_page,
            number=self.memory.number(),
        )
        return self._send(row, call)

    def once(self, key: str, call: WriteCall, look_up: LookUp | None) -> Result:
        """Send the write of this key, or return the answer that it had at any time.

        Raises BadRequest when the key is another operation's, UnknownFate, and what `look_up` raises.
        """
        with self._stopping():
            return self._once(key, call, look_up)

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        if self.stop is not None:
            raise self.stop
        try:
            yield
        except (UnknownFate, LookUpLater) as stop:
            self.stop = stop
            raise

    def _once(self, key: str, call: WriteCall, look_up: LookUp | None) -> Result:
        if not 0 < len(key) <= LONGEST_KEY or key != storable(key):
            raise BadRequest(f"the key of a write has 1 to {LONGEST_KEY} characters, none of them NUL: {key[:80]!r}")
        row = Write.objects.filter(schedule=self._row.schedule_id, key=key).first()
        if row is not None and row.operation != call.operation[:_OPERATION]:
            raise BadRequest(f"the key {key!r} was used for {row.operation}, it cannot name {call.operation} too")
        if row is not None and row.state == Write.State.CONFIRMED and not macs.write_fits(row):
            writes.doubt(row, clock.now())
        if row is not None and (row.state == Write.State.CONFIRMED or _has_happened(row, look_up)):
            return writes.result_of(row)
        row = call.row(schedule_id=self._row.schedule_id, key=key)
        try:
            return self._send(row, call)
        except UnknownFate as unknown:
            if look_up is None:
                raise
            raise LookUpLater(writes.ANSWER_LOST_AFTER.total_seconds()) from unknown

    def _send(self, row: Write, call: WriteCall) -> Result:
        intent = _Intent(row, self._fence)
        try:
            with attempt_hook.watched(intent):
                result = call.send()
        except Exception as error:
            if intent.is_committed:
                self._failed(row, error, is_unknown=intent.is_unknown)
            raise
        if intent.is_committed:
            writes.confirm(row, result, clock.now())
        return result

    def _failed(self, row: Write, error: Exception, *, is_unknown: bool) -> None:
        if not is_unknown:
            writes.refuse(row, clock.now())
            return
        said = str(error) if isinstance(error, IntegrationError) else type(error).__name__
        writes.lose([row], said, clock.now())
        raise UnknownFate(row) from error

    def _fence(self) -> None:
        Run.objects.renew(self._row, self._owner)


class _Intent(fate.WriteWatcher):
    """Commits the row right before the request leaves, if this worker still has the run."""

    def __init__(self, row: Write, fence: Callable[[], None]) -> None:
        self.is_committed = False
        self._row, self._fence = row, fence

    def sending(self) -> None:
        if not self.is_committed:
            self._row.sent_at = clock.now()
            with transaction.atomic():
                self._fence()
                self._row.save(force_insert=True)
            self.is_committed = True


def _has_happened(row: Write, look_up: LookUp | None) -> bool:
    """Settle an unknown write by its look-up: confirmed, or forgotten because it did not happen.

    Not before its answer is lost for good: until then the vendor may be about to act, and its search lags behind.
    """
    if look_up is None:
        raise UnknownFate(row)
    wait = writes.seconds_for_answer(row, clock.now())
    if wait > 0:
        raise LookUpLater(wait)
    found = look_up()
    if found is not None:
        _check_found(row.key, found)
        writes.confirm_found(row, found, clock.now())
        return True
    if writes.forget(row):
        return False
    late = Write.objects.filter(pk=row.pk).first()  # its answer came while the job looked it up
    row.answer = late.answer if late is not None else None
    return late is not None


def _check_found(key: str, found: Any) -> None:
    """An empty list means "nothing found" to one author and "happened" to another: neither is guessed."""
    if not found or inspect.isawaitable(found) or inspect.isgenerator(found):
        raise BadRequest(
            f"look_up of {key!r} returned {type(found).__name__}: it has to return the answer if the write happened, "
            "None if it did not"
        )


def _shown(value: Any) -> Any:
    """The request as JSON; what is no JSON, such as an uploaded file, by its type."""
    if isinstance(value, dict):
        return {str(name): _shown(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else f"({type(value).__name__})"
