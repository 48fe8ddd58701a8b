"""MACs under keys that are derived from the key ring, one key for each purpose and key id.

A derived key opens no sealed value, and the key of one purpose proves nothing for another.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from integrations.vault import keys
from integrations.vault.keys import KeyRing

AUDIT_TRAIL = "hlapp: audit trail"

# The ring while its proof is being recorded: it has passed, and `keys.ring` does not know that yet.
_being_proven: ContextVar[KeyRing | None] = ContextVar("ring", default=None)


class AuditSealer:
    """`core.audit_seals.Sealer` with the keys of this deployment."""

    def newest(self) -> str:
        """The id of the key that seals. Raises SealBroken when the ring is not the right one."""
        return _ring().newest

    def mac(self, key_id: str, message: bytes) -> bytes | None:
        """The MAC under the audit trail's key of that id. None when the ring lacks it."""
        return mac(_ring(), AUDIT_TRAIL, key_id, message)


@contextmanager
def with_ring(ring: KeyRing) -> Iterator[None]:
    """Inside, entries of the audit trail are sealed by this ring, which has passed its proof."""
    token = _being_proven.set(ring)
    try:
        yield
    finally:
        _being_proven.reset(token)


def mac(ring: KeyRing, purpose: str, key_id: str, message: bytes) -> bytes | None:
    """HMAC-SHA256 of the message under the key of this purpose. None when the ring lacks the key."""
    key = ring.mac_key(key_id, purpose)
    return None if key is None else hmac.digest(key, message, "sha256")


def _ring() -> KeyRing:
    return _being_proven.get() or keys.ring()
