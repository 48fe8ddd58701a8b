"""The API endpoint of a credential: base URL, and the quota that its calls use.

The kind of the credential decides both (`tenants.credential_kinds`). API 1.0 has a quota of its own, 100 calls in 10
seconds and 200,000 a day (public-api.gohighlevel.com), for the key of a location or agency, whatever app uses it.
Whether its responses have the quota headers is not documented; without them the documented numbers apply.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.conf import settings

from integrations.core.errors import StoreUnavailable
from integrations.highlevel.http.rate_headers import RateSnapshot
from integrations.quota.permits import queries
from integrations.tenants.credential_kinds import abilities
from integrations.tokens.models import Credential, CredentialKey

_DOCUMENTED = RateSnapshot(max=100, interval_ms=10_000, daily_limit=200_000)


@dataclass(frozen=True, slots=True)
class ApiEndpoint:
    """A base URL, and the name under which its calls are counted. `documented`: the rate is known without headers."""

    url: str
    quota_app: str
    documented: RateSnapshot | None = None

    def rate(self, key: CredentialKey, reported: RateSnapshot) -> RateSnapshot:
        """The rate snapshot to settle a call with: that of the response, or the documented one if API 1.0 sent none."""
        documented = self.documented
        if documented is None or documented.daily_limit is None or reported.max is not None:
            return reported
        try:
            known = queries.snapshot(self.quota_app, key.tenant.id)
        except StoreUnavailable:
            return reported  # the response has arrived, and must not be lost over its accounting
        # The governor continues the day's count by itself; to start it needs a remainder.
        left = None if known.day_limit is not None else known.day_used
        return documented if left is None else replace(documented, daily_remaining=documented.daily_limit - left)


def of(key: CredentialKey, kind: str) -> ApiEndpoint:
    """The endpoint for the credential of this kind with this key."""
    quota_app = abilities(kind).quota or key.app.client_id
    return ApiEndpoint(url_of(key), quota_app, _DOCUMENTED if key.api == Credential.Api.ONE else None)


def url_of(key: CredentialKey) -> str:
    """The base URL alone: it is the same for all kinds of credential of one API."""
    return settings.HIGHLEVEL_API_1_URL if key.api == Credential.Api.ONE else key.app.api_url
