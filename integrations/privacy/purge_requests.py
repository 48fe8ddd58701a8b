"""Requests of purges: what may be purged, the grace period, and cancelling within it.

A tenant is purged after its last app was uninstalled: while one is installed the sync and its webhooks would bring the
data back. A contact is purged while its location goes on; what keeps it out afterwards is `sync.suppression`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction

from integrations.core import audit, clock
from integrations.core.errors import BadRequest
from integrations.core.tenant import Tenant, UserType
from integrations.privacy import purge_mac, purge_scope, purge_stages
from integrations.privacy.models import Purge
from integrations.privacy.purge_scope import Scope
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import Installation

AUTOMATIC = "setting PURGE_AFTER_UNINSTALL"
Status = Purge.Status


def grace() -> timedelta:
    """How long a purge can be cancelled (`PURGE_GRACE_DAYS`)."""
    return timedelta(days=settings.PURGE_GRACE_DAYS)


def installed(scope: Scope) -> list[str]:
    """The tenants of the scope on which an app is installed or pending, as `Location:<id>`."""
    live = Installation.objects.not_uninstalled().filter(scope.installations).order_by("user_type", "resource_id")
    return sorted({row.tenant.audit_subject for row in live[:100]})


def request(tenant: Tenant, *, actor: str, contact: str = "", at_once: bool = False) -> Purge:
    """Ask for a purge. It begins after the grace period, or at once.

    Raises BadRequest: an app is still installed, nothing is here to purge, or a purge is asked for already.
    """
    now, scope = clock.now(), purge_scope.of(tenant, contact=contact)
    check(scope)
    begins_at = now if at_once else now + grace()
    try:
        with transaction.atomic():
            purge = Purge(
                user_type=tenant.user_type,
                tenant_id=tenant.id,
                contact_id=contact,
                of_contact=bool(contact),
                requested_by=actor,
                requested_at=now,
                begins_at=begins_at,
                due_at=begins_at,
            )
            purge.mac = purge_mac.of(purge)
            purge.save(force_insert=True)
            _record("purge.requested", purge, actor, begins_at=begins_at.isoformat())
    except IntegrityError:
        raise BadRequest("this purge is asked for already: see manage.py purge list") from None
    return purge


def check(scope: Scope) -> None:
    """Raises BadRequest when the scope cannot be purged."""
    if scope.contact:
        if scope.tenant.user_type != UserType.LOCATION:
            raise BadRequest("a contact belongs to a location: name that")
        if not scope.contact.isprintable() or len(scope.contact) > 64 or " " in scope.contact:
            raise BadRequest("the contact's id should be HighLevel's: up to 64 characters without spaces")
        return
    if live := installed(scope):
        raise BadRequest(
            f"an app is still installed on {live[0]}: uninstall it at HighLevel, or remove it here, and ask again"
        )
    if not any(stage.left(scope) for stage in purge_stages.of(scope)):
        raise BadRequest(f"nothing is stored of {scope.tenant.audit_subject}")


def cancel(purge: Purge, *, actor: str) -> None:
    """Cancel a purge that has not begun. Raises BadRequest for any other."""
    with transaction.atomic():
        if not end(purge, Status.CANCELLED, note=f"by {actor}", was=Status.WAITING):
            raise BadRequest(
                "only a waiting purge can be cancelled: what is deleted does not come back", purge=purge.pk
            )
        _record("purge.cancelled", purge, actor)


def end(purge: Purge, status: str, *, note: str = "", was: str | None = None, **fields: object) -> bool:
    """End a purge that has this status, or any active one. It names no person then. False when it ended before."""
    rows = Purge.objects.filter(pk=purge.pk, **({"status": was} if was else {}))
    return bool(rows.end(status, now=clock.now(), note=note, **fields))


def called_off(purge: Purge, live: list[str]) -> None:
    """End a purge because an app was installed again meanwhile."""
    with transaction.atomic():
        if end(purge, Status.CANCELLED, note=f"an app was installed again on {live[0]}"):
            _record("purge.cancelled", purge, "system", reason="installed again", tenants=live)


def refuse(purges: Iterable[Purge], by: str) -> None:
    """End purges that no operator asked for here. What they say of who asked is not repeated."""
    with transaction.atomic():
        for purge in purges:
            if end(purge, Status.CANCELLED, note=purge_mac.NOT_OURS):
                _record("purge.refused", purge, by, reason="its row is not of this application")


def after_uninstall(change: InstallationChange) -> None:
    """Lifecycle hook: ask for the purge of a tenant whose last app was uninstalled. A waiting one waits anew."""
    tenant, now = change.installation.tenant, clock.now()
    if installed(purge_scope.of(tenant)):
        return
    begins_at = now + grace()
    asked = Purge.objects.filter(user_type=tenant.user_type, tenant_id=tenant.id, of_contact=False)
    waiting = list(asked.filter(status=Status.WAITING).select_for_update())
    for purge in filter(purge_mac.fits, waiting):
        purge.begins_at = purge.due_at = begins_at
        purge.mac = purge_mac.of(purge)
        purge.save(update_fields=["begins_at", "due_at", "mac"])
    if not waiting:
        try:
            request(tenant, actor=AUTOMATIC)
        except BadRequest:
            return  # it runs already


def _record(action: str, purge: Purge, actor: str, **detail: object) -> None:
    audit.record(
        action, actor=actor, subject=purge.tenant.audit_subject, purge=purge.pk, of_contact=purge.of_contact, **detail
    )
