"""Trying the failures of a problem again: which rows still fail with its cause, and the action of their own page.

The rows of a table that fail with the problem's subject and code are found by an index; which of them have its words
is told by their fingerprints. The action, with its permission, its question and its audit entry, is that of the list
on which the rows are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Trigger
from integrations.outbox.models import Entry
from integrations.problems import cause, failure_sources
from integrations.problems.cause import Cause, RecordedFailure
from integrations.problems.models import FailureKind, Problem
from integrations.sync.models import Plan
from integrations.sync.models import Run as SyncRun
from integrations.tokens.models import Credential
from integrations.webhooks.models import Event

MOST = 20_000  # rows of one try; the others are for the next one
_LOOKED_AT = 100_000  # rows with the subject and code of which the words are compared


@dataclass(frozen=True, slots=True)
class NextTry:
    """How failures of one kind are tried again: `action` on rows of `model`. `target` is the row that it acts on."""

    model: Any
    action: str
    failing: Callable[[Problem], QuerySet[Any]]
    failure: Callable[[Any], RecordedFailure]
    target: Callable[[Any], int]

    def rows(self, problem: Problem) -> list[int]:
        """Keys of the rows to act on, the newest failures first, each once."""
        found: dict[int, None] = {}
        for row in self._failing_so(problem):
            found.setdefault(self.target(row))
            if len(found) >= MOST:
                break
        return list(found)

    def _failing_so(self, problem: Problem) -> Iterator[Any]:
        """The rows whose failure has the cause of the problem."""
        others, first = _others(problem), cause.first_app()
        newest = self.failing(problem).order_by("-pk")[:_LOOKED_AT]
        for row in newest.iterator(chunk_size=2_000):
            found = cause.of(self.failure(row), first)
            if problem.app_id not in (None, found.app_id):
                continue
            if found.fingerprint == problem.fingerprint or (others is not None and _is_left(found, others)):
                yield row


def of(problem: Problem) -> NextTry | None:
    """How to try the failures again; None where nothing here repeats them."""
    return _BY_KIND.get(problem.kind)


def _others(problem: Problem) -> set[str] | None:
    """Of a problem without words, those that have words: what has none of theirs is its own."""
    if problem.words:
        return None
    same = Problem.objects.filter(kind=problem.kind, subject=problem.subject, code=problem.code)
    return set(same.exclude(pk=problem.pk).values_list("fingerprint", flat=True))


def _is_left(found: Cause, others: set[str]) -> bool:
    return found.fingerprint not in others


def _events(problem: Problem) -> QuerySet[Event]:
    rows = Event.objects.filter(status=Event.Status.POISONED, type=problem.subject, error_code=problem.code)
    return rows.select_related("mailbox").defer("payload")


def _sync_runs(problem: Problem) -> QuerySet[SyncRun]:
    rows = failure_sources.failed_sync_runs().filter(error_code=problem.code, plan__resource=problem.subject)
    return rows.filter(~Exists(SyncRun.objects.filter(plan=OuterRef("plan"), pk__gt=OuterRef("pk"))))


def _job_runs(problem: Problem) -> QuerySet[JobRun]:
    rows = failure_sources.failed_job_runs().filter(error_code=problem.code, schedule__job=problem.subject)
    return rows.filter(~Exists(JobRun.objects.filter(schedule=OuterRef("schedule"), pk__gt=OuterRef("pk"))))


def _triggers(problem: Problem) -> QuerySet[Trigger]:
    return failure_sources.set_aside().filter(error_code=problem.code, schedule__job=problem.subject)


def _credentials(problem: Problem) -> QuerySet[Credential]:
    rows = Credential.objects.filter(last_error_code=problem.code, failures__gt=0)
    return rows.exclude(state=Credential.State.REVOKED)


def _entries(problem: Problem) -> QuerySet[Entry]:
    """Not those whose record has changed: each would overwrite what no operator has looked at."""
    states = (Entry.State.REJECTED, Entry.State.CONFLICT)
    chosen = Entry.objects.filter(state__in=states, operation=problem.subject, found__isnull=True)
    return chosen.select_related("outbox")


def _pk(row: Any) -> int:
    return int(row.pk)


_BY_KIND: dict[str, NextTry] = {
    FailureKind.EVENT.value: NextTry(Event, "process_again", _events, failure_sources.of_event, _pk),
    FailureKind.SYNC.value: NextTry(
        Plan, "run_now", _sync_runs, failure_sources.of_sync_run, lambda run: int(run.plan_id)
    ),
    FailureKind.JOB.value: NextTry(JobRun, "resume", _job_runs, failure_sources.of_job_run, _pk),
    FailureKind.JOB_EVENT.value: NextTry(Trigger, "run_again", _triggers, failure_sources.of_trigger, _pk),
    FailureKind.CREDENTIAL.value: NextTry(Credential, "refresh_now", _credentials, failure_sources.of_credential, _pk),
    FailureKind.ENTRY.value: NextTry(Entry, "send_again", _entries, failure_sources.of_entry, _pk),
}
