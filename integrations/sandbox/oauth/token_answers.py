"""Bodies of successful token answers, with the fields that were captured from the live service.

The fields depend on the grant: a company token has no locationId, a minted location token has
no refreshTokenId but appId, versionId and traceId, and lives one second longer.
"""

from __future__ import annotations

import uuid
from typing import Any

from integrations.sandbox.oauth.marketplace import MarketplaceApp
from integrations.sandbox.oauth.tokens import Grant, Tokens

Body = dict[str, Any]


def token_answer(tokens: Tokens, grant: Grant, refresh_token: str, now: float) -> Body:
    """The answer to a code exchange or a refresh: a new access token with `refresh_token`."""
    install = grant.install
    body: Body = {
        "access_token": tokens.issue_access(grant, now),
        "token_type": "Bearer",
        "expires_in": tokens.access_seconds,
        "refresh_token": refresh_token,
        "scope": " ".join(grant.scopes),
        "refreshTokenId": tokens.refresh[refresh_token].token_id,
        "userType": grant.user_type,
        "companyId": install.company_id,
    }
    if install.location_id is not None:
        return {
            **body,
            "locationId": install.location_id,
            "isBulkInstallation": False,
            "userId": install.user_id,
        }
    return {
        **body,
        "isBulkInstallation": install.bulk,
        "userId": install.user_id,
        "installToFutureLocations": install.future,
        "approveAllLocations": install.approve_all,
    }


def minted_answer(tokens: Tokens, app: MarketplaceApp, grant: Grant, now: float) -> Body:
    """The answer to a location token request; `grant` is the location's."""
    install = grant.install
    return {
        "access_token": tokens.issue_access(grant, now),
        "token_type": "Bearer",
        "expires_in": tokens.access_seconds + 1,
        "refresh_token": tokens.issue_refresh(grant, now),
        "scope": " ".join(grant.scopes),
        "userType": "Location",
        "companyId": install.company_id,
        "locationId": install.location_id,
        "userId": install.user_id,
        "appId": app.app_id,
        "versionId": app.version_id,
        "traceId": str(uuid.uuid4()),
    }
