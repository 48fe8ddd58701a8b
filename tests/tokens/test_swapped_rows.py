"""Somebody who writes to the database moves sealed tokens between tenants: nothing opens, and no call is sent."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from integrations.core.errors import SealBroken
from integrations.quota.permits.lanes import Lane
from integrations.tokens import access_cache, store
from integrations.tokens.access import access_token
from integrations.tokens.models import Credential
from integrations.tokens.refresh.claim_call_swap import refresh
from tests.plugin.vendor import Vendor
from tests.tokens.rows import expire

pytestmark = pytest.mark.django_db

SWAP = """
UPDATE tokens_credential c SET access_sealed = o.access_sealed, refresh_sealed = o.refresh_sealed,
  generation = o.generation
FROM tokens_credential o WHERE c.id <> o.id AND c.id = ANY(%s) AND o.id = ANY(%s)
"""


def opened(row: Credential) -> object:
    access_cache.clear()
    return access_token.get(store.location(row.app, row.resource_id), lane=Lane.INTERACTIVE)


def test_sealed_tokens_that_change_places_open_nothing(location: Credential, neighbour: Credential) -> None:
    assert opened(location)
    with connection.cursor() as cursor:
        cursor.execute(SWAP, [[location.pk, neighbour.pk]] * 2)
    for row in (location, neighbour):
        with pytest.raises(SealBroken, match="moved"):
            opened(row)


@pytest.mark.django_db(transaction=True)
def test_a_credential_that_changes_its_tenant_opens_nothing(
    location: Credential, neighbour: Credential, vendor: Vendor
) -> None:
    """The row of one tenant gets the id of another, whose own row is gone: its tokens serve and refresh neither."""
    gone, kept = neighbour.resource_id, location.resource_id
    with transaction.atomic():
        Credential.objects.filter(pk=neighbour.pk).delete()
        Credential.objects.filter(pk=location.pk).update(resource_id=gone)
    location.refresh_from_db()
    with pytest.raises(SealBroken, match="moved"):
        opened(location)
    expire(location)
    with pytest.raises(SealBroken):
        refresh(location.pk)
    Credential.objects.filter(pk=location.pk).update(resource_id=kept)
    assert Credential.objects.get(pk=location.pk).generation == location.generation, "no refresh token was spent"
