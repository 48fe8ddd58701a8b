"""State transitions of durable runs and their plans, each a conditional UPDATE.

The lease says which worker may begin. The *fence* says which worker may write: a worker writes through `renew`, which
updates the row where it is still running and still leased to that worker, in the transaction of what belongs to it. A
worker that stalled, whose lease another worker took, or whose run was cancelled updates no row and so writes nothing.

A row that is due and has no lease waits for the dispatcher (`core.dispatch`), which sends its message. Until a worker
begins, the message holds a lease too, under the name `QUEUED`, which any worker may take. A parked run holds such a
lease for as long as it waits for a permit.

Leases and the times of next turns are written and judged by the database's clock: a worker whose own clock is wrong
neither takes another's lease nor leaves one that is too long.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from django.db import models, transaction
from django.db.models import Case, Exists, F, OuterRef, PositiveIntegerField, Q, Subquery, Value, When
from django.db.models.functions import Coalesce, Now

from integrations.core.dispatch import LOST_AFTER
from integrations.core.errors import NO_ANSWER, IntegrationError, SealBroken, VendorAnswer
from integrations.core.process import activity
from integrations.core.runs import tenant_turns, vendor_answers
from integrations.core.runs.models import AbstractPlan, AbstractRun
from integrations.core.runs.shares import SharesInUse, ThreadShare

R = TypeVar("R", bound=AbstractRun)
P = TypeVar("P", bound=AbstractPlan)
Fields = dict[str, Any]

log = structlog.get_logger(__name__)

QUEUED = "queued"
# Beyond the expected wait; then the parked task counts as lost, and the dispatcher sends the run again.
PARKED = timedelta(minutes=10)
MOST_CANDIDATES = 1000  # oldest due runs among which `take_due` chooses
NO_LEASE: Fields = {"lease_owner": "", "lease_until": None}
_CODE, _REASON, _TRACE_ID = 40, 300, 64  # characters


class LeaseLost(Exception):
    """Another worker has the run, or the run has ended. This worker may no longer write to it."""


def error_columns(code: str, reason: str, answer: VendorAnswer = NO_ANSWER) -> Fields:
    """The columns of a run that say what went wrong and what the vendor answered, cut to their lengths."""
    return {
        "error_code": code[:_CODE],
        "error": reason[:_REASON],
        "trace_id": (answer.trace_id or "")[:_TRACE_ID],
        "vendor_answer": vendor_answers.kept(answer),
    }


def columns_of(error: IntegrationError) -> Fields:
    """`error_columns` of an error: its reason in our words, then in the vendor's."""
    words = "; ".join(error.vendor.details) or error.vendor.message
    return error_columns(error.code, f"{error}: {words}" if words else str(error), error.vendor)


class RunQuerySet(models.QuerySet[R]):
    """Runs of one room. The model's `task` executes a turn of a run; `lease_term` is how long its lease lasts."""

    def running(self) -> RunQuerySet[R]:
        """Runs that have not ended."""
        return self.filter(status="running")

    def waiting(self) -> RunQuerySet[R]:
        """Due runs that no worker has, and for which no message is in flight."""
        return self.running().filter(_free(), due_at__lte=Now())

    def plans(self) -> PlanQuerySet[Any]:
        """The plans of the room."""
        plan = self.model._meta.get_field(self.model.plan_field).related_model  # noqa: SLF001 - documented by Django
        return PlanQuerySet(plan, using=self.db)

    def claim(self, run_id: int, owner: str) -> R | None:
        """Lease a due run to a worker, and count a predecessor that died as a failure.

        None when the run is not due, has ended, or another worker has its lease.
        """
        free = _free() | Q(lease_owner=QUEUED)
        if not self._all().running().filter(free, pk=run_id, due_at__lte=Now()).update(**self._leased(owner)):
            return None
        return self._all().select_related(f"{self.model.plan_field}__app").get(pk=run_id)

    def renew(self, run: R, owner: str, **fields: Any) -> None:
        """Write `fields` and renew the lease. Raises LeaseLost when the run is no longer this owner's.

        First in a transaction, the row's lock keeps the lease from others until what belongs to it is committed.
        """
        fields.setdefault("lease_until", Now() + self.model.lease_term)
        if not self._all().running().filter(pk=run.pk, lease_owner=owner).update(**run.with_mac(fields)):
            raise LeaseLost
        run.keep(fields)
        activity.report_progress()

    def keep_lease(self, run_id: int, owner: str) -> None:
        """Extend the lease of a turn whose thread is still in it, although it writes nothing.

        Waits for no lock: a row that is locked is being written by that thread.
        """
        with transaction.atomic():
            mine = self._all().running().filter(pk=run_id, lease_owner=owner)
            for pk in mine.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True):
                self._all().filter(pk=pk).update(lease_until=Now() + self.model.lease_term)

    def hand_back(self, run: R, owner: str, *, wait: float = 0.0, **fields: Any) -> None:
        """Release the run for `wait` seconds; then the dispatcher sends it to a worker again."""
        self.renew(run, owner, due_at=Now() + timedelta(seconds=wait), **NO_LEASE, **fields)

    def park(self, run: R, owner: str, *, wait: float, park_task: Callable[[], bool]) -> bool:
        """Release the run until its parked task is sent to a worker.

        `park_task` parks the task. When it returns False, this owner keeps the run, and the result is False.
        """
        with transaction.atomic():
            lease_until = Now() + (timedelta(seconds=wait) + PARKED)
            self.renew(run, owner, due_at=Now(), lease_owner=QUEUED, lease_until=lease_until)
            if park_task():
                return True
            self.renew(run, QUEUED, lease_owner=owner)
        return False

    def take_due(
        self,
        limit: int,
        *,
        tenant: str,
        first: Q | None = None,
        shares: Sequence[ThreadShare] = (),
    ) -> list[int]:
        """The ids of up to `limit` due runs that no worker has, in the order in which workers should get them.

        Each is leased to its message for `LOST_AFTER`. Runs that match `first` come before the others; among equals the
        tenants take turns (`tenant_turns`), so that a tenant with many runs delays no other's first. `tenant` names the
        column that tells tenants apart. What has its share of the threads (`shares`) gets no more; only runs of this
        queryset count. A run that another transaction has locked is left for the next time.
        """
        rank = Case(When(first or Q(pk=None), then=Value(0)), default=Value(1), output_field=PositiveIntegerField())
        waiting = self.waiting().order_by("due_at").annotate(rank=rank)
        columns = [share.column for share in shares]
        use = SharesInUse(shares, self._at_work(columns) if shares else ())
        for column, values in use.used_up():
            waiting = waiting.exclude(**{f"{column}__in": values})
        found = _candidates(waiting.values_list("pk", tenant, "rank", *columns), tenant)
        keys = {pk: values for pk, _, _, *values in found}
        turns = tenant_turns.of(self.model._meta.label)  # noqa: SLF001 - Django's documented name
        due = [(pk, key, rank) for pk, key, rank, *_ in found]
        chosen = turns.take(due, limit, lambda pk: use.admit(keys[pk]))
        if not chosen:
            return []
        with transaction.atomic():
            free = self._all().running().filter(_free(), pk__in=chosen)
            free = free.select_for_update(skip_locked=True, of=("self",))
            taken = set(free.values_list("pk", flat=True))
            self._all().filter(pk__in=taken).update(**self._leased(QUEUED) | {"lease_until": Now() + LOST_AFTER})
        return [pk for pk in chosen if pk in taken]

    def find_unstarted(self, sent: Mapping[int, datetime]) -> list[int]:
        """The ids of `sent` whose message still has its lease. The lease of a parked run lasts longer than that."""
        leased = self._all().filter(pk__in=list(sent), lease_owner=QUEUED, lease_until__lte=Now() + LOST_AFTER)
        return list(leased.values_list("pk", flat=True))

    def release_queued(self, ids: Collection[int], *, wait: timedelta | None = None) -> None:
        """Take back the leases of messages that were not sent, or that a worker refuses: due after `wait` then."""
        fields: Fields = NO_LEASE if wait is None else {**NO_LEASE, "due_at": Now() + wait}
        self._all().filter(pk__in=list(ids), lease_owner=QUEUED).update(**fields)

    def end(self, status: str, now: datetime, **fields: Any) -> int:
        """End these runs; how many had not ended."""
        return self.running().update(**self.ended(status, now), **fields)

    def cancel(
        self, now: datetime, *, reason: str, set_plan: Callable[[R, datetime], None], code: str = "cancelled"
    ) -> list[R]:
        """End these runs, even while workers execute them; returns those that had not ended.

        `set_plan` sets the plan of each to its next due time.
        """
        plan = self.model.plan_field
        with transaction.atomic():
            chosen = self._all().running().filter(pk__in=list(self.values_list("pk", flat=True)))
            stopped = list(chosen.select_related(plan).select_for_update(of=("self",)).order_by("pk"))
            columns = {**self.ended("cancelled", now), **error_columns(code, reason)}
            for run in stopped:
                self._all().filter(pk=run.pk).update(**run.with_mac(columns))
                set_plan(run, now)
        return stopped

    def resume(self, run: R, now: datetime, *, was: Collection[str] = ("failed", "cancelled"), **fields: Any) -> bool:
        """Let a failed or cancelled run go on at its checkpoint. False when it is neither (or none of `was`), or when
        this application did not write it.

        Raises IntegrityError when another run of its plan is under way.
        """
        if not run.is_ours:
            return False
        ended = self._all().filter(pk=run.pk, status__in=was)
        fields |= {"status": "running", "attempts": 0, "finished_at": None, **error_columns("", "")}
        with transaction.atomic():
            return bool(ended.update(due_at=Now(), **NO_LEASE, **run.with_mac(fields)))

    def ended(self, status: str, now: datetime) -> Fields:
        """The columns of a run that ends."""
        return {"status": status, "finished_at": now, **NO_LEASE, **self.model.cleared_at_end}

    def _all(self) -> RunQuerySet[R]:
        return RunQuerySet(self.model, using=self.db)

    def _at_work(self, columns: Sequence[str]) -> list[tuple[bool, Sequence[Any]]]:
        """Runs that a worker has or whose message is in flight, for `SharesInUse`. Parked runs are neither: their
        leases last longer than a message's.
        """
        leased = self.running().filter(lease_until__gte=Now()).exclude(lease_owner="")
        at_work = leased.exclude(lease_owner=QUEUED, lease_until__gt=Now() + LOST_AFTER)
        return [(owner == QUEUED, values) for owner, *values in at_work.values_list("lease_owner", *columns)]

    def _leased(self, owner: str) -> Fields:
        orphaned = When(~Q(lease_owner__in=("", QUEUED)), then=F("attempts") + 1)
        return {
            "lease_owner": owner,
            "lease_until": Now() + self.model.lease_term,
            "attempts": Case(orphaned, default=F("attempts"), output_field=PositiveIntegerField()),
        }


class PlanQuerySet(models.QuerySet[P]):
    """Plans of one room."""

    def without_run(self) -> PlanQuerySet[P]:
        """Plans that have no run under way, nor one that waits because the fate of a write is unknown."""
        mine = self._runs().filter(**{self._field: OuterRef("pk")})
        return self.filter(~Exists(mine.running()), ~Exists(mine.filter(status="unknown")))

    def due(self, now: datetime) -> PlanQuerySet[P]:
        """Plans that are to have a run, and have none."""
        return self.without_run().filter(due_at__lte=now)

    def start_due(
        self,
        now: datetime,
        *,
        limit: int,
        columns: Callable[[P], Fields] = lambda plan: {},
        goes_on: Callable[[P, Any], bool] | None = None,
        refusal: Callable[[P], str] = lambda plan: "",
    ) -> list[AbstractRun]:
        """Start a run for every due plan that has none. Safe to call from many processes at once.

        `columns` gives the room's own columns of a plan's new run. If a plan's latest run failed and `goes_on` says so,
        that one goes on at its checkpoint instead. A plan for which `refusal` has a reason is switched off, and gets a
        failed run with that reason.
        """
        with transaction.atomic():
            plans = list(self.due(now).order_by("due_at").select_for_update(skip_locked=True, of=("self",))[:limit])
            if not plans:
                return []
            # A run that began between the query's snapshot and our lock would collide with the unique constraint.
            running = self._runs().running().filter(**{f"{self._field}__in": plans})
            busy = set(running.values_list(f"{self._field}_id", flat=True))
            free = self._hold([plan for plan in plans if plan.pk not in busy], now, columns, refusal)
            resumed = self._resume_failed(free, now, goes_on) if goes_on and free else {}
            new = [self._new_run(plan, now, columns(plan)) for plan in free if plan.pk not in resumed]
            runs = [*resumed.values(), *self._runs().bulk_create(new)]
            self._every().filter(pk__in=[plan.pk for plan in free]).update(**self.model.not_due)
        return runs

    def plan_next(self, due_at: datetime, **fields: Any) -> int:
        """Set the next due time, unless a sooner run was asked for while the last one was under way."""
        return self.update(due_at=Coalesce("due_at", Value(due_at)), **fields)

    def latest_runs(self) -> dict[int, Any]:
        """Each plan's latest run by the plan's id: one look into the index for each, as a plan has hundreds of runs."""
        newest = self._runs().filter(**{self._field: OuterRef("pk")}).order_by("-pk").values("pk")[:1]
        ids = self.order_by().values_list(Subquery(newest))
        return {run.plan_key: run for run in self._runs().filter(pk__in=ids)}

    def _resume_failed(
        self, plans: Collection[P], now: datetime, goes_on: Callable[[P, Any], bool]
    ) -> dict[int, AbstractRun]:
        """Let the failed latest runs of these plans go on for which `goes_on` says so; by plan."""
        latest = self.filter(pk__in=[plan.pk for plan in plans]).latest_runs()
        failed = {pk: run for pk, run in latest.items() if run.status == "failed"}
        chosen = {plan.pk: failed[plan.pk] for plan in plans if plan.pk in failed and goes_on(plan, failed[plan.pk])}
        for run in chosen.values():
            self._runs().resume(run, now)
        return chosen

    def _hold(
        self, plans: Collection[P], now: datetime, columns: Callable[[P], Fields], refusal: Callable[[P], str]
    ) -> list[P]:
        """Switch those off for which `refusal` has a reason; the others."""
        reasons = {plan.pk: reason for plan in plans if (reason := refusal(plan))}
        if reasons:
            ended: Fields = {"status": "failed", "finished_at": now}
            held = [plan for plan in plans if plan.pk in reasons]
            why = {plan.pk: error_columns(SealBroken.code, reasons[plan.pk]) for plan in held}
            self._runs().bulk_create(
                [self._new_run(plan, now, {**columns(plan), **ended, **why[plan.pk]}) for plan in held]
            )
            self._every().filter(pk__in=list(reasons)).update(enabled=False, **self.model.not_due)
            log.error("plans.not_ours", plans=list(reasons), model=self.model._meta.label)  # noqa: SLF001
        return [plan for plan in plans if plan.pk not in reasons]

    def _every(self) -> models.QuerySet[P]:
        return self.model._default_manager.all()  # noqa: SLF001 - Django's documented name

    @property
    def _run_model(self) -> type[AbstractRun]:
        return self.model._meta.get_field("runs").related_model  # type: ignore[return-value]  # noqa: SLF001

    @property
    def _field(self) -> str:
        return self._run_model.plan_field

    def _runs(self) -> RunQuerySet[Any]:
        return RunQuerySet(self._run_model, using=self.db)

    def _new_run(self, plan: P, now: datetime, fields: Fields) -> AbstractRun:
        return self._run_model(**{self._field: plan}, due_at=Now(), started_at=now, **fields)


def _candidates(waiting: models.QuerySet[Any, Any], tenant: str) -> list[tuple[Any, ...]]:
    """The oldest due runs. If there are more, also the oldest of tenants that have none among them."""
    oldest = list(waiting[:MOST_CANDIDATES])
    if len(oldest) < MOST_CANDIDATES:
        return oldest
    there = {key for _, key, *_ in oldest}
    return [*oldest, *waiting.exclude(**{f"{tenant}__in": there})[:MOST_CANDIDATES]]


if TYPE_CHECKING:
    # As the bases below, spelled out: the type checker's plugin loses dynamic managers when it reads its cache.
    class _RunBase(RunQuerySet[R], models.Manager[R]): ...  # type: ignore[misc]

    class _PlanBase(PlanQuerySet[P], models.Manager[P]): ...  # type: ignore[misc]
else:
    _RunBase = models.Manager.from_queryset(RunQuerySet)
    _PlanBase = models.Manager.from_queryset(PlanQuerySet)


class RunManager(_RunBase[R]):
    """Manager with the methods of `RunQuerySet`."""


class PlanManager(_PlanBase[P]):
    """Manager with the methods of `PlanQuerySet`."""


def _free() -> Q:
    return Q(lease_until__isnull=True) | Q(lease_until__lt=Now())
