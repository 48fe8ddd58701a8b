"""Counts new failures by their cause. Started by beat, twice a minute.

A batch of failures and the position after it are one transaction, so each failure is counted once, whatever dies. A
batch of one cause is one update of its problem and one statement for its tenants. What cannot be read within `SECONDS`
follows at the next look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.db import connection, transaction
from django.db.models import Q

from integrations.core import clock
from integrations.problems import cause
from integrations.problems.cause import Cause, RecordedFailure
from integrations.problems.failure_sources import SETTLE, SOURCES, FailureSource
from integrations.problems.models import Problem, ReadPosition

BATCH = 5_000  # failures of one transaction
SECONDS = 10.0  # of one look
MOST_WORDS = 20  # problems that differ in their words alone; failures with further words are one more problem
READ_BACK = timedelta(days=7)  # the first look counts what failed since then
log = structlog.get_logger(__name__)

_ADD = """
INSERT INTO problems_problem AS known
  (fingerprint, kind, subject, code, status, words, count, first_seen, last_seen, app_id,
  opened_at, tenants, reopened, fixed_by)
SELECT *, first_seen, 0, 0, '' FROM unnest(
  %s::text[], %s::text[], %s::text[], %s::text[], %s::smallint[], %s::text[], %s::bigint[], %s::timestamptz[],
  %s::timestamptz[], %s::bigint[]
) AS seen (fingerprint, kind, subject, code, status, words, count, first_seen, last_seen, app_id)
ON CONFLICT (fingerprint) DO UPDATE SET
  app_id = excluded.app_id,
  count = known.count + excluded.count,
  first_seen = least(known.first_seen, excluded.first_seen),
  last_seen = greatest(known.last_seen, excluded.last_seen),
  opened_at = CASE WHEN excluded.last_seen > known.fixed_at THEN excluded.last_seen ELSE known.opened_at END,
  reopened = known.reopened + CASE WHEN excluded.last_seen > known.fixed_at THEN 1 ELSE 0 END,
  fixed_by = CASE WHEN excluded.last_seen > known.fixed_at THEN '' ELSE known.fixed_by END,
  fixed_at = CASE WHEN excluded.last_seen > known.fixed_at THEN NULL ELSE known.fixed_at END
RETURNING id, fingerprint
"""
_ADD_TENANTS = """
INSERT INTO problems_affectedtenant AS known
  (problem_id, tenant_id, count, first_seen, last_seen, "row", trace_id)
SELECT * FROM unnest(
  %s::bigint[], %s::text[], %s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::bigint[], %s::text[]
)
ON CONFLICT (problem_id, tenant_id) DO UPDATE SET
  count = known.count + excluded.count,
  first_seen = least(known.first_seen, excluded.first_seen),
  last_seen = greatest(known.last_seen, excluded.last_seen),
  "row" = CASE WHEN excluded.last_seen >= known.last_seen THEN excluded."row" ELSE known."row" END,
  trace_id = CASE WHEN excluded.trace_id = '' THEN known.trace_id ELSE excluded.trace_id END
"""
_COUNT_TENANTS = """
UPDATE problems_problem SET tenants = found.number
FROM (SELECT problem_id, count(*) AS number FROM problems_affectedtenant WHERE problem_id = ANY(%s) GROUP BY 1) AS found
WHERE problems_problem.id = found.problem_id AND problems_problem.tenants <> found.number
"""


@dataclass(slots=True)
class _Seen:
    """Failures of one cause, or of one tenant in it. `latest` is the newest one."""

    latest: RecordedFailure
    count: int = 0
    first: datetime = field(init=False)
    trace_id: str = ""

    def __post_init__(self) -> None:
        self.first = self.latest.at

    def add(self, failure: RecordedFailure) -> None:
        self.count += 1
        self.first = min(self.first, failure.at)
        if failure.at >= self.latest.at:
            self.latest = failure
        self.trace_id = failure.trace_id or self.trace_id


def roll_up(now: datetime) -> int:
    """Count what failed since the last look; how many failures that were."""
    until, counted = clock.monotonic() + SECONDS, 0
    for source in SOURCES:
        _begin(source, now)
        while found := _batch(source, now):
            counted += found
            if clock.monotonic() >= until:
                return counted
    if counted:
        log.info("problems.counted", failures=counted)
    return counted


def _begin(source: FailureSource, now: datetime) -> None:
    """The first position: nothing of a source without moments is known to be committed."""
    defaults = {"at": now - READ_BACK, "ahead_at": now - SETTLE}
    ReadPosition.objects.get_or_create(name=source.name, defaults=defaults)


def _batch(source: FailureSource, now: datetime) -> int:
    """Count the next failures; 0 when there are none, or while another worker reads this source."""
    with transaction.atomic():
        free = ReadPosition.objects.select_for_update(skip_locked=True).filter(name=source.name)
        if (position := free.first()) is None:
            return 0
        source.look_ahead(position, now)
        rows = source.since(position, now, BATCH)
        if rows:
            add([source.failure(row) for row in rows])
            source.move(position, rows[-1])
        if len(rows) < BATCH and not source.moment:
            position.row = position.until  # what is between them is no failure
        position.save()
    return len(rows)


def add(failures: Iterable[RecordedFailure]) -> None:
    """Add failures to their problems, in the caller's transaction. Rows are locked in the order of their causes."""
    by_cause: dict[Cause, _Seen] = {}
    by_tenant: dict[tuple[Cause, str], _Seen] = {}
    folded = _Folded()
    for failure in failures:
        found = folded.cause_of(failure)
        by_cause.setdefault(found, _Seen(failure)).add(failure)
        if failure.tenant_id:
            by_tenant.setdefault((found, failure.tenant_id), _Seen(failure)).add(failure)
    if by_cause:
        ids = _add_problems(by_cause)
        _add_tenants(by_tenant, ids)


class _Folded:
    """Gives failures of one app, subject and code at most `MOST_WORDS` problems."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str, int | None], set[str]] = {}
        self._first_app = cause.first_app()

    def cause_of(self, failure: RecordedFailure) -> Cause:
        found = cause.of(failure, self._first_app)
        key = found.kind, found.subject, found.code, found.app_id
        if key not in self._known:
            rows = Problem.objects.filter(kind=found.kind, subject=found.subject, code=found.code)
            rows = rows.filter(Q(app=found.app_id) | Q(app=None))
            self._known[key] = set(rows.values_list("fingerprint", flat=True))
        known = self._known[key]
        if found.fingerprint not in known and len(known) >= MOST_WORDS:
            return found.without_words
        known.add(found.fingerprint)
        return found


def _add_problems(by_cause: Mapping[Cause, _Seen]) -> dict[str, int]:
    """Insert or update the problems; their keys by fingerprint."""
    rows = [
        (
            one.fingerprint,
            one.kind,
            one.subject,
            one.code,
            one.status,
            one.words,
            seen.count,
            seen.first,
            seen.latest.at,
            one.app_id,
        )
        for one, seen in sorted(by_cause.items(), key=lambda item: item[0].fingerprint)
    ]
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [list(column) for column in zip(*rows, strict=True)])
        return {fingerprint: pk for pk, fingerprint in cursor.fetchall()}


def _add_tenants(by_tenant: Mapping[tuple[Cause, str], _Seen], ids: Mapping[str, int]) -> None:
    rows = sorted(
        (
            ids[one.fingerprint],
            tenant_id[:64],
            seen.count,
            seen.first,
            seen.latest.at,
            seen.latest.row,
            seen.trace_id[:64],
        )
        for (one, tenant_id), seen in by_tenant.items()
    )
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_ADD_TENANTS, [list(column) for column in zip(*rows, strict=True)])
            cursor.execute(_COUNT_TENANTS, [sorted(set(ids.values()))])
