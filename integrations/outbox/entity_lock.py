"""The lock over one entity of an outbox: its entries get their numbers in the order of their commits."""

from __future__ import annotations

from django.db import connection

from integrations.outbox.models import TenantOutbox


def take(box: TenantOutbox, entity: str) -> None:
    """Wait for others that put for the same entity; the lock lasts until the end of the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))", [entity, box.pk])
