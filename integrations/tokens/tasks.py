"""Celery tasks of credentials: refresh, mint and repair one; the sweep; and the due refreshes of the dispatcher.

After an outage ten thousand may be due at once. The dispatcher then sends the tokens that expire first among the
`LOOK` that waited longest, and only as many as workers can begin soon. So the vendor sees a steady stream of as many
calls at a time as there are worker threads. The read uses the index on the due time.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet

from integrations.core import clock, dispatch
from integrations.core.celery_tasks import URGENT, enqueue, task
from integrations.core.errors import NoPermit, Retryable, StoreUnavailable
from integrations.tenants import marketplace
from integrations.tokens.models import Credential
from integrations.tokens.refresh import commit, halted_apps, lease
from integrations.tokens.refresh.claim_call_swap import mint, refresh
from integrations.tokens.spool import spool

LOOK = 1000  # rows read in one look
Order = Credential.Order
_NEVER = datetime.max.replace(tzinfo=UTC)
log = structlog.get_logger(__name__)


@contextmanager
def _ordered(credential_id: int, what: Order) -> Iterator[bool]:
    """Whether the row orders this. The order ends with the task, unless the task will be repeated.

    A message contains no order: who can write to the broker would spend refresh tokens with it.
    """
    row = Credential.objects.filter(pk=credential_id)
    ordered = row.filter(ordered=what).exists()
    try:
        yield ordered
    except Retryable:
        raise
    except BaseException:
        row.done(what)
        raise
    if ordered:
        row.done(what)


@contextmanager
def _left_to_the_row() -> Iterator[None]:
    """Swallow a retryable failure: the row says when it is tried again (`outcomes`), and the dispatcher sends it then.

    A retry by Celery as well would call the vendor twice as often, and for a lost answer at the wrong times. Only a
    missing permit and an unavailable store are raised, so that the task waits for them as every other task does.
    """
    try:
        yield
    except Retryable as error:
        if isinstance(error, NoPermit | StoreUnavailable):
            raise
        log.info("token.tried_again_later", code=error.code)


@task("tokens.refresh")
def refresh_one(*, credential_id: int, **_: object) -> None:
    """Refresh if it is still due (another message may have done it), or in any case when the row orders it."""
    with _ordered(credential_id, Order.REFRESH) as forced, _left_to_the_row():
        refresh(credential_id, due_before=None if forced else clock.now() + 2 * dispatch.LOST_AFTER, forced=forced)


@task("tokens.mint")
def mint_one(*, credential_id: int, **_: object) -> None:
    """Mint a new pair from the company's token, when the row orders it: an operator asked for it."""
    with _ordered(credential_id, Order.MINT) as ordered:
        if ordered:
            mint(credential_id)


@task("tokens.repair")
def repair_one(*, credential_id: int, **_: object) -> None:
    """Repeat a call whose owner died, within the 30 seconds in which the vendor answers it the same."""
    if lease.orphaned().filter(pk=credential_id).exists():
        with _left_to_the_row():
            refresh(credential_id, forced=True)  # a halted app is stopped for longer than the 30 seconds


@task("tokens.sweep")
def sweep(**_: object) -> None:
    """Drain the spool, then send a task for each orphan and each probe of a halted app. Beat sends this task."""
    spool.drain(commit.KIND, commit.spooled_pair)  # before the repairs, which would find the grant dead
    now = clock.now()
    for credential_id in lease.orphans():
        enqueue("tokens.repair", credential_id=credential_id)
    for credential_id in halted_apps.due(now):
        Credential.objects.filter(pk=credential_id).order(Order.REFRESH)
        enqueue("tokens.refresh", credential_id=credential_id)


def claim_due(limit: int, now: datetime) -> list[int]:
    """Up to `limit` of the due credentials, marked as sent until `now + LOST_AFTER` (`core.dispatch`).

    Those of a halted app are put off, so that they delay no other app's: `halted_apps` chooses the one that probes.
    """
    rows = list(longest_due(now).values_list("pk", "expires_at", "app__halted_at"))
    resting = {pk for pk, _, halted_at in rows if halted_at is not None and now - halted_at < marketplace.PROBE_EVERY}
    ready = ((expires_at or _NEVER, pk) for pk, expires_at, _ in rows if pk not in resting)
    first = [pk for _, pk in heapq.nsmallest(limit, ready)]
    _put_off(resting, now, marketplace.PROBE_EVERY)
    with transaction.atomic():
        still_due = Credential.objects.filter(pk__in=first, refresh_due_at__lte=now, lease_until__isnull=True)
        taken = set(dispatch.mark_sent(still_due, limit, refresh_due_at=now + dispatch.LOST_AFTER))
    return [pk for pk in first if pk in taken]


def longest_due(now: datetime) -> QuerySet[Credential]:
    """The due credentials without a lease, those that waited longest first; at most `LOOK`."""
    return _due_rows(now).order_by("refresh_due_at")[:LOOK]


def _due_rows(now: datetime) -> QuerySet[Credential]:
    return Credential.objects.filter(refresh_due_at__lte=now, lease_until__isnull=True)


def _put_off(ids: Collection[int], now: datetime, wait: timedelta) -> None:
    due_at = now + wait * random.uniform(1.0, 1.5)  # noqa: S311 - spreads load
    if ids:
        Credential.objects.filter(pk__in=ids, refresh_due_at__lte=now).update(refresh_due_at=due_at)


SOURCE = dispatch.DueSource(
    name="refreshes",
    task="tokens.refresh",
    argument="credential_id",
    take=claim_due,
    find_unstarted=partial(dispatch.find_unstarted, Credential, "refresh_due_at", Q(lease_until__isnull=True)),
    make_due_again=partial(dispatch.make_due_again, Credential, "refresh_due_at"),
    due_rows=lambda now: [_due_rows(now)],
    queue=URGENT,
    every=timedelta(seconds=1),
)
