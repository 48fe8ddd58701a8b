"""The state of one place as its own users may see it: installed, connected, synced. Plain data, ready for JSON."""

from __future__ import annotations

from typing import Any

from django.db.models import Count

from integrations.console.embed.sso_session import Visitor
from integrations.sync import queries as sync
from integrations.sync.models import Plan, Record, Run
from integrations.sync.queries import Progress
from integrations.tenants.models import Installation, UserType
from integrations.tokens.models import Credential

_CONNECTION = {
    Credential.State.ACTIVE: "connected",
    Credential.State.SUSPENDED: "paused",
    Credential.State.NEEDS_RECONNECT: "reconnect",
    Credential.State.REVOKED: "ended",
}


def state(visitor: Visitor) -> dict[str, Any]:
    """What the page shows `visitor`: `place`, `name`, `installed`, `claimed`, and more once it is claimed."""
    return _location(visitor) if visitor.location_id else _company(visitor)


def _location(visitor: Visitor) -> dict[str, Any]:
    place = _installation(visitor, UserType.LOCATION, visitor.location_id)
    if place is None:
        return {"place": "location", "name": "", "installed": False, "claimed": False}
    shown: dict[str, Any] = {
        "place": "location",
        "name": (place.location.name if place.location else "") or visitor.location_id,
        "installed": place.is_installed,
        "claimed": place.claimed_at is not None or _parent_claimed(place),
    }
    if shown["installed"] and shown["claimed"]:
        shown |= _synced(visitor)
    return shown


def _company(visitor: Visitor) -> dict[str, Any]:
    place = _installation(visitor, UserType.COMPANY, visitor.company_id)
    locations = Installation.objects.filter(
        app_id=visitor.app_id,
        company_id=visitor.company_id,
        user_type=UserType.LOCATION,
        status=Installation.Status.INSTALLED,
    )
    shown: dict[str, Any] = {
        "place": "company",
        "name": (place.company.name if place and place.company else "") or visitor.company_id,
        "installed": bool(place and place.is_installed) or locations.exists(),
        "claimed": place is None or place.claimed_at is not None,
    }
    if shown["installed"] and shown["claimed"]:
        shown["locations"] = locations.count()
        shown["connection"] = _connection(visitor, UserType.COMPANY, visitor.company_id) if place else None
    return shown


def _installation(visitor: Visitor, user_type: UserType, resource_id: str) -> Installation | None:
    found = Installation.objects.select_related("location", "company", "parent")
    return found.filter(app_id=visitor.app_id, user_type=user_type, resource_id=resource_id).first()


def _parent_claimed(place: Installation) -> bool:
    """A company's claim covers the locations its bulk install brought."""
    return place.parent is not None and place.parent.claimed_at is not None


def _synced(visitor: Visitor) -> dict[str, Any]:
    mine = {"app_id": visitor.app_id, "location_id": visitor.location_id}
    plans = sync.progress(Plan.objects.filter(**mine, enabled=True))
    kept = Record.objects.filter(**mine, deleted_at=None).values_list("resource").annotate(found=Count("id"))
    counts: dict[str, int] = dict(kept.order_by())
    last = max((plan.synced_at for plan in plans if plan.synced_at), default=None)
    return {
        "connection": _connection(visitor, UserType.LOCATION, visitor.location_id),
        "last_sync": last.isoformat() if last else None,
        "records": sum(counts.values()),
        "resources": [_resource(plan, counts.get(plan.resource, 0)) for plan in plans],
    }


def _resource(plan: Progress, records: int) -> dict[str, Any]:
    running = plan.status == Run.Status.RUNNING
    return {
        "name": plan.resource.replace("_", " "),
        "records": records,
        "synced_at": plan.synced_at.isoformat() if plan.synced_at else None,
        "running": running,
        "seen": plan.seen if running else None,
        "total": plan.total if running else None,
    }


def _connection(visitor: Visitor, user_type: UserType, resource_id: str) -> str:
    held = Credential.objects.filter(app_id=visitor.app_id, user_type=user_type, resource_id=resource_id, api=2)
    credential = held.first()
    return _CONNECTION[Credential.State(credential.state)] if credential else "pending"
