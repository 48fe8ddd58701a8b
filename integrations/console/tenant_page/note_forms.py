"""What the forms of a tenant's notes do: add one, delete one. Each leaves an audit entry, without the text."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from integrations.core import audit, clock, texts
from integrations.core.admin import operator
from integrations.core.tenant import Tenant
from integrations.tenants.tenant_note import LONGEST, TenantNote

ADD, DELETE = "tenants.add_tenantnote", "tenants.delete_tenantnote"


def act(request: HttpRequest, tenant: Tenant) -> None:
    """Do what the form posted. Raises PermissionDenied for who may not."""
    number = request.POST.get("delete", "")
    if number:
        _delete(request, tenant, number)
    else:
        _add(request, tenant, request.POST.get("text", "").strip())


def may_delete(request: HttpRequest, note: TenantNote) -> bool:
    """Whether the operator may: who wrote it, and who may delete all."""
    return request.user.has_perm(DELETE) or note.made_by == operator(request)


def _add(request: HttpRequest, tenant: Tenant, text: str) -> None:
    if not request.user.has_perm(ADD):
        raise PermissionDenied
    if not 0 < len(text) <= LONGEST:
        messages.error(request, f"A note has 1 to {LONGEST:,} characters.")
        return
    where = {"level": tenant.user_type, "tenant_id": tenant.id}
    note = TenantNote.objects.create(text=text, made_by=operator(request), created_at=clock.now(), **where)
    audit.record("tenant.note_added", actor=operator(request), subject=tenant.audit_subject, note=note.pk)


def _delete(request: HttpRequest, tenant: Tenant, number: str) -> None:
    mine = TenantNote.objects.filter(level=tenant.user_type, tenant_id=tenant.id)
    note = mine.filter(pk=texts.whole(number) or 0).first()
    if note is None:
        messages.error(request, "There is no such note.")
        return
    if not may_delete(request, note):
        raise PermissionDenied
    audit.record("tenant.note_deleted", actor=operator(request), subject=tenant.audit_subject, note=note.pk)
    note.delete()
