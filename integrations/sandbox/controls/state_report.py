"""State of the running sandbox as JSON, for tests and the overview page: requests, quota, tenants, deliveries."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.context import Platform


def state(platform: Platform) -> dict[str, Any]:
    """Counters and tenants of the running sandbox, as `GET /sandbox/state` returns them."""
    return {
        "now": platform.clock.iso(),
        "requests": platform.requests,
        "token_requests": dict(platform.token_requests),
        "quota": quota(platform),
        "companies": companies(platform),
        "locations": locations(platform),
        "deliveries": dict(platform.deliveries.counts),
        "payments": list(platform.payments),
    }


def quota(platform: Platform) -> dict[str, dict[str, Any]]:
    """Requests and remaining calls by resource id (location or company)."""
    now = platform.clock.now()
    return {
        resource_id: {
            "client_id": client_id,
            "requests": bucket.requests,
            "rejected_429": bucket.rejected,
            "burst_remaining": platform.quota.burst_remaining(bucket, now),
            "daily_remaining": platform.quota.daily_remaining(bucket, now),
        }
        for (client_id, resource_id), bucket in platform.quota.buckets.items()
    }


def companies(platform: Platform) -> dict[str, dict[str, Any]]:
    """Name, number of locations and installation by company id."""
    return {
        company.id: {
            "name": company.name,
            "locations": len(company.locations),
            "installed": company.id in platform.installs.companies,
        }
        for company in platform.world.companies.values()
    }


def locations(platform: Platform) -> dict[str, dict[str, Any]]:
    """Name, record counts and installation by location id."""
    return {
        location.id: {
            "name": location.name,
            "company": location.company_id,
            "active": location.active,
            "contacts": len(location.contacts),
            "opportunities": len(location.opportunities),
            "installed": location.id in platform.installs.locations,
        }
        for location in platform.world.locations.values()
    }
