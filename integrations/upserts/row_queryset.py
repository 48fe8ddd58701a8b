"""QuerySet of an upsert's rows: their state transitions, by the worker, by a look-up, and by a person.

::

    waiting ──send──> sent ──answer──> done, refused
       │  ^             ╰──no complete answer──> unknown ──a look-up or a person──> done
       │  ╰──────────────────────────────────────────┴──it did not happen
       ╰──like the synced copy──> unchanged

A worker that is killed leaves a row `sent`. The next turn finds it and makes it unknown.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Value
from django.db.models.functions import Concat, Left

from integrations.core.errors import NO_ANSWER, IntegrationError, VendorAnswer
from integrations.core.runs.querysets import Fields, error_columns
from integrations.core.texts import storable

if TYPE_CHECKING:
    from integrations.gateway.client import Result

LOST = "fate_unknown"
_WORDS, _ID = 300, 64  # characters
_NO_TROUBLE: Fields = {"error_code": "", "error": "", "vendor_message": "", "vendor_answer": None}


class UpsertRowQuerySet(models.QuerySet[Any]):
    """Rows of upserts. A transition is one conditional UPDATE, and returns how many rows it changed."""

    def of(self, row: models.Model) -> UpsertRowQuerySet:
        """This row, as it is in the table now."""
        return self.filter(pk=row.pk)

    def in_states(self, *states: str) -> UpsertRowQuerySet:
        """Rows in one of these states."""
        return self.filter(state__in=states)

    def send(self, now: datetime, *, times_sent: int) -> int:
        """The request is about to leave. `times_sent` counts it."""
        return self.in_states("waiting", "sent").update(state="sent", sent_at=now, times_sent=times_sent)

    def not_sent(self) -> int:
        """It was not sent: it waits."""
        return self.in_states("sent").update(state="waiting")

    def done(self, result: Result, record_id: str, now: datetime, *, created: bool | None) -> int:
        """The vendor has answered. A late answer settles a row that has become unknown, or waits again, too."""
        fields: Fields = {"state": "done", "body": "", "record_id": record_id[:_ID], "created": created}
        fields |= {"settled_at": now, "status": result.status, "trace_id": (result.trace_id or "")[:_ID]}
        return self.exclude(state="done").update(**fields, **_NO_TROUBLE)

    def refuse(self, error: IntegrationError, now: datetime) -> int:
        """The vendor refused it, with its words."""
        answer = error.vendor
        words = "; ".join(answer.details) or answer.message or ""
        columns = error_columns(error.code, str(error), answer)
        fields = {"state": "refused", "body": "", "settled_at": now, "status": answer.status, **columns}
        return self.in_states("waiting", "sent").update(**fields, vendor_message=storable(words)[:_WORDS])

    def reject(self, code: str, reason: str, now: datetime) -> int:
        """It is not sent at all, for a reason of ours."""
        fields = {"state": "refused", "body": "", "error_code": code, "error": reason[:_WORDS], "settled_at": now}
        return self.in_states("waiting", "sent").update(**fields)

    def give_up(self, reason: str, now: datetime) -> int:
        """It was sent as often as it may be, and did not happen."""
        fields = {"state": "refused", "body": "", "error_code": "given_up", "error": reason[:_WORDS]}
        return self.in_states("unknown").update(**fields, settled_at=now)

    def unchanged(self, record_id: str, now: datetime) -> int:
        """The synced copy has what the row says, in this record."""
        fields = {"state": "unchanged", "body": "", "record_id": record_id[:_ID], "settled_at": now}
        return self.in_states("waiting").update(**fields)

    def lose(self, reason: str, held: str, now: datetime, *, answer: VendorAnswer = NO_ANSWER) -> int:
        """No answer came that decides: it may have happened or not. `held` is its content, encrypted so that it is not
        sent; `answer` is what the vendor said all the same, such as a 502.
        """
        said = error_columns(LOST, reason, answer)
        said |= {"status": answer.status, "vendor_message": storable(answer.message or "")[:_WORDS]}
        return self.in_states("sent").update(**_unknown(reason, held, now) | said)

    def restore(self, reason: str, held: str, now: datetime, *, made_at: datetime) -> int:
        """The row is of a backup, made at `made_at`: since then it may have been sent. `held` as in `lose`."""
        return self.in_states("waiting", "sent").update(**_unknown(reason, held, now), sent_at=made_at)

    def happened(self, record_id: str, words: str, now: datetime) -> int:
        """A look-up or a person says that an unknown row was written."""
        fields = {"state": "done", "body": "", "settled_at": now, **_NO_TROUBLE, "error": words[:_WORDS]}
        fields |= {"record_id": record_id[:_ID]} if record_id else {}
        return self.in_states("unknown").update(**fields)

    def did_not_happen(self, content: str) -> int:
        """An unknown row waits to be sent again. `content` is encrypted so that it may be."""
        fields = {"state": "waiting", "body": content, "settled_at": None, "looked_up_at": None}
        return self.in_states("unknown").update(**fields, **_NO_TROUBLE)

    def looked_up(self, words: str, now: datetime) -> int:
        """A look-up could not say: a person has to."""
        error = Left(Concat("error", Value(f"; {words}")), _WORDS)
        return self.in_states("unknown").update(looked_up_at=now, error=error)

    def lose_key(self, reason: str, now: datetime) -> None:
        """Their key is lost: what waits is refused, and the content of the others is gone."""
        self.in_states("sent", "unknown").update(body="")
        self.in_states("waiting").reject("seal_broken", reason, now)


def _unknown(reason: str, held: str, now: datetime) -> Fields:
    fields: Fields = {"state": "unknown", "body": held, "error_code": LOST, "error": reason[:_WORDS]}
    return fields | {"settled_at": now, "looked_up_at": None}
