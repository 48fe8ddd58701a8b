"""Entries of the spool that belong to given tenants, in Redis and on this machine's disk, and their removal."""

from __future__ import annotations

from collections.abc import Collection

from integrations.core.errors import StoreUnavailable
from integrations.core.tenant import Tenant
from integrations.tokens.spool import spool
from integrations.tokens.spool.backends import BACKENDS, FAILURES


def names(tenants: Collection[Tenant]) -> list[str]:
    """The names of the entries, waiting or set aside. Raises StoreUnavailable when a backend cannot be read."""
    keys = {(tenant.user_type.value, tenant.id) for tenant in tenants}
    return sorted({name for name, text in texts().items() if _owner(text) in keys})


def texts() -> dict[str, bytes]:
    """All entries by name, as they are stored. Raises StoreUnavailable when a backend cannot be read."""
    found: dict[str, bytes] = {}
    for backend in BACKENDS:
        try:
            for aside in (False, True):
                found |= backend.look(aside=aside).texts
        except FAILURES as error:
            raise StoreUnavailable(f"the spool's {backend.name} does not answer ({type(error).__name__})") from error
    return found


def remove(tenants: Collection[Tenant]) -> int:
    """Delete the entries, with their tokens; how many. Raises StoreUnavailable."""
    found = names(tenants)
    for name in found:
        spool.remove(name)
    return len(found)


def _owner(text: bytes) -> tuple[str, str] | None:
    """User type and id of the tenant that the entry is bound to; None when the entry is damaged."""
    try:
        _, _, user_type, resource_id, *_ = spool.fields(text)["bound"]["owner"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(user_type), str(resource_id)
