"""A key is lost while its company's grant stands under another: the locations come back by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import ClientRejected, GrantRevoked
from integrations.gateway import client as gateway
from integrations.quota.permits.lanes import Lane
from integrations.tenants import marketplace
from integrations.tokens import lost_key, store, tasks
from integrations.tokens.access import access_token
from integrations.tokens.models import Credential
from integrations.tokens.refresh.claim_call_swap import refresh
from integrations.vault import forget, key_checks, keys, rotation
from tests.plugin.vendor import location_grant
from tests.vault.conftest import entry

pytestmark = pytest.mark.django_db(transaction=True)

READ = "locations.get-location"


@pytest.fixture
def ring(settings: Any) -> Iterator[Any]:
    """Sets the key ids of VAULT_KEYS; no ring of this process is proven before or after."""
    keys.prove_with(key_checks.prove)
    yield lambda *ids: setattr(settings, "VAULT_KEYS", [entry(key_id) for key_id in ids])
    keys.prove_with(key_checks.prove)


@pytest.fixture
def lost(ring: Any) -> None:
    """What is made from here on is sealed by a key that will be lost."""
    ring("old")


def lose(ring: Any, *kept: Credential) -> forget.ForgetResult:
    """The app and the credentials in `kept` are re-sealed by a new key before the old one is gone."""
    others = Credential.objects.exclude(pk__in=[row.pk for row in kept])
    before = {row.pk: (row.access_sealed, row.refresh_sealed) for row in others}
    ring("new", "old")
    rotation.run(actor="test", watcher=rotation.Watcher())
    for pk, (access, refreshing) in before.items():
        Credential.objects.filter(pk=pk).update(access_sealed=access, refresh_sealed=refreshing)
    ring("new")
    return forget.run("old", actor="operator alice")


def test_a_location_is_minted_again_by_its_companys_token(lost, company, ring, vendor) -> None:
    key = store.location(company.app, vendor.locations[0])
    access_token.get_or_mint(key, company_id=company.resource_id, lane=Lane.EVENTS)
    outcome = lose(ring, company)
    assert (outcome.ends, outcome.left) == ({"tokens.Credential": {lost_key.MINTED: 1}}, 0)
    [due] = tasks.claim_due(100, store.find(key).refresh_due_at)
    tasks.refresh_one(credential_id=due)
    row = store.find(key)
    assert (row.state, row.reason) == ("active", "")
    assert gateway.call(READ, app=company.app, location=key.tenant.id).status == 200


def test_a_call_does_not_wait_for_the_sweep(lost, company, ring, vendor) -> None:
    key = store.location(company.app, vendor.locations[0])
    access_token.get_or_mint(key, company_id=company.resource_id, lane=Lane.EVENTS)
    lose(ring, company)
    assert gateway.call(READ, app=company.app, location=key.tenant.id).status == 200


def test_the_others_reconnect_and_work(lost, location, ring, vendor, app) -> None:
    assert lose(ring).ends == {"tokens.Credential": {lost_key.RECONNECT: 1}}
    with pytest.raises(GrantRevoked, match="'old', which is lost: install the app again"):
        gateway.call(READ, app=app, location=location.resource_id)
    with pytest.raises(GrantRevoked):
        refresh(location.pk)


def test_an_app_without_its_secret_sends_nothing_until_it_has_it_again(lost, app, ring, vendor) -> None:
    secret, grants = marketplace.identity(app).client_secret, [location_grant(vendor, app, x) for x in vendor.locations]
    ring("new")
    assert forget.run("old", actor="operator alice").ends == {"tenants.App": {"halted": 1}}
    row = store.save_grant(store.location(app, vendor.locations[0]), grants[0], now=clock.now())
    Credential.objects.update(company_id="")
    before = vendor.state()["requests"]
    with pytest.raises(ClientRejected, match="client secret of Test app is not stored"):
        refresh(row.pk, forced=True)
    assert (vendor.state()["requests"], Credential.objects.get(pk=row.pk).state) == (before, "active")
    app.refresh_from_db()
    assert "'old', which is lost" in app.halted_reason
    marketplace.set_secrets(app, client_secret=secret, shared_secret=None)
    app.save()
    assert refresh(row.pk).generation == row.generation + 1
