"""What is tried again, counted at the server: only what is harmless, within the deadline, each time for a permit."""

from __future__ import annotations

import time
from typing import Any

import pytest

from integrations.core.errors import IntegrationError, RequestRejected, ServerFault, Unreachable
from integrations.gateway import client
from integrations.quota.permits import queries
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App
from tests.gateway_operations.conftest import LOCATION, credential
from tests.gateway_operations.scripted import Scripted, hang_up, status
from tests.plugin.vendor import move
from tests.support.own_sleep import replace_sleep

READ: dict[str, Any] = {"operation": "contacts.get-contact", "params": {"contactId": "C"}}
SEARCH: dict[str, Any] = {"operation": "contacts.search-contacts-advanced", "body": {"pageLimit": 20}}
TAGS: dict[str, Any] = {"operation": "contacts.add-tags", "params": {"contactId": "C"}, "body": {"tags": ["a"]}}
WRITES: list[dict[str, Any]] = [
    TAGS,
    {"operation": "contacts.update-contact", "params": {"contactId": "C"}, "body": {"firstName": "Ann"}},
    {"operation": "contacts.delete-contact", "params": {"contactId": "C"}},
]
PATIENT: dict[str, Any] = {"lane": Lane.INTERACTIVE}


@pytest.fixture(autouse=True)
def _granted(app: App) -> None:
    credential(app, "location")


def call(app: App, what: dict[str, Any], **how: Any) -> Any:
    return client.call(app=app, location=LOCATION, **{**what, **how}).json


@pytest.mark.parametrize("failure", [status(503), hang_up], ids=["5xx", "no answer"])
@pytest.mark.parametrize("what", [READ, SEARCH], ids=["get", "search by post"])
def test_reading_is_repeated_for_interactive_calls(app: App, scripted: Scripted, what: Any, failure: Any) -> None:
    scripted.plan(failure, failure)
    assert call(app, what, **PATIENT) == {"ok": True}
    assert len(scripted.requests) == 3
    assert queries.snapshot(app.client_id, LOCATION).day_used == 3, "a permit for each"


@pytest.mark.parametrize("failure", [status(503), hang_up], ids=["5xx", "no answer"])
@pytest.mark.parametrize("what", WRITES, ids=["post", "put", "delete"])
def test_writing_is_not_though_retries_are_asked_for(app: App, scripted: Scripted, what: Any, failure: Any) -> None:
    scripted.plan(failure)
    with pytest.raises((ServerFault, Unreachable)):
        call(app, what, retries=5, **PATIENT)
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("what", WRITES, ids=["post", "put", "delete"])
def test_writing_is_when_the_caller_knows_it_to_be_harmless(app: App, scripted: Scripted, what: Any) -> None:
    scripted.plan(hang_up)
    assert call(app, what, repeatable=True, **PATIENT) == {"ok": True}
    assert len(scripted.requests) == 2


def test_unsent_requests_are_always_retried(app: App, scripted: Scripted) -> None:
    """No server listens at first: the POST was not sent, so it had no effect."""
    there = app.api_url
    move(app, "http://127.0.0.1:1")

    with pytest.MonkeyPatch.context() as patched:
        waited: list[float] = []

        def sleep(seconds: float) -> None:
            waited.append(seconds)
            move(app, there)

        replace_sleep(patched, sleep)
        assert call(app, TAGS, **PATIENT) == {"ok": True}
    assert len(waited) >= 1
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("lane", [Lane.BULK, Lane.EVENTS])
def test_a_task_comes_back_by_itself(app: App, scripted: Scripted, lane: Lane) -> None:
    scripted.plan(status(503))
    with pytest.raises(ServerFault):
        call(app, READ, lane=lane)
    assert len(scripted.requests) == 1
    scripted.plan(status(503))
    assert call(app, READ, lane=lane, retries=1) == {"ok": True}, "unless it asks for it here"


def test_retries_end(app: App, scripted: Scripted) -> None:
    scripted.plan(*[status(503)] * 9)
    with pytest.raises(ServerFault):
        call(app, READ, **PATIENT)
    assert len(scripted.requests) == 3
    with pytest.raises(ServerFault):
        call(app, READ, retries=0, **PATIENT)
    assert len(scripted.requests) == 4


@pytest.mark.parametrize("failure", [status(404), status(422, "no"), status(403)], ids=["404", "422", "403"])
def test_a_final_word_is_taken(app: App, scripted: Scripted, failure: Any) -> None:
    scripted.plan(failure)
    with pytest.raises(RequestRejected):
        call(app, READ, retries=5, **PATIENT)
    assert len(scripted.requests) == 1


def test_a_429_is_never_answered_with_another_call(app: App, scripted: Scripted) -> None:
    scripted.plan(status(429))
    with pytest.raises(IntegrationError) as refused:
        call(app, READ, retries=5, **PATIENT)
    assert refused.value.code == "quota_exhausted"
    assert len(scripted.requests) == 1


def test_a_wait_that_the_deadline_does_not_allow_is_left_to_the_caller(app: App, scripted: Scripted) -> None:
    scripted.plan(status(503, **{"Retry-After": "60"}))
    started = time.monotonic()
    with pytest.raises(ServerFault) as failed:
        call(app, READ, deadline=5.0, **PATIENT)
    assert failed.value.retry_after == 60.0
    assert time.monotonic() - started < 30.0
    assert len(scripted.requests) == 1


def test_all_attempts_share_the_deadline(app: App, scripted: Scripted) -> None:
    scripted.plan(*[hang_up] * 50)
    started = time.monotonic()
    with pytest.raises(Unreachable):
        call(app, READ, deadline=1.5, retries=50, **PATIENT)
    assert time.monotonic() - started < 30.0
    assert 1 < len(scripted.requests) < 50
