"""Ten thousand tokens: due spread over hours, caught up steadily after an outage, found by index."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet

from hlapp.celery import app as celery
from integrations.core import clock, dispatch
from integrations.core.secret import Secret
from integrations.highlevel.oauth.grants import Grant
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App
from integrations.tokens import store, tasks
from integrations.tokens.access import access_token
from integrations.tokens.models import Credential
from integrations.tokens.refresh import lease
from integrations.vault.seal import Binding, seal
from tests.plugin.vendor import location_grant, make_app

COUNT = 5000
NOW = datetime.fromisoformat("2026-06-01T12:00:00+00:00")


@pytest.fixture
def app(db: None) -> App:
    sealed = seal(Secret("secret"), Binding(("app", "crowd"), "client_secret", 1))
    return App.objects.create(
        name="Crowd", client_id="crowd", highlevel_id="crowd", client_secret_sealed=sealed, created_at=NOW
    )


def crowd(app: App, values: Callable[[int], dict[str, Any]], count: int = COUNT) -> None:
    common = {"app": app, "user_type": "Location", "created_at": NOW}
    Credential.objects.bulk_create(
        Credential(resource_id=f"location{number}", **common, **values(number)) for number in range(count)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tokens_credential")


def healthy(number: int) -> dict[str, Any]:
    """Due at some time in the next nine hours; the first three are due now."""
    due = NOW + timedelta(seconds=number * 6.5 - 15)
    return {"refresh_due_at": due, "expires_at": due + timedelta(hours=9)}


def plan(query: QuerySet[Any]) -> dict[str, Any]:
    """The innermost node: what reads the table."""
    node: dict[str, Any] = json.loads(query.explain(format="json", analyze=True))[0]["Plan"]
    while "Plans" in node:
        node = node["Plans"][0]
    return node


@pytest.mark.slow
@pytest.mark.servers
def test_the_sweep_reads_no_more_rows_than_it_must(app: App) -> None:
    crowd(app, healthy)
    last = Credential.objects.order_by("-refresh_due_at")[:2].values_list("pk", flat=True)
    Credential.objects.filter(pk__in=list(last)).update(lease_until=NOW - timedelta(seconds=1))

    due = plan(tasks.longest_due(NOW).values_list("pk", "expires_at"))
    assert (due["Index Name"], due["Actual Rows"]) == ("credential_due", 3)
    gone = plan(lease.orphaned().values_list("pk", flat=True))
    assert (gone["Index Name"], gone["Actual Rows"]) == ("credential_lease", 2)


@pytest.mark.slow
@pytest.mark.servers
def test_even_when_all_are_due(app: App) -> None:
    crowd(app, lambda number: {"refresh_due_at": NOW - timedelta(seconds=number), "expires_at": NOW})
    read = plan(tasks.longest_due(NOW).values_list("pk", "expires_at"))
    assert (read["Index Name"], read["Actual Rows"]) == ("credential_due", tasks.LOOK)


@pytest.mark.slow
def test_an_outage_is_caught_up_steadily_first_to_expire_first(app: App) -> None:
    def overdue(number: int) -> dict[str, Any]:
        return {
            "refresh_due_at": NOW - timedelta(seconds=COUNT - number),
            "expires_at": NOW + timedelta(minutes=number * 7919 % COUNT),
        }

    crowd(app, overdue)
    taken = tasks.claim_due(100, NOW)
    expiries = list(Credential.objects.filter(pk__in=taken).values_list("expires_at", flat=True))
    assert len(taken) == 100
    assert max(expiries) < NOW + timedelta(minutes=COUNT * 0.12), "a tenth of the thousand that waited longest"

    rounds, seen = 1, set(taken)
    while more := tasks.claim_due(100, NOW + timedelta(seconds=1)):
        assert not seen & set(more), "no row is sent twice while its message travels"
        assert len(more) <= 100
        seen |= set(more)
        rounds += 1
    assert (len(seen), rounds) == (COUNT, COUNT // 100)
    lost_at = NOW + dispatch.LOST_AFTER
    assert tasks.claim_due(100, lost_at - timedelta(seconds=1)) == []
    assert tasks.claim_due(100, lost_at + timedelta(seconds=2)), "a message that was lost"


def test_workers_that_are_slow_get_no_more_messages_than_they_can_begin(app: App, clean_redis: object) -> None:
    """With workers slower than the dispatcher the queue would grow without end, and webhooks would wait behind it."""
    now = clock.now()
    crowd(app, lambda _: {"refresh_due_at": now, "expires_at": now}, count=30)
    sender = dispatch.Sender({"refreshes": dispatch.SOURCES["refreshes"]})
    sender.threads = {"urgent": 4}
    most = 4 * dispatch.PER_THREAD
    sent = [sender.send_due(now + timedelta(seconds=second)) for second in range(5)]
    assert sent == [most, 0, 0, 0, 0]

    begun = Credential.objects.filter(refresh_due_at__gt=now)[:3].values("pk")
    Credential.objects.filter(pk__in=begun).update(lease_until=now + timedelta(minutes=1))
    assert sender.send_due(now + timedelta(seconds=6)) == 3
    assert sender.send_due(now + timedelta(seconds=27)) == most, "what was not begun in time is sent again"


def test_a_halted_app_takes_no_turn_of_another(app: App) -> None:
    sealed = app.client_secret_sealed
    other = App.objects.create(
        name="Other", client_id="other", highlevel_id="other", client_secret_sealed=sealed, created_at=NOW
    )
    App.objects.filter(pk=app.pk).update(halted_at=NOW)
    crowd(app, lambda number: {"refresh_due_at": NOW - timedelta(hours=1), "expires_at": NOW}, count=300)
    running = Credential.objects.create(
        app=other, user_type="Location", resource_id="x", refresh_due_at=NOW, expires_at=NOW, created_at=NOW
    )
    assert tasks.claim_due(100, NOW) == [running.pk]
    assert tasks.claim_due(100, NOW) == []
    App.objects.filter(pk=app.pk).update(halted_at=None)
    assert len(tasks.claim_due(100, NOW + timedelta(minutes=8))) == 100


def test_a_sweep_is_not_too_old_for_a_worker_with_its_clock_ahead() -> None:
    """Beat stamps a message with the moment from which no worker runs it; half a minute is more than hosts differ."""
    sweeps = [entry for entry in celery.conf.beat_schedule.values() if entry["task"].endswith(".sweep")]
    assert len(sweeps) >= 4
    for entry in sweeps:
        assert entry["options"]["expires"] >= entry["schedule"] + 30, entry


def test_ten_thousand_installed_in_a_minute_do_not_come_due_in_one(app: App) -> None:
    row = store.get_or_create(store.location(app, "one"), company_id="", now=NOW)
    grant = Grant(Secret("a"), Secret("r"), 86_399, frozenset(), "Location", location_id="one")
    dues = []
    for _ in range(400):
        store.replace_token_pair(row, grant, now=NOW)
        assert row.refresh_due_at is not None
        assert row.expires_at is not None
        dues.append(row.refresh_due_at)
        assert row.expires_at - row.refresh_due_at >= timedelta(hours=5, minutes=59)
    hours = Counter((due - NOW) // timedelta(hours=1) for due in dues)
    assert len(hours) >= 7
    assert max(hours.values()) < 100


@pytest.mark.parametrize(("life", "handed_out"), [(59, False), (60, False), (62, True), (3600, True)])
def test_a_token_handed_out_lives_a_minute(location, vendor, life, handed_out) -> None:
    Credential.objects.filter(pk=location.pk).update(expires_at=clock.now() + timedelta(seconds=life))
    access = access_token.get(store.location(location.app, location.resource_id), lane=Lane.BULK)
    assert (access.generation == location.generation) is handed_out
    row = Credential.objects.get(pk=access.credential_id)
    assert row.expires_at > clock.now() + timedelta(minutes=1)


def test_the_life_of_a_token_begins_when_it_is_asked_for(location, vendor) -> None:
    vendor.fault("/oauth/token", "latency", ms=700)
    began = clock.now()
    row = access_token.refresh(location.pk)
    assert row.expires_at < began + timedelta(seconds=86_399.5), "not when the answer came"


@pytest.fixture
def location(vendor, db, clean_redis):
    made = make_app(vendor)
    return store.save_grant(
        store.location(made, vendor.locations[0]), location_grant(vendor, made, vendor.locations[0]), now=clock.now()
    )
