"""A 401: one refresh for each generation of the token, never one for a missing scope, and never a loop."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from integrations.core import clock
from integrations.core.errors import GrantRevoked, RequestRejected, ScopeMissing
from integrations.highlevel.errors import AccessTokenRejected, Unexplained401
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App
from integrations.tokens import store
from integrations.tokens.access import second_opinion
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


NOT_ABOUT_THE_TOKEN = [
    "This route is not yet supported by the IAM Service. Please update your IAM config.",
    "version header is invalid",
    "version header was not found.",
    "E-102. This AuthClass is not yet supported!",
]


@pytest.mark.parametrize("message", NOT_ABOUT_THE_TOKEN)
def test_a_401_with_another_cause_costs_no_rotation_and_no_question(
    call: Call, location: Credential, vendor: Vendor, counted: Counted, message: str
) -> None:
    vendor.fault("/contacts/", "unauthorized", times=None, message=message)
    before = counted.requests
    for _ in range(3):
        with pytest.raises(RequestRejected) as refused:
            call(GET_CONTACTS)
        assert refused.value.vendor.message is not None
        assert refused.value.vendor.message.startswith(message[:40])
    assert (counted.refreshes, counted.requests - before) == (0, 3)
    assert Credential.objects.get(pk=location.pk).doubted_at is None


UNEXPLAINED = "Computer says no"
GET_CONTACTS = "contacts.get-contacts"


def test_a_401_in_unknown_words_is_the_calls_fault_while_the_token_works_elsewhere(
    call: Call, vendor: Vendor, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.fault("/contacts/", "unauthorized", times=None, message=UNEXPLAINED)
    before = counted.requests
    with pytest.raises(RequestRejected, match="accepts the same token for others") as refused:
        call(GET_CONTACTS)
    assert (refused.value.vendor.message, refused.value.context["reason"]) == (UNEXPLAINED, "unlisted_401")
    assert (counted.refreshes, counted.requests - before) == (0, 2), "the call, and one question about the token"
    with pytest.raises(Unexplained401):
        call(GET_CONTACTS)  # another process may still wait for the answer to the question
    later = clock.now() + second_opinion.ANSWERED_AFTER * 2
    monkeypatch.setattr(clock, "now", lambda: later)
    with pytest.raises(RequestRejected, match="accepts the same token for others"):
        call(GET_CONTACTS)
    assert (counted.refreshes, counted.requests - before) == (0, 4), "the question is not asked again"


def test_a_scope_error_shows_that_the_token_is_valid(call: Call, vendor: Vendor, counted: Counted) -> None:
    vendor.fault("/contacts/", "unauthorized", message=UNEXPLAINED)
    vendor.fault("/locations", "unauthorized", message=NO_SCOPE)
    with pytest.raises(RequestRejected, match="accepts the same token for others"):
        call(GET_CONTACTS)
    assert counted.refreshes == 0


@pytest.mark.parametrize("elsewhere", [UNEXPLAINED, "Invalid JWT"])
def test_a_token_that_is_refused_everywhere_is_replaced_once_an_hour(
    call: Call, location: Credential, vendor: Vendor, counted: Counted, elsewhere: str
) -> None:
    vendor.fault("/contacts/", "unauthorized", times=None, message=UNEXPLAINED)
    vendor.fault("/locations", "unauthorized", times=None, message=elsewhere)
    for _ in range(4):
        ripe(location)
        with pytest.raises(Unexplained401):
            call(GET_CONTACTS)
    assert counted.refreshes == 1
    Credential.objects.filter(pk=location.pk).update(doubted_at=clock.now() - second_opinion.EVERY)
    ripe(location)
    with pytest.raises(Unexplained401):
        call(GET_CONTACTS)
    assert counted.refreshes == 2


def test_a_token_that_died_without_a_word_is_replaced_and_the_call_succeeds(
    call: Call, vendor: Vendor, counted: Counted
) -> None:
    vendor.fault("/locations", "unauthorized", message=UNEXPLAINED)
    vendor.fault(
        "/opportunities", "unauthorized", message=UNEXPLAINED
    )  # the question goes to another path than the call
    assert call().status == 200
    assert counted.refreshes == 1


def test_a_question_without_an_answer_is_asked_again(call: Call, vendor: Vendor, counted: Counted) -> None:
    vendor.fault("/contacts/", "unauthorized", times=None, message=UNEXPLAINED)
    vendor.fault("/locations", "status", status=503)
    with pytest.raises(Unexplained401):
        call(GET_CONTACTS)
    with pytest.raises(RequestRejected, match="accepts the same token for others"):
        call(GET_CONTACTS)
    assert counted.refreshes == 0


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
