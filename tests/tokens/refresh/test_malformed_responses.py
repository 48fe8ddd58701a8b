"""Answers of the token endpoint that hold what no database takes: the new pair is kept, a refusal is noted."""

from __future__ import annotations

import pytest

from integrations.core.errors import IntegrationError
from integrations.core.models import AuditEntry
from integrations.tokens import seals
from integrations.tokens.models import Credential
from integrations.tokens.refresh.claim_call_swap import refresh
from tests.plugin.vendor import Vendor

GOOD = {"access_token": "new-access", "refresh_token": "new-refresh", "expires_in": 86_399}
UNSTORABLE = pytest.mark.parametrize("odd", ["a\0b", "a\ud800b"], ids=["NUL", "half a pair"])


@UNSTORABLE
def test_a_good_pair_is_kept_whatever_stands_beside_it(location: Credential, vendor: Vendor, odd: str) -> None:
    beside = dict.fromkeys(("scope", "companyId", "locationId", "userType", "planId", "traceId"), odd)
    vendor.fault("/oauth/token", "status", status=200, body=GOOD | beside | {"approvedLocations": [odd]})
    row = refresh(location.pk)
    assert row.generation == location.generation + 1
    assert seals.refresh_token(row).reveal() == "new-refresh"
    row.refresh_from_db()
    assert row.scopes == "a\N{REPLACEMENT CHARACTER}b"
    assert AuditEntry.objects.get().action == "token.odd_answer"


@UNSTORABLE
@pytest.mark.parametrize("status", [400, 401, 418, 500])
def test_a_refusal_is_noted_whatever_its_words(location: Credential, vendor: Vendor, odd: str, status: int) -> None:
    vendor.fault("/oauth/token", "status", status=status, body={"message": odd, "traceId": odd})
    with pytest.raises(IntegrationError):
        refresh(location.pk)
    location.refresh_from_db()
    assert (location.failures, location.lease_owner) == (1, "")
    assert location.last_trace_id == "a\N{REPLACEMENT CHARACTER}b"
