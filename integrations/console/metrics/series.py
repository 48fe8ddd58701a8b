"""The metric families of `/metrics`, one function per subject.

Labels have few values: apps, user types, states, resources, lanes, error codes. A tenant's id is never a label, because
a thousand locations would make a thousand series. Where single tenants matter, the worst value is exposed, and the
admin pages show which tenant has it. When the quota store cannot be reached, the other metrics are still exposed and
`hlapp_quota_store_up` is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Min, Sum
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from integrations.console import queries
from integrations.console.doctor import worker_ping
from integrations.core.errors import StoreUnavailable
from integrations.gateway.models import Usage
from integrations.jobs import queries as jobs
from integrations.privacy import retention_sweep
from integrations.problems import queries as problems
from integrations.problems.models import FailureKind
from integrations.quota.models import Parked
from integrations.quota.permits import queries as quota
from integrations.sync import queries as sync
from integrations.sync.lag import listing_lag, webhook_lag
from integrations.tenants.models import App, Installation
from integrations.tokens.models import Credential
from integrations.webhooks import queries as webhooks
from integrations.webhooks.response_counts import ResponseOutcome

BUSIEST = 20
CALLS_OF = timedelta(minutes=5)

Samples = Iterable[tuple[list[str], float]]


def _gauge(name: str, help_: str, labels: list[str], rows: Samples) -> Metric:
    family = GaugeMetricFamily(f"hlapp_{name}", help_, labels=labels)
    for values, figure in rows:
        family.add_metric(values, figure)
    return family


def _single(name: str, help_: str, figure: float) -> Metric:
    return GaugeMetricFamily(f"hlapp_{name}", help_, figure)


def _labelled(rows: Iterable[Mapping[str, Any]], *labels: str, figure: str = "found") -> Samples:
    return [([str(row[label]) for label in labels], row[figure]) for row in rows]


def _age(at: datetime | None, now: datetime) -> float:
    return (now - at).total_seconds() if at else 0.0


def tenants(now: datetime) -> Iterator[Metric]:
    """Installations, credentials and halted apps."""
    labels = ["app_name", "user_type", "status"]
    installed = _labelled(queries.installations(), *labels)
    yield _gauge("installations", "Installations by status.", ["app", *labels[1:]], installed)
    credentials = _labelled(queries.credentials(), "app_name", "user_type", "state")
    yield _gauge("credentials", "Credentials by state.", ["app", "user_type", "state"], credentials)
    first = Credential.objects.filter(state=Credential.State.ACTIVE, expires_at__isnull=False)
    yield _gauge(
        "credentials_next_expiry_timestamp_seconds",
        "When the first of the active access tokens runs out.",
        ["app"],
        [
            ([app], at.timestamp())
            for app, at in first.values_list("app__client_id").annotate(Min("expires_at")).order_by()
        ],
    )
    halted = App.objects.filter(halted_at__isnull=False).count()
    yield _single("apps_halted", "Apps whose own client secret was refused.", halted)


def inbox(now: datetime) -> Iterator[Metric]:
    """Unsettled events, mailboxes that are behind, and answers to webhooks."""
    unsettled = webhooks.unsettled()
    depth = [([status], entry.number) for status, entry in unsettled.items()]
    yield _gauge("events", "Webhook events that are not settled, by status.", ["status"], depth)
    ages = [([status], _age(entry.oldest, now)) for status, entry in unsettled.items()]
    yield _gauge("events_oldest_seconds", "How long ago the oldest of them was received.", ["status"], ages)
    yield _single("mailboxes_behind", "Mailboxes with events that are due.", webhooks.behind(now))
    delays = webhooks.delays(now)
    yield _gauge(
        "mailbox_delay_seconds",
        "How long the oldest pending event of a tenant has waited: the median and the longest of the tenants with any.",
        ["of"],
        [(["median"], delays.median), (["longest"], delays.longest)],
    )
    yield _single(
        "tenants_not_installed",
        "Tenants whose events came in the last 24 hours although the app is not installed on them.",
        webhooks.not_installed(now),
    )
    answers = CounterMetricFamily(
        "hlapp_webhook_answers",
        "Answers to webhooks by outcome (app empty: the URL named no app of ours).",
        labels=["app", "outcome"],
    )
    for row in webhooks.answered():
        for outcome in ResponseOutcome:
            answers.add_metric([row["app_name"], outcome.value], row[outcome.value])
    yield answers


def work(now: datetime) -> Iterator[Metric]:
    """Sync runs and plans, records, job runs, and overdue work."""
    runs = _labelled(queries.runs(), "resource", "status")
    yield _gauge("sync_runs", "Sync runs that are not complete, by status.", ["resource", "status"], runs)
    lags = sync.lags()
    ages = [([lag.resource], _age(lag.oldest_sync, now)) for lag in lags if lag.oldest_sync]
    yield _gauge("sync_lag_seconds", "How long ago the stalest plan was last synced.", ["resource"], ages)
    measured = webhook_lag.of_all(now)
    late = [([lag.resource, part], figure) for lag in measured for part, figure in lag.quantiles]
    yield _gauge("webhook_copy_seconds", "From the receipt of webhooks to the copy.", ["resource", "quantile"], late)
    late = [([lag.resource, part], figure) for lag in measured for part, figure in lag.vendor_quantiles]
    words = "From the vendor's own time of webhooks to the copy."
    yield _gauge("vendor_copy_seconds", words, ["resource", "quantile"], late)
    listed = [([lag.resource, part], figure) for lag in listing_lag.of_all(now) for part, figure in lag.quantiles]
    words = "From the request of a full listing to its last record in the copy."
    yield _gauge("listing_copy_seconds", words, ["resource", "quantile"], listed)
    never = [([lag.resource], lag.never) for lag in lags]
    yield _gauge("sync_plans_never_synced", "Plans that were never synced.", ["resource"], never)
    count, _exact = queries.records()
    yield _single("records", "Synced records (the planner's estimate beyond a million).", count)
    found = _labelled(jobs.by_status(), "job", "status")
    yield _gauge("job_runs", "Runs of background jobs that are not complete, by status.", ["job", "status"], found)
    paused = [([state.job], 1.0) for state in jobs.paused()]
    yield _gauge("jobs_paused", "Paused background jobs.", ["job"], paused)
    aside = [([job], float(number)) for job, number in jobs.set_aside_counts()]
    yield _gauge("job_events_set_aside", "Events on which a job failed, not yet run again.", ["job"], aside)
    unknown = [([job], float(number)) for job, number in jobs.unknown_counts()]
    yield _gauge("job_writes_unknown", "Writes of jobs that may have happened or not.", ["job"], unknown)
    yield _single("threads_silent", "Worker threads that hang, or that report no progress.", len(jobs.hung_now(now)))
    longest = max((delay.seconds for delay in jobs.delays(now, 1)), default=0.0)
    yield _single("job_delay_seconds", "How long the longest waiting tenant's run has been due.", longest)
    overdue = [([kind], number) for kind, number in worker_ping.overdue(now).items()]
    yield _gauge("overdue", "Work due for over two minutes that no worker has: is beat alive?", ["kind"], overdue)


def open_problems(now: datetime) -> Iterator[Metric]:
    """Problems that are neither fixed nor muted, and those that the dashboard names. A kind without any is 0."""
    every = problems.by_kind(problems.in_state("open", now))
    yield _gauge("problems_open", "Problems neither muted nor called fixed, by what fails.", ["kind"], _kinds(every))
    new = problems.by_kind(problems.new(now))
    help_ = "Open problems of the last 24 hours, more than a failure or two, that no operator has taken."
    yield _gauge("problems_new", help_, ["kind"], _kinds(new))


def _kinds(counted: Mapping[str, int]) -> Samples:
    return [([kind.value], float(counted.get(kind.value, 0))) for kind in FailureKind]


def parked(now: datetime) -> Iterator[Metric]:
    """Parked tasks."""
    rows = Parked.objects.values("lane", "state").annotate(found=Count("pk")).order_by()
    yield _gauge("parked_tasks", "Tasks that wait for a permit.", ["lane", "state"], _labelled(rows, "lane", "state"))
    oldest = Parked.objects.filter(state=Parked.State.WAITING).aggregate(at=Min("parked_at"))["at"]
    yield _single("parked_oldest_seconds", "How long the first of them has been waiting.", _age(oldest, now))


def retention(now: datetime) -> Iterator[Metric]:
    """Whether what has expired is deleted."""
    late = [([table], by.total_seconds()) for table, by in retention_sweep.overdue(now).items()]
    help_ = "How long ago the oldest row that is still here should have been deleted (0: none should)."
    yield _gauge("retention_overdue_seconds", help_, ["table"], late)


def calls(now: datetime) -> Iterator[Metric]:
    """API calls of the last five minutes. Gauges, not counters: the rows per minute are deleted after a while."""
    minutes = Usage.objects.filter(span=Usage.Span.MINUTE, at__gt=now - CALLS_OF, at__lte=now)
    kinds = minutes.values("lane", "code", app_name=F("app__client_id")).order_by()
    rows = list(kinds.annotate(sent=Sum("spent"), refused=Sum(F("calls") - F("spent"))))
    labels = ("app_name", "lane", "code")
    sent = _labelled(rows, *labels, figure="sent")
    yield _gauge(
        "api_calls", "API calls of the last five minutes by error (empty: success).", ["app", "lane", "code"], sent
    )
    refused = [row for row in rows if row["code"] == "quota_exhausted"]
    yield _gauge(
        "permits_refused",
        "Calls of the last five minutes that got no permit.",
        ["app", "lane"],
        _labelled(refused, "app_name", "lane", figure="refused"),
    )


def quotas(now: datetime) -> Iterator[Metric]:
    """The fullest burst window and the most used day budget of the busiest tenants, by app and user type."""
    free: dict[tuple[str, str], int] = {}
    day: dict[tuple[str, str], int] = {}
    up = 1
    try:
        for row in queries.busiest(BUSIEST):
            _lower(free, day, row)
    except StoreUnavailable:
        up = 0
    yield _single("quota_store_up", "Whether the quota store answers.", up)
    scope = f"of the {BUSIEST} busiest companies and locations"
    names = ["app", "user_type"]
    yield _gauge(
        "quota_burst_free_least", f"Calls free now in the fullest burst window {scope}.", names, _samples(free)
    )
    yield _gauge(
        "quota_day_remaining_least", f"Calls left of the most used day's budget {scope}.", names, _samples(day)
    )


def _lower(free: dict[tuple[str, str], int], day: dict[tuple[str, str], int], row: Installation) -> None:
    """Lower the minima of the app and user type to this tenant's figures."""
    key, snapshot = (row.app.client_id, str(row.user_type)), quota.snapshot(row.quota_app, row.resource_id)
    free[key] = min(free.get(key, snapshot.free), snapshot.free)
    if snapshot.day_remaining is not None:
        day[key] = min(day.get(key, snapshot.day_remaining), snapshot.day_remaining)


def _samples(figures: dict[tuple[str, str], int]) -> Samples:
    return [(list(key), figure) for key, figure in figures.items()]


ALL: tuple[Callable[[datetime], Iterator[Metric]], ...] = (
    tenants,
    inbox,
    work,
    open_problems,
    parked,
    retention,
    calls,
    quotas,
)
