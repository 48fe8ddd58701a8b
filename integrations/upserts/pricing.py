"""The price of an upsert before it starts: calls, share of the vendor's day, time, and what is not sent and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, Min

from integrations.core.errors import BadRequest, StoreUnavailable
from integrations.gateway import target
from integrations.gateway.target import Target
from integrations.quota.permits import queries as quota
from integrations.sync.pace import CALLS_A_DAY
from integrations.upserts import comparison, upsert_key
from integrations.upserts.comparison import CopyRecord, RecordMatcher
from integrations.upserts.models import Upsert, UpsertRow
from integrations.upserts.upsert_key import RowContent

SECONDS_A_CALL = 0.3  # of one worker that sends one row after the other; the vendor's pace is 0.1 (FACTS 4)
BATCH = 500
_MOST_REASONS = 20
_ROW = re.compile(r"row [\d,]+")


@dataclass(frozen=True, slots=True)
class InvalidReason:
    """Why rows are invalid, how many of them, and the number of the first."""

    words: str
    rows: int
    first: int


@dataclass(frozen=True, slots=True)
class Price:
    """What an upsert costs. `calls` are one for each row that is sent, `share` is that part of the vendor's day.

    `seconds` is the expected time while the tenant's quota is free. `unchanged` rows are skipped: the synced copy of
    `compared_with` has what they say; empty when there is nothing to compare with. `copy_read_at` is when that copy was
    last read (ISO 8601). `left_today` is what the vendor says is left of the day; None while it has not said.
    `remarks` are what the vendor's files have against rows, with how many and the first; they stop nothing.
    """

    rows: int
    calls: int
    share: float
    seconds: float
    unchanged: int
    invalid: int
    compared_with: str = ""
    copy_read_at: str = ""
    left_today: int | None = None
    reasons: list[InvalidReason] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The price as JSON."""
        return asdict(self)


def price(upsert: Upsert, now: datetime) -> Price:
    """Compute the price and store it. Raises BadRequest for an upsert that has been started, and SealBroken."""
    if upsert.phase != Upsert.Phase.DRAFT:
        raise BadRequest(f"upsert {upsert.pk} was started: its price was that of {upsert.priced_at:%Y-%m-%d %H:%M} UTC")
    wanted = target_of(upsert)
    matcher = comparison.matcher_of(wanted)
    cipher = upsert_key.cipher(upsert)
    waiting = unchanged = 0
    remarks = _Remarks()
    for rows in _waiting(upsert):
        contents = [cipher.content(row) for row in rows]
        remarks.look(wanted, upsert, rows, contents)
        waiting += len(rows)
        unchanged += sum(record is not None for record in alike(upsert, matcher, contents))
    invalid = UpsertRow.objects.filter(upsert=upsert, state=UpsertRow.State.INVALID)
    calls, bad = waiting - unchanged, invalid.count()
    made = Price(
        rows=waiting + bad,
        calls=calls,
        share=calls / CALLS_A_DAY,
        seconds=calls * SECONDS_A_CALL,
        unchanged=unchanged,
        invalid=bad,
        compared_with=matcher.resource.name if matcher is not None else "",
        copy_read_at=comparison.copy_read_at(upsert, matcher),
        left_today=_left_today(upsert),
        reasons=_reasons(upsert),
        remarks=remarks.lines,
    )
    Upsert.objects.filter(pk=upsert.pk, phase=Upsert.Phase.DRAFT).update(price=made.as_json(), priced_at=now)
    return made


def stored(upsert: Upsert) -> Price | None:
    """The price that was computed last."""
    if upsert.price is None:
        return None
    return Price(**{**upsert.price, "reasons": [InvalidReason(**one) for one in upsert.price["reasons"]]})


def target_of(upsert: Upsert) -> Target:
    """The operation of an upsert. Raises BadRequest when this version does not know it any more."""
    return target.find(upsert.operation, upsert.app, version=upsert.version or None, body={})


def alike(upsert: Upsert, matcher: RecordMatcher | None, contents: Sequence[RowContent]) -> list[CopyRecord | None]:
    """For each row the record of the copy that has all it says; None for a row that has to be sent."""
    if matcher is None:
        return [None] * len(contents)
    tenant = upsert.tenant.request_fields
    found = matcher.in_copy(upsert, contents)
    return [
        record if record is not None and matcher.is_like(content, record.payload, tenant) else None
        for content, record in zip(contents, found, strict=True)
    ]


@dataclass(slots=True)
class _Remarks:
    """What the files have against the rows that wait: how many of them, by the words, and the first one's number."""

    rows: Counter[str] = field(default_factory=Counter)
    first: dict[str, int] = field(default_factory=dict)

    def look(self, wanted: Target, upsert: Upsert, rows: Sequence[UpsertRow], contents: Sequence[RowContent]) -> None:
        """Add what the files have against these rows."""
        for row, content in zip(rows, contents, strict=True):
            for words in wanted.remarks(content.params, content.body, upsert.tenant.request_fields):
                self.rows[words] += 1
                self.first.setdefault(words, row.number)

    @property
    def lines(self) -> list[str]:
        """A line for each remark, the most frequent first."""
        return [f"{n:,} from row {self.first[words]:,}: {words}" for words, n in self.rows.most_common(_MOST_REASONS)]


def _waiting(upsert: Upsert) -> Iterator[list[UpsertRow]]:
    last = 0
    rows = UpsertRow.objects.filter(upsert=upsert, state=UpsertRow.State.WAITING).order_by("number")
    while batch := list(rows.filter(number__gt=last)[:BATCH]):
        yield batch
        last = batch[-1].number


def _reasons(upsert: Upsert) -> list[InvalidReason]:
    """The reasons, the most frequent first. Rows that repeat another one count as one reason."""
    rows = UpsertRow.objects.filter(upsert=upsert, state=UpsertRow.State.INVALID)
    counts: Counter[str] = Counter()
    first: dict[str, int] = {}
    for words, number, least in rows.values_list("error").annotate(Count("pk"), Min("number")).order_by():
        reason = _ROW.sub("an earlier row", words)
        counts[reason] += number
        first[reason] = min(least, first.get(reason, least))
    return [InvalidReason(words, number, first[words]) for words, number in counts.most_common(_MOST_REASONS)]


def _left_today(upsert: Upsert) -> int | None:
    try:
        return quota.snapshot(upsert.app.client_id, upsert.tenant_id).day_remaining
    except StoreUnavailable:
        return None
