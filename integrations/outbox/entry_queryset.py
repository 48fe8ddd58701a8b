"""QuerySet of outbox entries: what has to happen with them, and their state transitions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Exists, OuterRef

from integrations.core.runs.querysets import Fields

HOLDING = ("sent", "unknown", "rejected")  # an entry in such a state holds the later ones of its entity
_NO_ERROR: Fields = {"error_code": "", "error": "", "vendor_answer": None, "found": None}
_EMPTY: Fields = {"params": {}, "body": None, "sealed": None}
_WORDS = 300  # characters


class EntryQuerySet(models.QuerySet[Any]):
    """Entries of outboxes. A transition is one conditional UPDATE, and returns how many entries it changed.

    The seal of an entry says whether it may be sent (`entry_seal`), so most transitions write another one: `sealed`.
    """

    def of(self, entry: models.Model) -> EntryQuerySet:
        """This entry, as it is in the table now."""
        return self.filter(pk=entry.pk)

    def in_states(self, *states: str) -> EntryQuerySet:
        """Entries in one of these states."""
        return self.filter(state__in=states)

    def waiting(self) -> EntryQuerySet:
        """Entries that are to be sent."""
        return self.filter(state="waiting")

    def ready(self) -> EntryQuerySet:
        """Entries that may be sent now, the next one first: no earlier entry of their entity holds them."""
        earlier = self.model.objects.filter(outbox=OuterRef("outbox"), entity=OuterRef("entity"), pk__lt=OuterRef("pk"))
        held = Exists(earlier.filter(state__in=HOLDING)) | Exists(earlier.of_changed_records())
        return self.waiting().filter(~held, outbox__enabled=True).order_by("pk")

    def of_changed_records(self) -> EntryQuerySet:
        """Entries that are not sent because the record holds other values than the app expected."""
        return self.filter(state="conflict", found__isnull=False)

    def unsettled(self) -> EntryQuerySet:
        """Entries that were sent and have no answer."""
        return self.filter(state__in=("sent", "unknown"))

    def send(self, now: datetime) -> int:
        """The request is about to leave."""
        return self.in_states("waiting", "sent").update(state="sent", sent_at=now)

    def not_sent(self) -> int:
        """It was not sent, or it may be sent again: it waits."""
        return self.in_states("sent").update(state="waiting")

    def done(self, answer: Any, sealed: bytes | None, now: datetime) -> int:
        """The vendor has answered: status, JSON and trace id. What the call said is emptied, unless it is `sealed`."""
        fields: Fields = {"expected": None, **_NO_ERROR, **(_EMPTY if sealed is None else {"sealed": sealed})}
        return self.exclude(state="done").update(state="done", answer=answer, settled_at=now, **fields)

    def with_calls(self) -> EntryQuerySet:
        """Done entries that still have what their call said."""
        return self.filter(state="done", sealed__isnull=False)

    def empty(self) -> int:
        """Forget what the calls of done entries said."""
        return self.with_calls().update(**_EMPTY)

    def reject(self, columns: Fields, sealed: bytes | None, now: datetime) -> int:
        """The vendor refused it, as these columns say (`error_columns`)."""
        return self.in_states("waiting", "sent").update(state="rejected", settled_at=now, sealed=sealed, **columns)

    def reject_without_key(self, words: str, now: datetime) -> int:
        """The key that sealed these is lost: those that wait are never sent."""
        fields = {"error_code": "seal_broken", "error": words, "settled_at": now}
        return self.waiting().update(state="rejected", **fields)

    def conflict(self, code: str, words: str, found: dict[str, Any], sealed: bytes | None, now: datetime) -> int:
        """The record holds other values than the app expected: `found`."""
        fields = {"error_code": code, "error": words[:_WORDS], "settled_at": now, "found": found}
        return self.in_states("waiting", "sent").update(state="conflict", sealed=sealed, **fields)

    def lose(self, columns: Fields, sealed: bytes | None, now: datetime) -> int:
        """No answer came that decides (`error_columns` say why): it may have happened or not."""
        return self.in_states("sent").update(state="unknown", settled_at=now, sealed=sealed, **columns)

    def restore(self, reason: str, sealed: bytes | None, now: datetime, *, made_at: datetime) -> int:
        """The row is of a backup, made at `made_at`: since then it may have been sent."""
        fields = {"error_code": "fate_unknown", "error": reason, "settled_at": now, "sent_at": made_at}
        return self.in_states("waiting", "sent").update(state="unknown", sealed=sealed, **fields)

    def discard(self, key: str, sealed: bytes | None) -> int:
        """It is never sent. It has this key from then on."""
        return self.update(state="discarded", key=key, sealed=sealed)

    def wait_again(self, key: str, expected: Any, sealed: bytes) -> int:
        """It is sent again, under this key, if the record holds the expected values. Its seal says that it may be."""
        fields = {"trace_id": "", "settled_at": None, "key": key, "expected": expected, **_NO_ERROR}
        return self.update(state="waiting", sealed=sealed, **fields)
