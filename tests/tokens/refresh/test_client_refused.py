"""HighLevel says "Invalid client credentials!" both of a wrong secret and of a revoked grant (FACTS 1.5).

One credential that meets it may have been revoked; a second one, with no success in between, means our secret.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from integrations.core import clock
from integrations.core.errors import ClientRejected
from integrations.core.models import AuditEntry
from integrations.core.secret import Secret
from integrations.tenants import marketplace
from integrations.tenants.models import App
from integrations.tokens import store, tasks
from integrations.tokens.models import Credential
from integrations.tokens.refresh import halted_apps
from integrations.tokens.refresh.claim_call_swap import refresh
from tests.plugin.vendor import Vendor, location_grant
from tests.tokens.rows import expire, let_pass

State = Credential.State


def change_secret(app: App, text: str) -> None:
    app.refresh_from_db()
    marketplace.set_secrets(app, client_secret=Secret(text), shared_secret=None)
    app.save()


def refused(row: Credential) -> None:
    with pytest.raises(ClientRejected):
        refresh(row.pk)


def requests(vendor: Vendor) -> int:
    return int(vendor.state()["requests"])


def test_one_revoked_grant_does_not_stop_the_app(location, neighbour, vendor) -> None:
    vendor.post(f"/sandbox/locations/{location.resource_id}/uninstall")
    for _ in range(2):
        refused(location)
        let_pass(location)
    assert refresh(neighbour.pk).state == State.ACTIVE
    location.refresh_from_db()
    location.app.refresh_from_db()
    assert location.app.halted_at is None
    assert (location.state, location.last_error_code, location.failures) == (State.ACTIVE, "client_rejected", 2)
    assert AuditEntry.objects.filter(action="token.refresh_refused").count() == 1


def test_two_revoked_grants_with_a_success_in_between_do_not_stop_it(location, neighbour, vendor, app) -> None:
    for row in (location, neighbour):
        vendor.post(f"/sandbox/locations/{row.resource_id}/uninstall")
    refused(location)
    Credential.objects.create(
        app=app, user_type="Location", resource_id="third", refreshed_at=clock.now(), created_at=clock.now()
    )
    refused(neighbour)
    app.refresh_from_db()
    assert app.halted_at is None


def test_our_wrong_secret_stops_the_app_and_says_so_once(location, neighbour, vendor, app) -> None:
    change_secret(app, "wrong")
    Credential.objects.update(refreshed_at=clock.now() - timedelta(hours=9))
    refused(location)
    refused(neighbour)
    app.refresh_from_db()
    assert app.halted_at is not None
    assert AuditEntry.objects.filter(action="app.halted").count() == 1

    before = requests(vendor)
    let_pass(location)
    refused(location)
    assert requests(vendor) == before, "a stopped app asks nothing"
    expire(location)
    assert tasks.claim_due(100, clock.now()) == []
    location.refresh_from_db()
    assert location.refresh_due_at >= clock.now() + timedelta(minutes=4), "put off to the probe"


def test_a_stopped_app_is_probed_and_resumes(location, neighbour, vendor, app) -> None:
    App.objects.filter(pk=app.pk).update(halted_at=clock.now(), halted_reason="a fault of the vendor's")
    refused(location)
    App.objects.filter(pk=app.pk).update(halted_at=clock.now() - marketplace.PROBE_EVERY)
    assert refresh(location.pk).failures == 0
    app.refresh_from_db()
    assert (app.halted_at, app.halted_reason) == (None, "")
    assert AuditEntry.objects.filter(action="app.resumed").count() == 1
    assert refresh(neighbour.pk).failures == 0


def rests_for(app: App, seconds: float) -> None:
    App.objects.filter(pk=app.pk).update(halted_at=clock.now() - timedelta(seconds=seconds))


@pytest.fixture
def healthy(vendor, app) -> Credential:
    """A location that the app is still installed on, not due for hours."""
    grant = location_grant(vendor, app, vendor.locations[2])
    row = store.save_grant(store.location(app, vendor.locations[2]), grant, now=clock.now())
    Credential.objects.filter(pk=row.pk).update(refreshed_at=clock.now() - timedelta(hours=3))
    return row


@pytest.fixture
def stopped_by_two_dead(location, neighbour, healthy, vendor, app) -> App:
    """Two uninstalls without an event."""
    for row in (location, neighbour):
        vendor.post(f"/sandbox/locations/{row.resource_id}/uninstall")
        Credential.objects.filter(pk=row.pk).update(refreshed_at=clock.now() - timedelta(hours=3))
        refused(row)
    app.refresh_from_db()
    assert app.halted_at is not None
    return app


def test_dead_grants_do_not_keep_a_stopped_app_stopped(
    stopped_by_two_dead, location, neighbour, healthy, monkeypatch
) -> None:
    app = stopped_by_two_dead
    sent: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(tasks, "enqueue", lambda name, **kwargs: sent.append((name, kwargs)))
    for row in (location, neighbour):
        expire(row)
    tasks.sweep()
    assert sent == [], "it rests"

    rests_for(app, 301)
    for row in (location, neighbour):
        expire(row)
    for _ in range(3):
        tasks.sweep()
    assert sent == [("tokens.refresh", {"credential_id": healthy.pk})], "the one that may be answered"
    tasks.refresh_one(credential_id=healthy.pk)
    app.refresh_from_db()
    assert app.halted_at is None


def test_a_grant_that_is_refused_again_proves_nothing(stopped_by_two_dead, location, neighbour, healthy) -> None:
    refresh(healthy.pk, forced=True)
    Credential.objects.filter(pk=healthy.pk).update(refreshed_at=clock.now() - timedelta(hours=3))
    for row in (location, neighbour):
        let_pass(row)
        refused(row)
    stopped_by_two_dead.refresh_from_db()
    assert stopped_by_two_dead.halted_at is None


def test_where_all_were_refused_the_one_that_rested_longest_asks(location, neighbour, app) -> None:
    change_secret(app, "wrong")
    Credential.objects.update(refreshed_at=clock.now() - timedelta(hours=9))
    for row in (location, neighbour):
        refused(row)
    assert halted_apps.due(clock.now()) == []
    rests_for(app, 301)
    assert halted_apps.due(clock.now()) == [location.pk]
    assert halted_apps.due(clock.now()) == [], "one probe, however many processes sweep"
    refused_again = refresh_forced(location)
    assert refused_again.failures == 2
    rests_for(app, 301)
    assert halted_apps.due(clock.now()) == [neighbour.pk]


def refresh_forced(row: Credential) -> Credential:
    with pytest.raises(ClientRejected):
        refresh(row.pk, forced=True)
    row.refresh_from_db()
    return row


def test_a_new_secret_ends_the_halt_and_an_operator_may_try_at_once(location, vendor, app) -> None:
    change_secret(app, "wrong")
    App.objects.filter(pk=app.pk).update(halted_at=clock.now())
    with pytest.raises(ClientRejected):
        refresh(location.pk, forced=True)
    change_secret(app, vendor.options.client_secret)
    assert app.halted_at is None
    let_pass(location)
    assert refresh(location.pk).state == State.ACTIVE
