"""Webhook bodies: flat objects of type, ids, event fields and envelope.

INSTALL and UNINSTALL have the forms of real deliveries and of the vendor's samples. INSTALL of a location that was
created after the agency's install has no company and no user. A location's UNINSTALL has no company, an agency's has no
location.
"""

from __future__ import annotations

import uuid
from typing import Any

from integrations.sandbox.oauth.installs import Install
from integrations.sandbox.oauth.marketplace import MarketplaceApp

Body = dict[str, Any]


def with_envelope(app: MarketplaceApp, body: Body, timestamp: str) -> Body:
    """The body with the fields that every webhook has."""
    return {
        **body,
        "appId": app.app_id,
        "versionId": app.version_id,
        "timestamp": timestamp,
        "webhookId": str(uuid.uuid4()),
    }


def agency_install(install: Install) -> Body:
    """Body of INSTALL for a company."""
    return {"type": "INSTALL", "installType": "Company", "companyId": install.company_id, "trial": {}}


def location_install(install: Install, company_name: str) -> Body:
    """Body of INSTALL for a location."""
    return {
        "type": "INSTALL",
        "installType": "Location",
        "locationId": install.location_id,
        "companyId": install.company_id,
        "userId": install.user_id,
        "companyName": company_name,
        "isWhitelabelCompany": False,
        "whitelabelDetails": {},
        "trial": {},
    }


def future_location_install(location_id: str) -> Body:
    """Body of INSTALL for a location that joined a company with the app."""
    return {"type": "INSTALL", "installType": "Location", "locationId": location_id, "trial": {}}


def location_uninstall(location_id: str) -> Body:
    """Body of UNINSTALL for a location."""
    return {"type": "UNINSTALL", "locationId": location_id}


def agency_uninstall(company_id: str) -> Body:
    """Body of UNINSTALL for a company."""
    return {"type": "UNINSTALL", "companyId": company_id}
