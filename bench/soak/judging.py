"""What is wrong after a soak, in words: alerts, events, writes, the copy, credentials, pages, memory."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from bench.soak import operator_acts
from bench.soak.alert_watch import SCRAPE_SECONDS, Firing
from bench.soak.harms import Harm
from bench.soak.running import Soak
from integrations.jobs.models import Trigger
from integrations.outbox.models import Entry
from integrations.sync.models import Record
from integrations.tenants.models import App
from integrations.tokens.models import Credential
from integrations.webhooks.models import Event

Done = Sequence[tuple[Harm, float, float]]
Memory = dict[tuple[str, int], list[tuple[float, int]]]
SLACK = 6 * SCRAPE_SECONDS  # an alert is seen at a scrape, and pages fail until what ended has started again
PAGE_SLACK, HOUR = 30.0, 3_600.0
MOST_GROWTH, LEAST_MB = 0.15, 20.0  # of memory between the second fifth of a process's life and the last one
LONG_ENOUGH = 0.3  # a process that ran for less of the soak is not judged: its caches fill
COMPARED = {
    "contacts": ("firstName", "lastName", "email", "city", "companyName"),
    "opportunities": ("name", "status", "monetaryValue", "pipelineStageId"),
}


def wrong_alerts(fired: Sequence[Firing], done: Done) -> Iterator[str]:
    """Alerts that should have fired, and those that should not."""
    for harm, began, ended in done:
        here = {one.alert for one in fired if began <= one.began <= ended + harm.after + SLACK}
        yield from (f"{alert} did not fire for: {harm.name}" for alert in sorted(harm.must - here))
    for one in fired:
        if not any(_explains(harm, one, began, ended) for harm, began, ended in done):
            yield f"{one.alert} fired for {one.ended - one.began:.0f} s without a reason"


def _explains(harm: Harm, one: Firing, began: float, ended: float) -> bool:
    after = HOUR if one.alert in harm.for_an_hour else harm.after + SLACK
    return one.alert in harm.must | harm.may | harm.for_an_hour and began <= one.began <= ended + after


def is_drained(soak: Soak) -> bool:
    """Whether nothing waits: no delivery at the vendor, no event, no write."""
    waits = (
        soak.platform.deliveries.counts["pending"],
        Event.objects.filter(status=Event.Status.PENDING).exists(),
        Entry.objects.exclude(state=Entry.State.DONE).exists(),
        Trigger.objects.exists(),
        any(wrong_copy(soak)),
    )
    return not any(waits)


def wrong_events(soak: Soak) -> Iterator[str]:
    """Deliveries that were answered 200 and are not here, and events that were not handled."""
    answered = {one.webhook_id for one in soak.platform.deliveries.log if one.state == "sent"}
    stored = dict(Event.objects.values_list("webhook_id", "status"))
    if lost := answered - stored.keys():
        yield f"{len(lost):,} of {len(answered):,} events that were answered 200 are not stored, such as {min(lost)}"
    states = Counter(stored.values())
    if unhandled := states.total() - states[Event.Status.DONE] - states[Event.Status.IGNORED]:
        yield f"{unhandled:,} of {states.total():,} events were not handled: {dict(states)}"


def wrong_writes(soak: Soak) -> Iterator[str]:
    """Notes that the vendor holds twice, or not at all."""
    held = Counter(text for text in operator_acts.notes(soak) if text.startswith(("greet ", "outbox ")))
    job_writes_in = f"location:{soak.locations[0]}"
    updates = Event.objects.filter(type="ContactUpdate").exclude(mailbox__tenant=job_writes_in)
    new = Event.objects.filter(type="ContactCreate", mailbox__tenant=job_writes_in)
    wanted = {f"outbox {one}" for one in updates.values_list("webhook_id", flat=True)}
    wanted |= {f"greet {payload['id']}" for payload in new.values_list("payload", flat=True)}
    twice = [text for text, count in held.items() if count > 1]
    if twice or wanted != held.keys():
        missing, surplus = sorted(wanted - held.keys()), sorted(held.keys() - wanted)
        yield f"of {len(wanted):,} writes {len(missing)} are missing, {len(twice)} twice, {len(surplus)} unwanted"
        yield f"  such as {(missing[:1], twice[:1], surplus[:1])}"


def wrong_copy(soak: Soak) -> Iterator[str]:
    """Contacts and opportunities that differ from the vendor's."""
    for resource, names in COMPARED.items():
        truth = {row["id"]: _some(row, names) for row in _listed(soak, resource)}
        rows = Record.objects.filter(resource=resource, deleted_at=None).values_list("record_id", "payload")
        copy = {key: _some(payload, names) for key, payload in rows}
        wrong = [key for key in truth.keys() | copy.keys() if truth.get(key) != copy.get(key)]
        if wrong:
            first = min(wrong)
            yield f"{len(wrong):,} of {len(truth):,} {resource} differ, such as {first}:"
            yield f"  truth {truth.get(first)}\n  copy  {copy.get(first)}"


def wrong_credentials(soak: Soak) -> Iterator[str]:
    """Credentials that were lost, halted apps, and requests that the vendor refused for their number."""
    lost = Credential.objects.exclude(state=Credential.State.ACTIVE).count()
    if lost or App.objects.filter(halted_at__isnull=False).exists():
        yield f"{lost} credentials do not work any more, or the app was halted"
    refused = sum(bucket.rejected for bucket in soak.platform.quota.buckets.values())
    if refused:
        yield f"the vendor refused {refused} requests that were more than the quota allows"


def wrong_pages(pages: Sequence[tuple[float, str]], done: Done) -> Iterator[str]:
    """Console pages that failed although nothing broke them."""
    broken = [(began - PAGE_SLACK, ended + PAGE_SLACK) for harm, began, ended in done if harm.breaks_pages]
    for at, fault in pages:
        if fault and not any(began <= at <= ended for began, ended in broken):
            yield f"a console page failed: {fault}"


def wrong_memory(memory: Memory, seconds: float) -> Iterator[str]:
    """Processes that grow."""
    for (name, pid), samples in memory.items():
        if samples[-1][0] - samples[0][0] < LONG_ENOUGH * seconds:
            continue
        early, late = figures(samples)
        if late > early * (1 + MOST_GROWTH) and late - early > LEAST_MB:
            yield f"{name} ({pid}) grew from {early:.0f} to {late:.0f} MB"


def figures(samples: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """Medians of the second fifth and of the last fifth, in MB."""
    part = max(1, len(samples) // 5)
    parts = samples[part : 2 * part] or samples, samples[-part:]
    early, late = (statistics.median(size for _, size in one) / 1e6 for one in parts)
    return early, late


def _some(row: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row.get(name) for name in names}


def _listed(soak: Soak, resource: str) -> Iterator[dict[str, Any]]:
    for location in soak.platform.world.locations.values():
        store: Any = getattr(location, resource)
        yield from [VIEWS[resource](store[key]) for key in list(store)]


VIEWS: dict[str, Any] = {
    "contacts": lambda row: {
        "id": row.id,
        "firstName": row.first_name,
        "lastName": row.last_name,
        "email": row.email,
        "city": row.city,
        "companyName": row.company_name,
    },
    "opportunities": lambda row: {
        "id": row.id,
        "name": row.name,
        "status": row.status,
        "monetaryValue": row.value,
        "pipelineStageId": row.stage_id,
    },
}
