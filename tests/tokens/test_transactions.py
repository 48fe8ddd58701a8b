"""A rollback cannot undo what the vendor did; a row's new state and its audit entry are written together."""

from __future__ import annotations

import pytest
from django.db import InterfaceError, connection, transaction

from integrations.core import audit
from integrations.core.errors import BadRequest, StoreUnavailable
from integrations.quota.permits.lanes import Lane
from integrations.tokens import store
from integrations.tokens.access import access_token
from integrations.tokens.models import Credential
from integrations.tokens.refresh.claim_call_swap import mint, refresh
from integrations.tokens.refresh.commit import KIND, spooled_pair
from integrations.tokens.spool import spool
from tests.tokens.rows import expire


class Oops(Exception):
    """Somebody's own mistake."""


@pytest.mark.django_db(transaction=True)
def test_a_refresh_inside_a_transaction_is_refused_before_anything_is_sent(location, vendor) -> None:
    expire(location)
    key = store.location(location.app, location.resource_id)
    with pytest.raises(BadRequest, match="outside the transaction"), transaction.atomic():
        access_token.get(key, lane=Lane.BULK)
    assert "refresh_token" not in vendor.state()["token_requests"]
    row = Credential.objects.get(pk=location.pk)
    assert (row.lease_until, row.intent_generation, row.failures) == (None, None, 0)
    assert access_token.get(key, lane=Lane.BULK).generation == location.generation + 1


def test_so_a_developers_own_test_shows_it(location, vendor) -> None:
    with pytest.raises(BadRequest), transaction.atomic():
        refresh(location.pk)
    with pytest.raises(BadRequest), transaction.atomic():
        mint(location.pk)
    assert refresh(location.pk).generation == location.generation + 1, "pytest's own transaction is let through"


@pytest.mark.django_db(transaction=True)
def test_a_token_that_needs_no_refresh_may_be_used_in_a_transaction(location, vendor) -> None:
    key = store.location(location.app, location.resource_id)
    with transaction.atomic():
        assert access_token.get(key, lane=Lane.BULK).generation == location.generation


def test_a_dead_grant_is_audited_with_its_row_or_neither_is_written(location, vendor, monkeypatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise Oops

    monkeypatch.setattr(audit, "record", broken)
    vendor.fault("/oauth/token", "status", status=400, body={"error": "invalid_grant"})
    with pytest.raises(Oops):
        refresh(location.pk)
    row = Credential.objects.get(pk=location.pk)
    assert (row.state, row.intent_generation) == (Credential.State.ACTIVE, row.generation), "an orphan, tried again"


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_is_closed_already_sends_the_pair_to_the_spool(location, vendor, spool_directory) -> None:
    def closed(execute, sql, params, many, context):
        if "access_sealed" in sql and sql.startswith("UPDATE"):
            raise InterfaceError("connection already closed")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(closed), pytest.raises(StoreUnavailable):
        refresh(location.pk)
    assert len(list(spool_directory.iterdir())) == 1
    assert spool.drain(KIND, spooled_pair) == 1
    assert Credential.objects.get(pk=location.pk).generation == location.generation + 1
