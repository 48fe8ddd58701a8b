"""The history of an installation: what, when, old, new and the event that said so; and what the vendor says of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.secret import Secret
from integrations.highlevel.oauth.grants import Grant
from integrations.installs import claim, details, events, location_events, register, uninstall
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import App, Installation
from integrations.tokens import connection_history, store
from integrations.tokens.models import Credential, CredentialKey
from tests.sync.conftest import app as app

pytestmark = pytest.mark.django_db
T = datetime(2026, 4, 1, 12, tzinfo=UTC)
S = timedelta(seconds=1)
WHITE = {"isWhitelabelCompany": True, "whitelabelDetails": {"domain": "app.example.com", "logoUrl": "https://x/l.png"}}
TRIAL = {"trial": {"onTrial": True, "trialDuration": 10, "trialStartDate": "2026-03-30T00:00:00.000Z"}}
LOCATION = {"locationId": "loc1", "companyId": "com1"}


def grant(scopes: str) -> Grant:
    return Grant(
        access_token=Secret("access"),
        refresh_token=Secret("refresh"),
        expires_in=86_399,
        user_type="Location",
        scopes=frozenset(scopes.split()),
    )


@pytest.fixture
def row(app: App) -> Installation:
    """Installed by an event and a token."""
    events.installed(app, {**LOCATION, "versionId": "v1", "planId": "p1", **TRIAL, **WHITE}, T, event_id="e1")
    register.finish_pending(found(), at=T + S)
    return found()


def found() -> Installation:
    return Installation.objects.select_related("app", "location").get(resource_id="loc1")


def entries(*kinds: str) -> list[tuple[Any, ...]]:
    rows = InstallationChange.objects.filter(what__in=kinds).order_by("pk")
    return list(rows.values_list("what", "at", "old", "new", "event_id"))


def test_trial_and_white_label_are_kept_on_the_installation(row: Installation) -> None:
    assert (row.on_trial, row.trial_days, details.trial_ends_at(row)) == (True, 10, datetime(2026, 4, 9, tzinfo=UTC))
    assert (row.white_label, row.white_label_domain, row.white_label_logo) == (
        True,
        "app.example.com",
        "https://x/l.png",
    )
    ((_, at, _, new, _),) = entries("installed")
    assert at == T + S
    assert new["version_id"] == "v1"
    assert new["trial_days"] == 10
    assert InstallationChange.objects.count() == 1, "what was unknown before has not changed"


@pytest.mark.parametrize(
    "absurd", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "9999-12-31", "0001-01-01"]
)
def test_a_moment_that_no_row_could_be_read_with_is_not_kept(app: App, row: Installation, absurd: str) -> None:
    """PostgreSQL would keep it, and every page and worker that reads the row would fail from then on."""
    trial = {"trial": {"onTrial": True, "trialDuration": 3_660, "trialStartDate": absurd}}
    events.updated(app, {**LOCATION, **trial}, T + S, event_id="e2")
    assert (found().trial_days, details.trial_ends_at(found())) == (3_660, datetime(2036, 4, 6, tzinfo=UTC))


def test_an_update_leaves_an_entry_for_each_thing_that_changed(app: App, row: Installation) -> None:
    update = {**LOCATION, "versionId": "v2", "previousVersionId": "v1", "planId": "p2"}
    update |= {"trial": {"onTrial": False}, "isWhitelabelCompany": True}
    for _ in range(2):  # the vendor repeats it
        events.updated(app, update, T + 2 * S, event_id="e2")
    assert entries("updated", "plan_changed", "white_label_changed") == [
        ("updated", T + 2 * S, "v1", "v2", "e2"),
        ("plan_changed", T + 2 * S, "p1", "p2", "e2"),
    ]
    ((_, _, old, new, _),) = entries("trial_changed")
    assert (old["on_trial"], new["on_trial"], details.trial_ends_at(found())) == (True, False, None)


def test_a_late_update_brings_its_version_although_the_plan_is_newer(app: App, row: Installation) -> None:
    events.plan_changed(app, {**LOCATION, "newPlanId": "p3"}, T + 9 * S, event_id="plan")
    events.updated(app, {**LOCATION, "versionId": "v2", "planId": "p2"}, T + 2 * S, event_id="late")
    events.updated(app, {**LOCATION, "versionId": "v0"}, T - S, event_id="older")
    assert (found().version_id, found().plan_id) == ("v2", "p3")
    assert [entry[4] for entry in entries("updated", "plan_changed")] == ["plan", "late"]


def test_an_external_account_and_a_payment_are_kept(app: App, row: Installation) -> None:
    for at, auth in ((T + S, "oauth2"), (T + S, "oauth2"), (T, "basic")):
        events.external_auth_connected(app, {**LOCATION, "authType": auth}, at, event_id="auth")
    for at, status in ((T + S, "COMPLETE"), (T + 2 * S, "FAILED"), (T + S, "COMPLETE")):
        events.payment_status(app, {**LOCATION, "newStatus": status}, at, event_id="pay")
    assert entries("external_auth_connected") == [("external_auth_connected", T + S, None, "oauth2", "auth")]
    assert entries("payment_status_changed") == [("payment_status_changed", T + 2 * S, "COMPLETE", "FAILED", "pay")]
    assert (found().external_auth, found().payment_status) == ("oauth2", "FAILED")


def test_a_name_a_move_and_a_claim(app: App, row: Installation) -> None:
    named = {"id": "loc1", "companyId": "com1", "name": "Harbor"}
    location_events.changed(app, named, T + S, event_id="n1")
    location_events.changed(app, named | {"name": "Harbor Ltd"}, T + 2 * S, event_id="n2")
    events.installed(app, {"companyId": "com2"}, T)
    location_events.changed(app, {"id": "loc1", "companyId": "com2"}, T + 3 * S, event_id="m1")
    assert claim.claim(found(), by="user u", now=T + 4 * S)
    assert not claim.claim(found(), by="user u", now=T + 5 * S)
    assert entries("renamed") == [("renamed", T + 2 * S, "Harbor", "Harbor Ltd", "n2")]
    assert [(old, new) for _, _, old, new, _ in entries("moved")] == [("com1", "com2")]
    assert entries("claimed") == [("claimed", T + 4 * S, None, "user u", "")]


def test_a_new_installation_knows_nothing_of_the_one_before(app: App, row: Installation) -> None:
    events.uninstalled(app, {"locationId": "loc1"}, clock.now(), event_id="u1")
    events.installed(app, LOCATION, clock.now() + S, event_id="i2")
    assert (found().version_id, found().on_trial, found().white_label_domain) == ("", None, "")
    register.finish_pending(found(), at=clock.now())
    assert [entry[0] for entry in entries("installed", "uninstalled", "updated")] == [
        "installed",
        "uninstalled",
        "installed",
    ]
    assert entries("uninstalled")[0][3:] == ("UNINSTALL event", "u1")


def test_what_was_never_installed_is_not_uninstalled(app: App) -> None:
    events.installed(app, LOCATION, T)
    uninstall.removed(found(), at=T + S, actor="operator op")
    assert not InstallationChange.objects.exists()


def test_scopes_a_lost_and_a_new_credential(app: App, row: Installation) -> None:
    key = CredentialKey(app, row.tenant)
    kept = store.save_grant(key, grant("contacts.readonly"), now=T)
    stale = store.find(key)
    assert store.replace_token_pair(kept, grant("contacts.readonly oauth.write oauth.readonly"), now=T + S)
    assert not entries("scopes_changed"), "only those of the connection"
    assert store.replace_token_pair(kept, grant("contacts.readonly contacts.write"), now=T + 2 * S)
    assert stale is not None
    assert not store.replace_token_pair(stale, grant("calendars.readonly"), now=T + 3 * S), "another generation"
    ((_, at, old, new, _),) = entries("scopes_changed")
    assert (at, new) == (T + 2 * S, ["contacts.readonly", "contacts.write"])
    assert "contacts.write" not in old
    assert not entries("reconnected")


def test_a_credential_is_lost_once_until_it_works_again(app: App, row: Installation) -> None:
    kept = store.save_grant(CredentialKey(app, row.tenant), grant("contacts.readonly"), now=T)
    for second in range(2):
        Credential.objects.filter(pk=kept.pk).need_reconnect(reason="refused")
        connection_history.lost(kept, "refused", now=T + second * S)
    for _ in range(2):
        store.save_grant(CredentialKey(app, row.tenant), grant("contacts.readonly"), now=T + 3 * S)
    assert entries("disconnected", "reconnected") == [
        ("disconnected", T, None, "refused", ""),
        ("reconnected", T + 3 * S, "refused", None, ""),
    ]
