"""An answer is lost and the vendor may have rotated: the same refresh token is sent again, in time and sparingly."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integrations.core import clock
from integrations.core.errors import (
    GrantRevoked,
    IntegrationError,
    ServerFault,
    StoreUnavailable,
    Unreachable,
    VendorAnswer,
    VendorThrottled,
)
from integrations.highlevel.oauth import client as oauth
from integrations.quota.permits.lanes import Lane
from integrations.tenants import marketplace
from integrations.tokens import store, tasks
from integrations.tokens.access import access_token
from integrations.tokens.models import Credential
from integrations.tokens.refresh import lease, outcomes
from integrations.tokens.refresh.claim_call_swap import refresh
from integrations.tokens.refresh.outcomes import GRACE, REPEATS, outcome
from tests.plugin.vendor import Vendor
from tests.tokens.rows import expire, let_pass, orphan

SWEEP = timedelta(seconds=2)


def lose(patch: pytest.MonkeyPatch, row: Credential, error: IntegrationError) -> Credential:
    """A refresh that the vendor carries out, and that ends with `error` here."""
    real = oauth.refresh

    def answered_into_the_void(*args: object, **kwargs: object) -> None:
        real(*args, **kwargs)
        raise error

    with patch.context() as during:
        during.setattr(oauth, "refresh", answered_into_the_void)
        with pytest.raises(type(error)):
            refresh(row.pk)
    return Credential.objects.get(pk=row.pk)


def uses(vendor: Vendor) -> int:
    return int(vendor.state()["token_requests"]["refresh_token"])


@pytest.mark.parametrize("asked", [None, 5.0, 60.0, 3600.0])
def test_a_5xx_may_hide_a_rotation(location, vendor, monkeypatch, asked) -> None:
    Credential.objects.filter(pk=location.pk).update(failures=8)
    row = lose(monkeypatch, location, ServerFault("bad gateway", vendor=VendorAnswer(status=502), retry_after=asked))

    assert row.intent_generation == row.generation
    wait = row.lease_until - row.intent_at
    assert wait == (REPEATS[1] if asked and asked > REPEATS[0].total_seconds() else REPEATS[0])
    vendor.advance((wait + SWEEP).total_seconds())
    let_pass(row)
    tasks.repair_one(credential_id=row.pk)
    row.refresh_from_db()
    assert (row.state, row.generation) == (Credential.State.ACTIVE, location.generation + 1)


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("connection refused", sent=False),
        VendorThrottled("too many", vendor=VendorAnswer(status=429)),
        VendorThrottled("too many", vendor=VendorAnswer(status=429), retry_after=120.0),
        StoreUnavailable("the database is unavailable", retry_after=2.0),
    ],
    ids=["never sent", "limited", "limited for long", "our store"],
)
def test_what_fails_before_the_repeat_leaves_it_to_be_done(location, vendor, monkeypatch, error) -> None:
    Credential.objects.filter(pk=location.pk).update(failures=8)
    row = lose(monkeypatch, location, Unreachable("timed out", sent=True))
    let_pass(row)

    def failed(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as during:
        during.setattr(oauth, "refresh", failed)
        with pytest.raises(type(error)):
            refresh(row.pk)

    row.refresh_from_db()
    assert row.intent_generation == row.generation
    assert row.lease_until + SWEEP < row.intent_at + GRACE
    let_pass(row)
    tasks.repair_one(credential_id=row.pk)
    row.refresh_from_db()
    assert row.generation == location.generation + 1


def test_a_first_call_that_was_never_sent_leaves_no_intent(location, vendor, monkeypatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise Unreachable("connection refused", sent=False)

    monkeypatch.setattr(oauth, "refresh", refused)
    with pytest.raises(Unreachable):
        refresh(location.pk)
    location.refresh_from_db()
    assert (location.intent_generation, location.lease_until) == (None, None)


def test_repeats_are_few_and_apart(location, vendor) -> None:
    row = lease.claim(location.pk, owner="one")
    assert row is not None
    lost, seen = Unreachable("timed out", sent=True), []
    at = row.intent_at
    while (found := outcome(row, lost, now=at)).lost:
        at += found.wait
        seen.append(at - row.intent_at)
        at += timedelta(seconds=lease.DEADLINE_SECONDS)
        assert len(seen) < 9
    assert tuple(seen) == REPEATS
    assert seen[0] >= timedelta(seconds=5), "a hiccup is over by then"
    assert seen[-1] + SWEEP + timedelta(seconds=lease.DEADLINE_SECONDS) < GRACE


@pytest.mark.parametrize("lane", [Lane.INTERACTIVE, Lane.BULK])
def test_no_caller_uses_up_the_second_attempt_before_its_time(location, vendor, lane) -> None:
    """The third use is refused (FACTS 1.4), and the vendor does not stay away for a second only."""
    expire(location)
    vendor.fault("/oauth/token", "lost")
    with pytest.raises(Unreachable):
        refresh(location.pk)
    before = uses(vendor)

    tasks.repair_one(credential_id=location.pk)
    with pytest.raises(Unreachable) as caught:
        access_token.get(store.location(location.app, location.resource_id), lane=lane)

    assert uses(vendor) == before
    assert caught.value.retry_after <= REPEATS[0].total_seconds()
    let_pass(location)
    assert (
        access_token.get(store.location(location.app, location.resource_id), lane=lane).generation > location.generation
    )


def test_a_stopped_app_is_no_reason_to_let_an_answer_go(location, vendor, app) -> None:
    vendor.fault("/oauth/token", "lost")
    with pytest.raises(Unreachable):
        refresh(location.pk)
    marketplace.halt(app, "another credential was refused", now=clock.now())
    let_pass(location)
    tasks.repair_one(credential_id=location.pk)
    assert Credential.objects.get(pk=location.pk).generation == location.generation + 1


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(hours=-1)])
def test_the_lease_keeps_the_databases_time(location, vendor, monkeypatch, ahead) -> None:
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + ahead)
    assert lease.claim(location.pk, owner="dead")
    location.refresh_from_db()
    assert timedelta(0) < location.lease_until - real() <= lease.LEASE_TERM

    assert lease.orphans() == [], "its owner may be alive"
    Credential.objects.filter(pk=location.pk).update(lease_until=None, lease_owner="")
    orphan(location)
    assert lease.orphans() == [location.pk]


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_worker_with_a_wrong_clock_repeats_in_time(location, vendor, monkeypatch, ahead) -> None:
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + ahead)
    vendor.fault("/oauth/token", "lost")
    with pytest.raises(Unreachable):
        refresh(location.pk)
    row = Credential.objects.get(pk=location.pk)
    assert row.lease_until - row.intent_at == REPEATS[0]
    assert abs(row.intent_at - real()) < GRACE


def test_when_the_chances_are_used_up_the_grant_is_reported(location, vendor) -> None:
    vendor.fault("/oauth/token", "lost", times=2)
    for _ in range(2):
        with pytest.raises(Unreachable):
            refresh(location.pk)
        let_pass(location)
    with pytest.raises(GrantRevoked):
        refresh(location.pk)
    location.refresh_from_db()
    assert location.state == Credential.State.NEEDS_RECONNECT
    assert outcomes.is_lost_answer(ServerFault("bad gateway", vendor=VendorAnswer(status=502)))
