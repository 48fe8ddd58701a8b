"""Asks the vendor for each record that a full run's listing lacks: a listing alone deletes nothing.

A listing can be false in many ways: a false total, an empty page, a part of the search index that does not answer, or
an index that trails its writes. So after the listing the run asks for each missing record by its id (`Single`), one
call each, before `deletions` writes a tombstone. A record that is there stays.

- First the run asks for a record that the listing did show (`control`). An operation that denies that one too proves
  nothing. After an empty listing there is none to ask for, so a later listing has to be empty too (`pace.AGREE_AFTER`).
- The records are asked for in an order by hash. When most of the first ones are there, the listing is false as a whole,
  and the run stops asking.
- A run makes at most `pace.max_lookups` such calls. In total there is one call for each deletion without a webhook, and
  one for each record that a false listing lacks until the run stops.

Where no operation returns one record, a second listing has to lack it (`pace.AGREE_AFTER`).

A listing that is narrowed by a filter lacks records that exist. Under a filter only records are looked for that fit it
as far as the copy knows, and only the answer about the record itself deletes one. A record that does not fit any more
stays in the copy as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import MD5

from integrations.core.errors import PayloadAnomalous, RequestRejected
from integrations.sync import records
from integrations.sync.changes.change_origin import Origin, Source
from integrations.sync.evidence import INDEX_LAG
from integrations.sync.models import Record, Run
from integrations.sync.pace import AGREE_AFTER, max_lookups
from integrations.sync.resources import RESOURCES

FALSE_LISTING = 10  # records that are there, and more than those that are not: the listing is false as a whole
MOST_UNCLEAR = 20
BATCH = 100
Ask = Callable[[Record], Mapping[str, Any] | None]


class Verdict(Enum):
    """What the vendor's answer says about a record when it does not show it."""

    ABSENT = "there is none"
    UNCLEAR = "neither there nor not"


class Control(StrEnum):
    """Whether the operation that asks for one record can be believed."""

    UNKNOWN = ""
    PASSED = "passed"
    IMPOSSIBLE = "impossible"  # the listing showed no record
    FAILED = "failed"


@dataclass(slots=True)
class Inquiry:
    """What the answers of one run have shown so far. It is kept in the run's checkpoint.

    `present` counts missing records that are there, `absent` those that are not. `unclear` lists the ids for which the
    vendor gave neither answer.
    """

    present: int = 0
    absent: int = 0
    unclear: list[str] = field(default_factory=list)
    control: str = Control.UNKNOWN

    @classmethod
    def of(cls, run: Run) -> Inquiry:
        """The answers as the run's checkpoint has them."""
        return cls(**run.checkpoint.get("answers", {}))

    def checkpoint(self) -> dict[str, Any]:
        """The checkpoint of a run that has read its listing and has these answers."""
        return {"ended": True, "answers": asdict(self)}

    @property
    def listing_is_contradicted(self) -> bool:
        """Whether most of the missing records are there, so that the listing is false as a whole."""
        return self.present >= FALSE_LISTING and self.present > self.absent

    def sample_is_sufficient(self, run: Run) -> bool:
        """Whether the run asks for no further record."""
        is_useless = self.control == Control.FAILED or len(self.unclear) >= MOST_UNCLEAR
        return is_useless or self.listing_is_contradicted or run.asked >= max_lookups(run.pages)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many records of a run's plan there are.

    `expired` tombstones are to be removed, `seen` records were in the listing, `alive` ones have no tombstone;
    `unlisted` and `proven` are those of the functions with these names.
    """

    expired: int
    seen: int
    alive: int
    unlisted: int
    proven: int


def scope(run: Run) -> QuerySet[Record]:
    """All records of the run's plan, tombstones included."""
    plan = run.plan
    return Record.objects.filter(app=plan.app_id, location_id=plan.location_id, resource=plan.resource)


def unlisted(run: Run) -> QuerySet[Record]:
    """Records of the copy that the run's listing lacks, unless later evidence has come since.

    A repair does not trust `alive_at`, but leaves alone what was written here since shortly before it began.
    """
    return scope(run).filter(_is_unlisted(run))


def to_ask(run: Run, answers: Inquiry) -> QuerySet[Record]:
    """Unlisted records without an answer, in an order that spreads over all parts of the vendor's index."""
    waits_for_another = answers.control == Control.IMPOSSIBLE and not _is_narrowed(run)
    since = run.started_at - AGREE_AFTER if waits_for_another else None
    waits = Q(missing_at__lte=since) if since else Q(missing_at=None) | Q(missing_at__lte=run.started_at)
    return unlisted(run).filter(waits).exclude(record_id__in=answers.unclear).order_by(MD5("record_id"))


def proven(run: Run) -> QuerySet[Record]:
    """Unlisted records that are proven to be deleted: by an answer of this run, or by an earlier listing."""
    return scope(run).filter(_is_proven(run))


def count(run: Run, expired: Q) -> Counts:
    """Count the records of the run's plan, with one look at each. `expired` says which are old tombstones."""
    conditions = {
        "expired": expired,
        "seen": Q(seen_run__gte=run.pk),
        "alive": Q(deleted_at=None),
        "unlisted": _is_unlisted(run),
        "proven": _is_proven(run),
    }
    return Counts(**scope(run).aggregate(**{name: Count("pk", filter=one) for name, one in conditions.items()}))


def note(run: Run) -> int:
    """Remember since when listings lack records that no answer can prove to be deleted; how many are new.

    What a narrowed listing lacks is remembered of none: it proves nothing.
    """
    if _is_narrowed(run):
        return 0
    with transaction.atomic():
        return records.lock(unlisted(run).filter(missing_at=None)).update(missing_at=run.started_at)


def control(run: Run, ask: Ask) -> Control:
    """Ask for a record that the listing showed."""
    shown = scope(run).filter(deleted_at=None, seen_run__gte=run.pk)
    known = [found for found in (shown.order_by("pk").first(), shown.order_by("-pk").first()) if found is not None]
    if not known:
        return Control.IMPOSSIBLE
    passed = any(isinstance(_answer(record, ask), Mapping) for record in known)  # one may be deleted meanwhile
    return Control.PASSED if passed else Control.FAILED


def settle(record: Record, run: Run, answers: Inquiry, ask: Ask, asked_at: datetime) -> Callable[[], object]:
    """Ask for one record and count its answer. Returns what writes the answer, for the caller's transaction."""
    answer = _answer(record, ask)
    # An empty narrowed listing is a usual one. Nothing in it shows that the answers about single records are true.
    is_unproven = answer is Verdict.ABSENT and answers.control == Control.IMPOSSIBLE and _is_narrowed(run)
    if answer is Verdict.UNCLEAR or is_unproven:
        answers.unclear.append(record.record_id)
        return lambda: None
    if answer is Verdict.ABSENT:
        answers.absent += 1
        return lambda: Record.objects.filter(pk=record.pk).update(missing_at=asked_at)
    definition = run.plan.definition
    answers.present += definition is None or definition.fits(answer) is True
    origin = Origin.of_run(run, Source.CALL)
    return lambda: records.confirm(record, answer, asked_at, run_id=run.pk, origin=origin)


def _is_unlisted(run: Run) -> Q:
    # A run of another variant that began later may have seen it since.
    found = Q(deleted_at=None) & (Q(seen_run=None) | Q(seen_run__lt=run.pk))
    definition = run.plan.definition
    if definition is not None and definition.windows is not None:
        first, last = definition.windows.surely_listed(run.started_at)
        where = f"payload__{definition.windows.places}"
        found &= Q(**{f"{where}__gte": first, f"{where}__lt": last})
    for one, value in definition.narrowed_by if definition is not None else ():
        found &= one.inside(value)
    before = run.started_at - INDEX_LAG
    if run.kind == Run.Kind.REPAIR:
        return found & Q(updated_at__lt=before)
    return found & (Q(alive_at=None) | Q(alive_at__lt=before)) & Q(updated_at__lt=run.started_at)


def _is_proven(run: Run) -> Q:
    definition = run.plan.definition
    if definition is None or definition.single is None:
        if _is_narrowed(run):
            return Q(pk__lt=0)
        return _is_unlisted(run) & Q(missing_at__lte=run.started_at - AGREE_AFTER)
    return _is_unlisted(run) & Q(missing_at__gt=run.started_at)


def _is_narrowed(run: Run) -> bool:
    return run.plan.definition is not None and bool(run.plan.definition.narrowed_by)


def _answer(record: Record, ask: Ask) -> Mapping[str, Any] | Verdict:
    """The record as the vendor has it, or its verdict."""
    try:
        row = ask(record)
    except (RequestRejected, PayloadAnomalous):
        return Verdict.UNCLEAR
    is_here = row is not None and RESOURCES[record.resource].is_in(row, record.location_id)
    return row if row is not None and is_here else Verdict.ABSENT
