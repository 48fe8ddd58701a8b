"""A location's token from its company's: the lease outlasts the call, and no permit is used late."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import OperationalError

from integrations.core import clock
from integrations.core.errors import (
    GrantRevoked,
    RefreshInProgress,
    RequestRejected,
    ServerFault,
    StoreUnavailable,
    Unreachable,
)
from integrations.core.models import AuditEntry
from integrations.highlevel.oauth import client as oauth
from integrations.quota import usage
from integrations.quota.models import Usage
from integrations.quota.permits import governor
from integrations.quota.permits.lanes import Lane
from integrations.tokens import store
from integrations.tokens.models import Credential
from integrations.tokens.refresh import lease
from integrations.tokens.refresh.claim_call_swap import refresh


@pytest.fixture
def unminted(company, vendor) -> Credential:
    key = store.location(company.app, vendor.locations[0])
    return store.get_or_create(key, company_id=company.resource_id, now=clock.now())


@pytest.fixture
def sent(monkeypatch) -> list[Credential]:
    """The rows as they stood when a minting call left."""
    rows: list[Credential] = []
    real = oauth.mint_location

    def watched(*args, location_id, **kwargs):
        rows.append(Credential.objects.get(resource_id=location_id))
        return real(*args, location_id=location_id, **kwargs)

    monkeypatch.setattr(oauth, "mint_location", watched)
    return rows


@pytest.fixture
def given_back(monkeypatch) -> list[object]:
    permits: list[object] = []
    real = governor.release
    monkeypatch.setattr(governor, "release", lambda permit: (permits.append(permit), real(permit)))
    return permits


def after_the_permit(patch, row, **changed) -> list[float]:
    """Whoever waits for a permit finds the row changed when it comes. Returns each longest wait that was asked for."""
    real, longest_waits = governor.acquire, []

    def acquire(*args, max_wait=None, **kwargs):
        longest_waits.append(max_wait)
        Credential.objects.filter(pk=row.pk).update(**changed)
        return real(*args, max_wait=max_wait, **kwargs)

    patch.setattr(governor, "acquire", acquire)
    return longest_waits


@pytest.mark.parametrize("lane", list(Lane))
def test_the_lease_begins_anew_when_the_permit_is_there(unminted, sent, monkeypatch, lane) -> None:
    nearly_over = clock.now() + timedelta(milliseconds=50)
    longest_waits = after_the_permit(monkeypatch, unminted, lease_until=nearly_over)
    refresh(unminted.pk, lane=lane)
    (row,) = sent
    assert row.lease_until - nearly_over > timedelta(seconds=lease.DEADLINE_SECONDS), "longer than the call may take"
    assert all(max_wait <= 1.0 for max_wait in longest_waits), "with the company's refresh, within the lease"


def test_who_lost_the_lease_meanwhile_sends_nothing(unminted, sent, given_back, monkeypatch) -> None:
    later = clock.now() + timedelta(seconds=5)
    after_the_permit(monkeypatch, unminted, lease_owner="another", lease_until=later)
    with pytest.raises(RefreshInProgress):
        refresh(unminted.pk)
    assert (sent, len(given_back)) == ([], 1)
    unminted.refresh_from_db()
    assert (unminted.lease_owner, unminted.lease_until) == ("another", later)


def test_a_permit_is_not_used_late(unminted, sent, given_back, monkeypatch) -> None:
    real = governor.acquire
    long_ago = clock.monotonic() - 60
    monkeypatch.setattr(governor, "acquire", lambda *a, **k: replace(real(*a, **k), send_before=long_ago))
    with pytest.raises(Unreachable, match="was suspended"):
        refresh(unminted.pk)
    assert (sent, len(given_back)) == ([], 1)
    monkeypatch.setattr(governor, "acquire", real)
    assert refresh(unminted.pk).generation == unminted.generation + 1


def test_a_failed_mint_rotated_nothing_and_is_simply_tried_again(unminted, vendor) -> None:
    for _ in range(2):
        vendor.fault("/oauth/locationToken", "status", status=503)
        with pytest.raises(ServerFault):
            refresh(unminted.pk)
        unminted.refresh_from_db()
        assert (unminted.lease_until, unminted.intent_generation) == (None, None)
    assert refresh(unminted.pk).generation == unminted.generation + 1


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "Location not found"), (403, "The token does not have access to this location."), (400, "not installed")],
)
def test_a_dead_grant_without_minting_is_reported_and_tried_again(unminted, vendor, status, words) -> None:
    row = refresh(unminted.pk)
    vendor.fault("/oauth/token", "status", times=2, status=400, body={"error": "invalid_grant"})
    vendor.fault("/oauth/locationToken", "status", status=status, body={"message": words, "traceId": "t-1"})
    with pytest.raises(GrantRevoked, match="may mint none"):
        refresh(row.pk)

    row.refresh_from_db()
    assert (row.state, row.last_trace_id) == (Credential.State.NEEDS_RECONNECT, "t-1")
    assert AuditEntry.objects.filter(action="token.needs_reconnect", subject=row.tenant.audit_subject).count() == 1
    assert timedelta(hours=4) < row.refresh_due_at - clock.now() < timedelta(hours=8)
    assert refresh(row.pk).state == Credential.State.ACTIVE, "the vendor has changed its mind"


def test_a_location_that_never_had_a_token_needs_none_back(unminted, vendor) -> None:
    vendor.fault("/oauth/locationToken", "status", status=404, body={"message": "Location not found"})
    with pytest.raises(RequestRejected):
        refresh(unminted.pk)
    unminted.refresh_from_db()
    assert unminted.state == Credential.State.ACTIVE


def test_mints_are_on_the_companys_bill(unminted, vendor, monkeypatch) -> None:
    vendor.fault("/oauth/locationToken", "status", status=503)
    with pytest.raises(ServerFault):
        refresh(unminted.pk)
    refresh(unminted.pk, lane=Lane.INTERACTIVE)
    usage.counter.flush()
    key = f"{unminted.app.client_id}:{unminted.company_id}"
    assert sorted(Usage.objects.filter(key=key).values_list("lane", "calls")) == [("events", 1), ("interactive", 1)]


def test_a_database_lost_before_the_companys_token_is_read_is_an_outage(unminted, sent, monkeypatch) -> None:
    """Nothing was sent: it counts no failure, and comes again when the database is back."""
    real = store.find

    def away(key):
        monkeypatch.setattr(store, "find", real)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(store, "find", away)
    with pytest.raises(StoreUnavailable):
        refresh(unminted.pk)
    unminted.refresh_from_db()
    assert (sent, unminted.failures, unminted.lease_until, unminted.intent_at) == ([], 0, None, None)
    assert refresh(unminted.pk).generation == unminted.generation + 1
