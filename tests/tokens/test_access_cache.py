"""A process reads a credential once a second, and never goes on with a token it knows to be of no more use."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import InstallGone, LocationInactive
from integrations.core.secret import Secret
from integrations.quota.permits.lanes import Lane
from integrations.tokens import access_cache, store
from integrations.tokens.access import access_token
from integrations.tokens.models import Credential
from integrations.tokens.refresh.claim_call_swap import refresh
from tests.plugin.vendor import Vendor


def access(row: Credential, **how: Any) -> access_token.AccessToken:
    return access_token.get(row.key, lane=Lane.BULK, **how)


def test_a_stream_of_calls_is_one_query(
    location: Credential, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, _ = clock.monotonic(), location.app
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    with django_assert_num_queries(1):
        first = access(location)
        assert all(access(location) is first for _ in range(10))
    monkeypatch.setattr(clock, "monotonic", lambda: now + access_cache.LIFETIME)
    with django_assert_num_queries(1):
        assert access(location).generation == first.generation


def test_a_refused_generation_is_not_taken_again(location: Credential, vendor: Vendor) -> None:
    refused = access(location)
    Credential.objects.filter(pk=location.pk).update(refreshed_at=clock.now() - timedelta(minutes=1))
    store.reject_access_token(location.pk, refused.generation, now=clock.now())
    assert access(location).generation == refused.generation + 1


def test_a_refused_generation_is_not_taken_from_another_thread_either(location: Credential) -> None:
    old = access(location)
    refresh(location.pk)
    access_cache.put(location.key, old)  # read before the refresh, held after it
    assert access(location, refused=old.generation).generation == old.generation + 1


@pytest.mark.parametrize("cause", ["refreshed", "replaced", "uninstalled", "suspended"])
def test_what_this_process_changes_it_sees_at_once(location: Credential, vendor: Vendor, cause: str) -> None:
    before, now = access(location), clock.now()
    if cause == "refreshed":
        refresh(location.pk)
    elif cause == "replaced":
        store.save_entered_token(location.key, Secret("pit-another"), kind=Credential.Kind.PRIVATE, now=now)
    elif cause == "uninstalled":
        store.revoke(location.key, reason="test", now=now)
    else:
        store.suspend(location.pk, before.generation, reason="test", now=now)
    if cause in ("refreshed", "replaced"):
        assert access(location).token != before.token
    else:
        with pytest.raises(InstallGone if cause == "uninstalled" else LocationInactive):
            access(location)


def test_what_has_little_more_than_a_minute_to_live_is_not_held(location: Credential) -> None:
    ends = clock.now() + store.MINIMUM_LIFE + timedelta(seconds=access_cache.LIFETIME / 2)
    Credential.objects.filter(pk=location.pk).update(expires_at=ends)
    access(location)
    assert access_cache.get(location.key) is None


def test_it_is_bounded(location: Credential, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_cache, "_CAPACITY", 3)
    got = access(location)
    for number in range(10):
        access_cache.put(number, got)
    assert len(access_cache._entries) <= 3
    assert access_cache.get(9) is got
