"""Refresh is claim, call, swap; whatever happens in between, the grant is not lost."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection

from integrations.core import clock
from integrations.core.errors import (
    GrantRevoked,
    InstallGone,
    LocationInactive,
    RefreshInProgress,
    SealBroken,
    ServerFault,
    Unreachable,
)
from integrations.core.models import AuditEntry
from integrations.quota.permits.lanes import Lane
from integrations.tokens import seals, store, tasks
from integrations.tokens.access import access_token
from integrations.tokens.models import Credential
from integrations.tokens.refresh import lease, outcomes
from integrations.tokens.refresh.claim_call_swap import refresh
from tests.plugin.vendor import location_grant, make_app, run_vendor
from tests.tokens.refresh.steps import watched
from tests.tokens.rows import expire, let_pass, orphan

State = Credential.State


def test_a_refresh_brings_the_next_generation(location, vendor) -> None:
    old = seals.access_token(location)
    row = refresh(location.pk)
    assert row.generation == location.generation + 1
    assert seals.access_token(row) != old
    assert row.refresh_due_at < row.expires_at - timedelta(hours=5)
    assert (row.lease_owner, row.intent_generation, row.failures) == ("", None, 0)
    assert refresh(row.pk).generation == row.generation + 1


def test_it_takes_two_statements(location, vendor, django_assert_num_queries) -> None:
    with django_assert_num_queries(2):  # claim and read, swap
        refresh(location.pk)
    assert refresh(location.pk).generation == location.generation + 2


def test_who_saw_an_older_generation_refreshes_nothing(location, vendor) -> None:
    newer = refresh(location.pk)
    before = vendor.state()["token_requests"]["refresh_token"]
    row = refresh(location.pk, expected_generation=location.generation)
    assert row.generation == newer.generation
    assert vendor.state()["token_requests"]["refresh_token"] == before


def test_an_uninstall_during_the_refresh_is_reported(location, vendor) -> None:
    key = store.location(location.app, location.resource_id)
    expire(location)

    def uninstall(step: str) -> None:
        if step == "answered":
            store.revoke(key, reason="gone", now=clock.now())

    with watched(uninstall), pytest.raises(InstallGone):
        access_token.get(key, lane=Lane.BULK)


def test_refreshes_are_spread_over_hours(location, vendor) -> None:
    moments = {refresh(location.pk).refresh_due_at for _ in range(6)}
    assert max(moments) - min(moments) > timedelta(minutes=10)


@pytest.mark.django_db(transaction=True)
def test_many_who_want_a_fresh_token_cause_one_refresh(location, vendor) -> None:
    expire(location)
    before = vendor.state()["token_requests"].get("refresh_token", 0)
    got: list[str] = []

    def want() -> None:
        try:
            key = store.location(location.app, location.resource_id)
            got.append(access_token.get(key, lane=Lane.BULK).token.reveal())
        finally:
            connection.close()

    threads = [threading.Thread(target=want) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 16
    assert len(set(got)) == 1
    assert vendor.state()["token_requests"]["refresh_token"] == before + 1


def test_a_lost_answer_is_repaired_inside_the_grace(location, vendor) -> None:
    vendor.fault("/oauth/token", "lost")
    with pytest.raises(Unreachable):
        refresh(location.pk)
    row = Credential.objects.get(pk=location.pk)
    assert row.generation == location.generation
    assert row.intent_generation == row.generation, "the vendor may have rotated: the intent stays"
    assert row.lease_until - row.intent_at == outcomes.REPEATS[0]
    assert tasks.claim_due(100, clock.now() + timedelta(minutes=1)) == []
    let_pass(row)
    assert lease.orphans() == [row.pk], "past the queue of those that are due"
    assert refresh(location.pk).generation == location.generation + 1


def test_an_orphan_is_found_and_repaired(location, vendor) -> None:
    orphan(location)
    assert lease.orphans() == [location.pk]
    tasks.repair_one(credential_id=location.pk)
    assert Credential.objects.get(pk=location.pk).generation == location.generation + 1


def test_an_orphan_keeps_the_moment_of_its_first_intent(location, vendor) -> None:
    orphan(location)
    first = Credential.objects.get(pk=location.pk).intent_at
    row = lease.claim(location.pk, owner="second")
    assert (row.lease_owner, row.intent_at) == ("second", first)


def test_no_other_worker_calls_during_the_lease(location, vendor) -> None:
    assert lease.claim(location.pk, owner="other")
    with pytest.raises(RefreshInProgress):
        refresh(location.pk)
    assert "refresh_token" not in vendor.state()["token_requests"]


def test_a_lost_lease_does_not_throw_the_answer_away(location, vendor) -> None:
    orphan(location, owner="slow")
    assert lease.claim(location.pk, owner="quick")
    grant = location_grant(vendor, location.app, location.resource_id)
    assert store.replace_token_pair(location, grant, now=clock.now())


def test_of_two_swaps_one_wins(location, vendor) -> None:
    first, second = (location_grant(vendor, location.app, location.resource_id) for _ in range(2))
    other = Credential.objects.get(pk=location.pk)
    assert store.replace_token_pair(location, first, now=clock.now())
    assert not store.replace_token_pair(other, second, now=clock.now())
    assert other.generation == location.generation - 1, "the loser's row is as it was"
    row = Credential.objects.get(pk=location.pk)
    assert seals.access_token(row) == first.access_token


def test_a_dead_grant_needs_a_reconnect_and_says_why(location, vendor) -> None:
    for _ in range(2):
        row = refresh(location.pk)
    spent = location_grant(vendor, location.app, location.resource_id)
    store.replace_token_pair(row, spent, now=clock.now())
    vendor.fault("/oauth/token", "status", status=400, body={"error": "invalid_grant"})
    with pytest.raises(GrantRevoked):
        refresh(location.pk)
    row = Credential.objects.get(pk=location.pk)
    assert row.state == State.NEEDS_RECONNECT
    assert row.reason
    assert row.last_error_code == "grant_revoked"
    assert AuditEntry.objects.filter(action="token.needs_reconnect").count() == 1
    with pytest.raises(GrantRevoked, match="install again"):
        access_token.get(store.location(row.app, row.resource_id), lane=Lane.BULK)


def test_a_dead_location_grant_is_minted_from_its_company(company, vendor) -> None:
    key = store.location(company.app, vendor.locations[0])
    access_token.get_or_mint(key, company_id=company.resource_id, lane=Lane.EVENTS)
    row = store.find(key)
    vendor.fault("/oauth/token", "status", status=400, body={"error": "invalid_grant"})
    renewed = refresh(row.pk)
    assert (renewed.generation, renewed.state) == (row.generation + 1, State.ACTIVE)


def test_an_inactive_location_is_suspended_and_keeps_its_tokens(location, vendor) -> None:
    vendor.post(f"/sandbox/locations/{location.resource_id}/pause")
    with pytest.raises(LocationInactive):
        refresh(location.pk)
    row = Credential.objects.get(pk=location.pk)
    assert row.state == State.SUSPENDED
    assert row.refresh_sealed is not None
    assert row.refresh_due_at > clock.now() + timedelta(hours=1)
    vendor.post(f"/sandbox/locations/{location.resource_id}/resume")
    assert refresh(location.pk).state == State.ACTIVE


@pytest.mark.parametrize(
    ("fault", "error", "intent_stays"),
    [
        ("status", ServerFault, True),
        ("garbage", Unreachable, True),
        ("truncated", Unreachable, True),
        ("close", Unreachable, True),
    ],
)
def test_a_passing_failure_is_tried_again_and_loses_nothing(location, vendor, fault, error, intent_stays) -> None:
    vendor.fault("/oauth/token", fault, **({"status": 503} if fault == "status" else {}))
    with pytest.raises(error):
        refresh(location.pk)
    row = Credential.objects.get(pk=location.pk)
    assert (row.state, row.generation, row.failures) == (State.ACTIVE, location.generation, 1)
    assert (row.intent_generation == row.generation) is intent_stays
    assert row.refresh_due_at is not None
    let_pass(row)
    assert refresh(row.pk).failures == 0


def test_in_strict_rotation_a_lost_answer_is_reported_not_hidden(db, clean_redis) -> None:
    for vendor in run_vendor(rotation="strict"):
        app = make_app(vendor)
        grant = location_grant(vendor, app, vendor.locations[0])
        row = store.save_grant(store.location(app, str(grant.location_id)), grant, now=clock.now())
        Credential.objects.filter(pk=row.pk).update(company_id="")
        vendor.fault("/oauth/token", "lost")
        with pytest.raises(Unreachable):
            refresh(row.pk)
        let_pass(row)
        with pytest.raises(GrantRevoked):
            refresh(row.pk)
        row.refresh_from_db()
        assert row.state == State.NEEDS_RECONNECT


def test_due_tokens_are_taken_once_and_oldest_first(location, vendor) -> None:
    expire(location)
    assert tasks.claim_due(100, clock.now() + timedelta(seconds=1)) == [location.pk]
    assert tasks.claim_due(100, clock.now() + timedelta(seconds=1)) == []


def test_an_uninstall_wipes_both_tokens_and_nothing_revives_them(location, vendor) -> None:
    in_flight = Credential.objects.get(pk=location.pk)
    key = store.location(location.app, location.resource_id)
    store.revoke(key, reason="UNINSTALL event", now=clock.now())
    late = location_grant(vendor, location.app, location.resource_id)
    assert not store.replace_token_pair(in_flight, late, now=clock.now())
    row = Credential.objects.get(pk=location.pk)
    assert (row.state, row.access_sealed, row.refresh_sealed) == (State.REVOKED, None, None)


def test_a_ciphertext_moved_to_another_row_or_column_does_not_open(company, location) -> None:
    moved = Credential.objects.get(pk=location.pk)
    moved.access_sealed = company.access_sealed
    with pytest.raises(SealBroken):
        seals.access_token(moved)
    moved.access_sealed = location.refresh_sealed
    with pytest.raises(SealBroken):
        seals.access_token(moved)
    moved.access_sealed, moved.generation = location.access_sealed, location.generation + 1
    with pytest.raises(SealBroken):
        seals.access_token(moved)
