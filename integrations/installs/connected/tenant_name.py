"""Learns the name of a connected tenant, which pages show instead of its id."""

from __future__ import annotations

from typing import Any

import structlog

from integrations.core.errors import Permanent
from integrations.core.tenant import UserType
from integrations.gateway import api1
from integrations.gateway import client as gateway
from integrations.installs import register
from integrations.quota.permits.lanes import Lane
from integrations.tenants.credential_kinds import API_1
from integrations.tenants.models import Installation

log = structlog.get_logger(__name__)

_SOURCES = {  # the operation that returns the tenant's name, and the key of its object in the answer
    UserType.COMPANY: ("companies.get-company", "company"),
    UserType.LOCATION: ("locations.get-location", "location"),
}


def learn(row: Installation) -> None:
    """Store the tenant's name, which pages show instead of its id. A refusal is only logged."""
    tenant = row.location or row.company
    if tenant is None or tenant.name:
        return
    _, kind = _SOURCES[UserType(row.user_type)]
    try:
        answer = _answer(row)
    except Permanent as error:
        log.info("installs.name_unknown", resource=row.resource_id, code=error.code)
        return
    named = answer.get(kind, answer) if isinstance(answer, dict) else {}
    name = named.get("name") if isinstance(named, dict) else None
    if isinstance(name, str) and name:
        register.set_name(tenant, name)


def _answer(row: Installation) -> Any:
    operation, kind = _SOURCES[UserType(row.user_type)]
    ids = {kind: row.resource_id}
    if row.api_name != API_1:
        company, location = ids.get("company"), ids.get("location")
        return gateway.call(operation, app=row.app, company=company, location=location, lane=Lane.EVENTS).json
    if row.user_type == UserType.COMPANY:
        return None  # API 1.0 has nothing about the agency itself
    path = f"/locations/{row.resource_id}"
    return api1.call("GET", path, app=row.app, location=row.resource_id, lane=Lane.EVENTS).json
