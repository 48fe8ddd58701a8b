"""The first app follows the settings, secrets are sealed, and a halt is recorded once."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from integrations.core import clock
from integrations.core.errors import BadRequest, SealBroken
from integrations.core.models import AuditEntry
from integrations.core.secret import Secret
from integrations.tenants import marketplace
from integrations.tenants.models import App

pytestmark = pytest.mark.django_db(transaction=True)

ANOTHER = "77b1419a0dffa47fb5f8b33a-second"


def restarted() -> App:
    """The default app as a new process finds it."""
    marketplace.reset()
    return marketplace.default()


def second_app() -> App:
    row = App(
        name="Second",
        client_id=ANOTHER,
        highlevel_id=ANOTHER.partition("-")[0],
        api_url="http://127.0.0.1:1",
        marketplace_url="http://127.0.0.1:1",
        created_at=clock.now(),
    )
    marketplace.set_secrets(row, client_secret=Secret("second-secret"), shared_secret=None)
    row.save()
    return row


def test_the_settings_make_the_first_app(settings: Settings) -> None:
    app = marketplace.default()
    assert (app.client_id, app.highlevel_id) == (settings.HIGHLEVEL_CLIENT_ID, "66a0419a0dffa47fb5f8b22f")
    assert app.version_id == app.highlevel_id
    assert app.scope_set == set(settings.HIGHLEVEL_SCOPES)
    assert app.api_url == settings.HIGHLEVEL_API_URL
    assert App.objects.count() == 1


def test_secrets_are_sealed_and_can_be_unsealed(settings: Settings) -> None:
    app = marketplace.default()
    stored = bytes(app.client_secret_sealed) + bytes(app.shared_secret_sealed or b"")
    assert settings.HIGHLEVEL_CLIENT_SECRET.encode() not in stored
    known = marketplace.identity(app)
    assert known.client_secret.reveal() == settings.HIGHLEVEL_CLIENT_SECRET
    assert known.redirect_uri == f"{settings.PUBLIC_URL}/oauth/callback"
    assert settings.HIGHLEVEL_CLIENT_SECRET not in repr(known)
    shared = marketplace.shared_secret(app)
    assert shared is not None
    assert shared.reveal() == settings.HIGHLEVEL_SHARED_SECRET


def test_unchanged_secrets_are_not_sealed_again() -> None:
    before = marketplace.default()
    after = restarted()
    assert (after.pk, after.secret_generation) == (before.pk, before.secret_generation)
    assert bytes(after.client_secret_sealed) == bytes(before.client_secret_sealed)


@pytest.mark.parametrize("name", ["HIGHLEVEL_CLIENT_SECRET", "HIGHLEVEL_SHARED_SECRET"])
def test_a_changed_secret_is_sealed_under_the_next_generation(settings: Settings, name: str) -> None:
    before = marketplace.default()
    marketplace.halt(before, "refused", now=clock.now())
    setattr(settings, name, "changed")
    after = restarted()
    assert (after.pk, after.secret_generation) == (before.pk, before.secret_generation + 1)
    opened = [marketplace.identity(after).client_secret, marketplace.shared_secret(after)]
    assert Secret("changed") in opened
    assert after.halted_at is None, "a new secret deserves a new try"
    before.secret_generation += 1
    with pytest.raises(SealBroken):
        marketplace.identity(before)


def test_a_shared_secret_that_leaves_the_settings_is_deleted(settings: Settings) -> None:
    marketplace.default()
    settings.HIGHLEVEL_SHARED_SECRET = ""
    assert marketplace.shared_secret(restarted()) is None


def test_values_that_the_settings_do_not_define_stay(settings: Settings) -> None:
    row = marketplace.default()
    App.objects.filter(pk=row.pk).update(name="Our app", version_id="v2", dialect="v3")
    settings.HIGHLEVEL_SCOPES = ["contacts.readonly"]
    after = restarted()
    assert (after.name, after.version_id, after.dialect, after.scopes) == ("Our app", "v2", "v3", "contacts.readonly")


def test_the_settings_change_no_other_app(settings: Settings) -> None:
    other = second_app()
    marketplace.default()
    other.refresh_from_db()
    assert marketplace.identity(other).client_secret.reveal() == "second-secret"
    assert marketplace.default().client_id == settings.HIGHLEVEL_CLIENT_ID


def test_an_app_is_found_by_app_id_and_by_client_id() -> None:
    other, first = second_app(), marketplace.default()
    assert marketplace.find(other.highlevel_id) == marketplace.find(other.client_id) == other
    assert marketplace.find(None) == marketplace.find("") == marketplace.find(first.highlevel_id) == first
    with pytest.raises(BadRequest, match="unknown-app"):
        marketplace.find("unknown-app")


def test_without_settings_the_only_app_is_the_default(settings: Settings) -> None:
    settings.HIGHLEVEL_CLIENT_ID = ""
    with pytest.raises(BadRequest, match="HIGHLEVEL_CLIENT_ID"):
        marketplace.default()
    other = second_app()
    assert marketplace.default() == other


def test_after_a_rollback_the_settings_are_copied_again() -> None:
    with transaction.atomic():
        marketplace.default()
        transaction.set_rollback(True)
    assert marketplace.default().pk


def test_processes_that_start_together_make_one_row() -> None:
    found: list[App] = []
    together = threading.Barrier(6)

    def start() -> None:
        together.wait()
        try:
            found.append(marketplace.default())
        finally:
            connection.close()

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({app.pk for app in found}) == 1
    assert len(found) == 6


def test_a_halt_and_its_end_are_recorded_once() -> None:
    app = marketplace.default()
    for reason in ("first", "second", "third"):
        marketplace.halt(app, reason, now=clock.now())
    halted = App.objects.get(pk=app.pk)
    assert halted.halted_reason == "first"
    assert AuditEntry.objects.filter(action="app.halted").count() == 1
    for stale in (halted, App.objects.get(pk=app.pk), App.objects.get(pk=app.pk)):
        marketplace.resume(stale)
    app.refresh_from_db()
    assert (app.halted_at, app.halted_reason) == (None, "")
    assert AuditEntry.objects.filter(action="app.resumed").count() == 1


def test_the_end_of_a_halt_is_recorded_once_when_two_callers_see_it() -> None:
    app = marketplace.default()
    marketplace.halt(app, "refused", now=clock.now())
    one, two = App.objects.get(pk=app.pk), App.objects.get(pk=app.pk)
    marketplace.resume(one)
    marketplace.resume(two)
    assert AuditEntry.objects.filter(action="app.resumed").count() == 1


def test_another_refusal_moves_the_time_of_the_halt() -> None:
    app = marketplace.default()
    early, late = clock.now(), clock.now()
    marketplace.halt(app, "refused", now=early)
    marketplace.halt(app, "refused", now=late)
    assert App.objects.get(pk=app.pk).halted_at == late
