"""A 401: one refresh for each generation of the token, never one for a missing scope, and never a loop."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from integrations.core import clock
from integrations.core.errors import GrantRevoked, RequestRejected, ScopeMissing
from integrations.highlevel.errors import AccessTokenRejected
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App
from integrations.tokens import store
from integrations.tokens.models import Credential
from tests.gateway.conftest import Call, Counted, ripe
from tests.plugin.vendor import Vendor, company_grant

NO_SCOPE = "The token is not authorized for this scope."


def test_a_refused_token_is_refreshed_once_and_the_call_succeeds(
    call: Call, location: Credential, vendor: Vendor, counted: Counted
) -> None:
    vendor.fault("/locations", "unauthorized")
    assert call().status == 200
    assert counted.refreshes == 1
    row = Credential.objects.get(pk=location.pk)
    assert row.generation == location.generation + 1
    assert call().status == 200
    assert counted.refreshes == 1


def test_a_token_the_vendor_has_forgotten(call: Call, vendor: Vendor, counted: Counted) -> None:
    vendor.advance(90_000)
    assert call().status == 200
    assert counted.refreshes == 1


def test_a_vendor_that_refuses_for_ever_gets_one_refresh(
    call: Call, location: Credential, vendor: Vendor, counted: Counted
) -> None:
    vendor.fault("/locations", "unauthorized", times=None)
    for _ in range(5):
        with pytest.raises(AccessTokenRejected):
            call()
    assert counted.refreshes == 1
    row = Credential.objects.get(pk=location.pk)
    assert (row.state, row.generation) == (Credential.State.ACTIVE, location.generation + 1)


def test_and_another_when_the_new_one_is_no_longer_new(
    call: Call, location: Credential, vendor: Vendor, counted: Counted
) -> None:
    vendor.fault("/locations", "unauthorized", times=None)
    for _ in range(3):
        ripe(location)
        with pytest.raises(AccessTokenRejected):
            call()
    assert counted.refreshes == 3, "each was for another generation"


def test_a_missing_scope_refreshes_nothing(call: Call, vendor: Vendor, counted: Counted) -> None:
    vendor.fault("/locations", "unauthorized", times=None, message=NO_SCOPE)
    for _ in range(3):
        with pytest.raises(ScopeMissing):
            call()
    assert counted.refreshes == 0


def test_the_wrong_kind_of_credential_is_named_and_refreshes_nothing(
    call: Call, location: Credential, app: App, vendor: Vendor, counted: Counted
) -> None:
    """The sandbox answers a company's token here as HighLevel does; ours would send it only out of a mix-up of rows."""
    row = Credential.objects.select_related("app").get(pk=location.pk)
    assert store.replace_token_pair(row, company_grant(vendor, app), now=clock.now())
    ripe(row)
    counted_before = counted.refreshes
    for _ in range(2):
        with pytest.raises(RequestRejected, match="another kind of credential") as refused:
            call("contacts.get-contacts")
        assert (refused.value.context["status"], refused.value.context["reason"]) == (401, "wrong_kind")
    assert counted.refreshes == counted_before
    assert Credential.objects.get(pk=row.pk).rejected_generation is None


def test_a_grant_that_died_says_so_and_is_not_asked_again(
    call: Call, location: Credential, vendor: Vendor, counted: Counted
) -> None:
    vendor.fault("/locations", "unauthorized")
    vendor.fault("/oauth/token", "status", times=None, status=400, body={"error": "invalid_grant"})
    with pytest.raises(GrantRevoked):
        call()
    before = counted.requests
    with pytest.raises(GrantRevoked, match="install again"):
        call()
    assert counted.requests == before


@pytest.mark.django_db(transaction=True)
def test_a_storm_of_refusals_is_one_refresh(call: Call, vendor: Vendor, counted: Counted) -> None:
    call()
    vendor.advance(90_000)
    statuses: list[int] = []

    def work() -> None:
        try:
            statuses.append(call(deadline=5.0, lane=Lane.INTERACTIVE).status)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 8
    assert counted.refreshes == 1
