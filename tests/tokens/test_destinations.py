"""A secret goes to the address that it was sealed for. A row that was changed in the database opens nothing.

Each test plays somebody who can write to the database, or a row of it, and has no key of the vault. `thief` is the
server that they run. Its host is allowed here, so that the seals alone have to hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from integrations.core import clock
from integrations.core.errors import DestinationRefused, IntegrationError, SealBroken
from integrations.core.models import AuditEntry
from integrations.core.secret import Secret
from integrations.core.tenant import Tenant
from integrations.gateway import client as gateway
from integrations.highlevel.http import destinations, wire
from integrations.quota.permits.lanes import Lane
from integrations.tenants import marketplace
from integrations.tenants.models import App
from integrations.tokens import seals, store
from integrations.tokens.models import Credential, CredentialKey
from integrations.tokens.refresh.claim_call_swap import refresh
from integrations.vault import keys, rotation, seal, sealed_counts
from integrations.vault.rotation import Watcher
from integrations.vault.seal import Binding
from tests.plugin.vendor import Vendor, move
from tests.tokens.listener import Listener, listening
from tests.tokens.rows import expire

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def thief() -> Iterator[Listener]:
    with listening() as found:
        yield found


def call(app: App, row: Credential) -> Any:
    return gateway.call("locations.get-location", app=app, location=row.resource_id, lane=Lane.INTERACTIVE)


def redirect(thief: Listener, **columns: Any) -> App:
    """The row as the attacker leaves it."""
    App.objects.update(api_url=thief.url, **columns)
    return App.objects.get()


def test_an_anonymous_callback_sends_the_client_secret_to_no_other_host(
    client: Client, app: App, vendor: Vendor, thief: Listener
) -> None:
    redirect(thief)
    answer = client.get("/oauth/callback", {"code": "any-code", "app": app.highlevel_id})
    assert answer.status_code >= 400
    assert thief.asked == []


def test_a_call_and_a_refresh_send_no_token_to_another_host(app: App, location: Credential, thief: Listener) -> None:
    call(app, location)  # the token is in this process's cache, too
    changed = redirect(thief)
    with pytest.raises(SealBroken, match="another address"):
        call(changed, location)
    expire(location)
    with pytest.raises(SealBroken):
        refresh(location.pk)
    assert thief.asked == []


def test_a_mint_sends_no_company_token_to_another_host(app: App, company: Credential, thief: Listener) -> None:
    changed = redirect(thief)
    with pytest.raises(IntegrationError):
        refresh(store.get_or_create(store.location(changed, "loc"), company_id="c", now=clock.now()).pk)
    assert thief.asked == []


def test_a_refresh_works_again_when_the_row_is_right_again(app: App, location: Credential, thief: Listener) -> None:
    there = app.api_url
    redirect(thief)
    expire(location)
    with pytest.raises(SealBroken):
        refresh(location.pk)
    App.objects.update(api_url=there)
    assert refresh(location.pk, forced=True).generation == location.generation + 1


def test_the_address_in_a_sealed_value_cannot_be_rewritten(app: App, location: Credential, thief: Listener) -> None:
    """The attacker writes the new address into the headers as well, or cuts the header to one without an address."""
    for forged in (_with_address(location.access_sealed, thief.url), _without_address(location.access_sealed)):
        Credential.objects.update(access_sealed=forged)
        secret = _with_address(app.client_secret_sealed, thief.url)
        changed = redirect(thief, client_secret_sealed=secret)
        with pytest.raises(SealBroken):
            call(changed, location)
        with pytest.raises(SealBroken):
            marketplace.identity(changed)
    assert thief.asked == []


def test_tokens_follow_an_app_whose_secret_was_entered_for_the_new_address(
    app: App, location: Credential, thief: Listener
) -> None:
    move(app, thief.url)
    app.save()
    thief.known.add(seals.access_token(Credential.objects.get(pk=location.pk)).reveal())
    call(App.objects.get(), location)
    assert [path for _, path, _ in thief.asked] == [f"/locations/{location.resource_id}"]


def test_an_api_key_of_another_api_does_not_lend_its_address(app: App, location: Credential, settings: Any) -> None:
    """The address of API 1.0 is the environment's, and no reason to send it a token of API 2.0."""
    App.objects.update(api_url=settings.HIGHLEVEL_API_1_URL)
    with pytest.raises(SealBroken):
        seals.access_token(Credential.objects.select_related("app").get(pk=location.pk))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://evil.example", "HIGHLEVEL_ALLOWED_HOSTS"),
        ("https://services.leadconnectorhq.com.evil.example", "HIGHLEVEL_ALLOWED_HOSTS"),
        ("http://services.leadconnectorhq.com", "https"),
        ("https://services.leadconnectorhq.com@evil.example", "host and a path"),
        ("https://user:pass@services.leadconnectorhq.com", "host and a path"),
        ("https://evil.example\\@services.leadconnectorhq.com", "host and a path"),
        ("https://services.leadconnectorhq.com/?x=", "host and a path"),
        ("ftp://services.leadconnectorhq.com", "https"),
        ("https://services.leadconnectorhq.com:99999", "not a URL"),
        ("//services.leadconnectorhq.com", "https"),
        ("", "https"),
    ],
)
def test_no_wire_leads_to_a_host_that_the_environment_does_not_allow(url: str, reason: str) -> None:
    with pytest.raises(DestinationRefused, match=reason):
        wire.shared(url)


@pytest.mark.parametrize("url", ["https://services.leadconnectorhq.com", "https://rest.gohighlevel.com/v1"])
def test_the_vendors_hosts_are_allowed(url: str) -> None:
    assert destinations.require(url) == url


def test_a_host_may_be_allowed_with_one_port(settings: Any) -> None:
    settings.HIGHLEVEL_ALLOWED_HOSTS = ["127.0.0.1:8443"]
    assert destinations.require("https://127.0.0.1:8443")
    with pytest.raises(DestinationRefused):
        destinations.require("https://127.0.0.1:8444")


def test_the_install_link_leads_to_no_other_host(client: Client, app: App) -> None:
    App.objects.update(marketplace_url="https://evil.example")
    answer = client.get("/install/", {"go": "1", "app": app.highlevel_id})
    assert answer.status_code >= 400
    assert "evil.example" not in str(answer.headers)


def test_a_value_of_an_older_release_opens_and_gets_its_address(app: App, location: Credential, vendor: Vendor) -> None:
    _as_sealed_before(app, location)
    row = Credential.objects.select_related("app").get(pk=location.pk)
    assert row.access_sealed is not None
    assert seal.address_of(row.access_sealed) == ""
    assert seals.access_token(row) == seals.access_token(location)
    counted = sealed_counts.count()
    assert counted.stale(keys.ring()) == sum(counted.without_address.values()) == 3
    done = rotation.rotate(keys.ring(), watcher=Watcher())
    assert (done.resealed, done.broken, sealed_counts.count().stale(keys.ring())) == (3, [], 0)
    row.refresh_from_db()
    assert row.access_sealed is not None
    assert seal.address_of(row.access_sealed) == vendor.url
    assert marketplace.identity(App.objects.get()).client_secret.reveal() == vendor.options.client_secret


def test_an_old_client_secret_proves_no_new_address(app: App, location: Credential, thief: Listener) -> None:
    """Tokens have their address already, and the client secret is of the release before: the row proves nothing."""
    blob = seal.seal(marketplace.identity(app).client_secret, _unaddressed(marketplace._client_binding(app)))
    changed = redirect(thief, client_secret_sealed=blob)
    with pytest.raises(SealBroken):
        call(changed, location)
    assert thief.asked == []


def test_a_rotation_seals_nothing_for_the_address_of_a_changed_row(
    app: App, location: Credential, thief: Listener, vendor: Vendor
) -> None:
    redirect(thief)
    Credential.objects.update(access_sealed=location.access_sealed)
    rotation.rotate(keys.ring(), watcher=Watcher())
    row = Credential.objects.get(pk=location.pk)
    assert row.access_sealed is not None
    assert seal.address_of(row.access_sealed) == vendor.url


def test_the_environment_moves_its_app_and_the_trail_says_so(settings: Any, thief: Listener) -> None:
    row = marketplace.default()
    key = CredentialKey(row, Tenant.location("loc"))
    store.save_entered_token(key, Secret("pit-0123456789"), kind=Credential.Kind.PRIVATE, now=clock.now())
    before, settings.HIGHLEVEL_API_URL = settings.HIGHLEVEL_API_URL, thief.url
    marketplace.reset()
    moved = marketplace.default()
    assert marketplace.identity(moved).client_secret.reveal() == settings.HIGHLEVEL_CLIENT_SECRET
    found = Credential.objects.select_related("app").get()
    assert seals.access_token(found) == Secret("pit-0123456789")
    entry = AuditEntry.objects.filter(action="app.changed").get()
    assert (entry.actor, entry.detail["changed"]["api_url"]) == ("environment", [before, thief.url])
    assert settings.HIGHLEVEL_CLIENT_SECRET not in json.dumps(list(AuditEntry.objects.values_list("detail", flat=True)))


def _with_address(blob: Any, url: str) -> bytes:
    _, key_id, _, end = seal._split(bytes(blob))
    return seal._header(key_id, url) + bytes(blob)[end:]


def _without_address(blob: Any) -> bytes:
    return _with_address(blob, "")


def _unaddressed(binding: Binding) -> Binding:
    return Binding(binding.owner, binding.field, binding.generation)


def _as_sealed_before(app: App, row: Credential) -> None:
    """The rows as the release before left them: sealed for no address."""
    for column, field, token in (
        ("access_sealed", seals.ACCESS, seals.access_token(row)),
        ("refresh_sealed", seals.REFRESH, seals.refresh_token(row)),
    ):
        bound = _unaddressed(seals.binding(row, field, row.generation))
        Credential.objects.filter(pk=row.pk).update(**{column: seal.seal(token, bound)})
    bound = _unaddressed(marketplace._client_binding(app))
    App.objects.filter(pk=app.pk).update(client_secret_sealed=seal.seal(marketplace.identity(app).client_secret, bound))
