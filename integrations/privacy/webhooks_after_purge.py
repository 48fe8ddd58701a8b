"""Webhooks that come about a tenant after its purge: the vendor goes on to send them for a while.

They are stored and handled as all others, because an installation may begin with one. Where none did, they are deleted
as soon as they are handled and no job waits for them.
"""

from __future__ import annotations

from django.db.models import QuerySet

from integrations.core.tenant import Tenant, UserType
from integrations.privacy.models import Purge
from integrations.tenants.models import Installation
from integrations.webhooks import retention
from integrations.webhooks.models import Event, Mailbox


def rows() -> QuerySet[Event]:
    """Those that can be deleted."""
    gone = {tenant.mailbox_key: tenant for tenant in _purged()}
    found = Mailbox.objects.filter(tenant__in=gone).values_list("pk", "tenant")
    boxes = {pk: gone[key] for pk, key in found}
    ids = {tenant.id for tenant in boxes.values()}
    again = Installation.objects.not_uninstalled().filter(resource_id__in=ids).values_list("resource_id", flat=True)
    back = set(again)
    mailboxes = [pk for pk, tenant in boxes.items() if tenant.id not in back]
    return retention.unseen().filter(mailbox__in=mailboxes, status__in=(*retention.SETTLED, Event.Status.POISONED))


def _purged() -> set[Tenant]:
    """All tenants that a purge has taken, the locations of companies too."""
    complete = Purge.objects.filter(status=Purge.Status.COMPLETE, of_contact=False)
    found = set()
    for user_type, tenant_id, locations in complete.values_list("user_type", "tenant_id", "locations").iterator():
        found |= {Tenant(UserType(user_type), tenant_id), *map(Tenant.location, locations)}
    return found
