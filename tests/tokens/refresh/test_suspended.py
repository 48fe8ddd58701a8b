"""A paused location keeps its tokens, is left in peace, and comes back by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integrations.core import clock
from integrations.core.errors import GrantRevoked, LocationInactive, ServerFault, Unreachable
from integrations.gateway import client as gateway
from integrations.installs import events
from integrations.quota.permits.lanes import Lane
from integrations.tokens import store, tasks
from integrations.tokens.access import access_token
from integrations.tokens.models import Credential
from integrations.tokens.refresh.claim_call_swap import refresh
from tests.plugin.vendor import company_grant
from tests.tokens.rows import expire, let_pass

State = Credential.State
READ = "locations.get-location"


@pytest.fixture
def paused(location, vendor) -> Credential:
    vendor.post(f"/sandbox/locations/{location.resource_id}/pause")
    with pytest.raises(LocationInactive):
        refresh(location.pk)
    location.refresh_from_db()
    return location


def resume(row: Credential, vendor) -> None:
    vendor.post(f"/sandbox/locations/{row.resource_id}/resume")


def test_it_keeps_its_tokens_and_is_asked_for_slowly(paused) -> None:
    assert paused.state == State.SUSPENDED
    assert paused.refresh_sealed is not None
    assert timedelta(hours=4) < paused.refresh_due_at - clock.now() < timedelta(hours=8)
    with pytest.raises(LocationInactive):
        access_token.get(paused.key, lane=Lane.BULK)


def test_the_slow_retry_wakes_it(paused, vendor) -> None:
    resume(paused, vendor)
    let_pass(paused)
    assert tasks.claim_due(100, clock.now()) == [paused.pk]
    tasks.refresh_one(credential_id=paused.pk)
    paused.refresh_from_db()
    assert (paused.state, paused.reason) == (State.ACTIVE, "")


def test_an_install_event_makes_it_due_at_once(paused) -> None:
    events.installed(paused.app, {"type": "INSTALL", "locationId": paused.resource_id}, clock.now())
    assert tasks.claim_due(100, clock.now()) == [paused.pk]


def test_connecting_it_again_asks_at_once(company, vendor) -> None:
    target = store.location(company.app, vendor.locations[0])
    access_token.get_or_mint(target, company_id=company.resource_id, lane=Lane.EVENTS)
    row = store.find(target)
    assert store.suspend(row.pk, row.generation, reason="paused", now=clock.now())
    assert (
        access_token.get_or_mint(target, company_id=company.resource_id, lane=Lane.EVENTS).generation
        == row.generation + 1
    )


def test_a_call_that_finds_it_inactive_suspends_it(location, vendor) -> None:
    vendor.post(f"/sandbox/locations/{location.resource_id}/pause")
    with pytest.raises(LocationInactive):
        gateway.call(READ, app=location.app, location=location.resource_id)
    location.refresh_from_db()
    assert location.state == State.SUSPENDED
    before = vendor.state()["requests"]
    with pytest.raises(LocationInactive):
        gateway.call(READ, app=location.app, location=location.resource_id)
    assert vendor.state()["requests"] == before


def test_an_interactive_call_tries_a_suspended_location_and_activates_it(paused, vendor) -> None:
    with pytest.raises(LocationInactive):
        gateway.call(READ, app=paused.app, location=paused.resource_id, lane=Lane.INTERACTIVE)
    paused.refresh_from_db()
    assert paused.state == State.SUSPENDED
    resume(paused, vendor)
    gateway.call(READ, app=paused.app, location=paused.resource_id, lane=Lane.INTERACTIVE)
    paused.refresh_from_db()
    assert paused.state == State.ACTIVE
    gateway.call(READ, app=paused.app, location=paused.resource_id)


def test_a_company_is_not_suspended_for_one_of_its_locations(company) -> None:
    assert not store.suspend(company.pk, company.generation, reason="paused", now=clock.now())
    company.refresh_from_db()
    assert company.state == State.ACTIVE


def test_what_an_operator_suspends_sleeps_until_it_is_woken(location) -> None:
    assert store.suspend(location.pk, location.generation, reason="on request", now=clock.now(), retried=False)
    assert tasks.claim_due(100, clock.now() + timedelta(days=30)) == []
    with pytest.raises(LocationInactive, match="on request"):
        access_token.get(location.key, lane=Lane.INTERACTIVE)
    assert store.retry_suspended(location.key, now=clock.now())
    tasks.refresh_one(credential_id=location.pk)
    location.refresh_from_db()
    assert location.state == State.ACTIVE


def test_an_inactive_company_suspends_its_locations_instead_of_losing_them(company, vendor) -> None:
    target = store.location(company.app, vendor.locations[0])
    access_token.get_or_mint(target, company_id=company.resource_id, lane=Lane.EVENTS)
    Credential.objects.filter(pk=company.pk).update(state=State.SUSPENDED, reason="unpaid")
    row = store.find(target)
    vendor.fault("/oauth/token", "status", status=400, body={"error": "invalid_grant"})
    with pytest.raises(LocationInactive):
        refresh(row.pk)
    row.refresh_from_db()
    assert row.state == State.SUSPENDED


def test_a_company_that_installs_again_brings_its_lost_locations_back(company, vendor) -> None:
    target = store.location(company.app, vendor.locations[0])
    access_token.get_or_mint(target, company_id=company.resource_id, lane=Lane.EVENTS)
    Credential.objects.filter(pk=company.pk).update(state=State.NEEDS_RECONNECT, reason="revoked")
    row = store.find(target)
    vendor.fault("/oauth/token", "status", status=400, body={"error": "invalid_grant"})
    with pytest.raises(GrantRevoked):
        refresh(row.pk)
    grant = company_grant(vendor, company.app)
    store.save_grant(store.company(company.app, company.resource_id), grant, now=clock.now())
    assert row.pk in tasks.claim_due(100, clock.now())
    vendor.fault("/oauth/token", "status", status=400, body={"error": "invalid_grant"})
    assert refresh(row.pk).state == State.ACTIVE


def test_an_expired_token_is_not_requested_by_every_caller_during_backoff(location, vendor) -> None:
    expire(location)
    vendor.fault("/oauth/token", "status", status=503, times=None)
    Credential.objects.filter(pk=location.pk).update(failures=5)
    with pytest.raises(ServerFault):
        access_token.get(location.key, lane=Lane.BULK)
    over = {"lease_until": None, "intent_generation": None, "intent_at": None}  # the repeats of what may be lost
    Credential.objects.filter(pk=location.pk).update(refresh_due_at=clock.now() + timedelta(seconds=40), **over)
    before = vendor.state()["requests"]
    with pytest.raises(Unreachable) as caught:
        access_token.get(location.key, lane=Lane.BULK)
    assert 35 < caught.value.retry_after <= 40
    assert vendor.state()["requests"] == before
    with pytest.raises(ServerFault):
        access_token.get(location.key, lane=Lane.INTERACTIVE)
