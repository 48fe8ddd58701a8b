"""Per-process cache of access tokens, so that a stream of calls reads each credential once a second.

Without it every call is a query, and a few hundred tenants at full speed keep a database busy. An entry may be a second
old. That is harmless: a call takes seconds, and a call that began just before an uninstall, a suspension or a
refresh ends with the token it began with. An entry is removed at once when the vendor refuses its token and when this
process replaces it. An uninstall and a fork empty the cache.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from dataclasses import dataclass

from integrations.core import clock
from integrations.core.secret import Secret

LIFETIME = 1.0  # seconds
_CAPACITY = 2_000  # credentials


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token, the base URL it may be sent to, and its credential.

    `scopes` is empty when the vendor did not name them.
    `suspended`: the location was inactive at the last attempt; call `store.confirm_active` if the call succeeds.
    """

    token: Secret
    address: str
    credential_id: int
    generation: int
    scopes: frozenset[str]
    kind: str
    suspended: bool = False


_entries: dict[Hashable, tuple[AccessToken, float]] = {}


def get(key: Hashable) -> AccessToken | None:
    """The token cached for this key within the last second, or None."""
    access, until = _entries.get(key, (None, 0.0))
    return access if clock.monotonic() < until else None


def put(key: Hashable, access: AccessToken) -> None:
    """Keep the token for `LIFETIME` seconds; a full cache is emptied first."""
    if len(_entries) >= _CAPACITY:
        _entries.clear()  # a process that serves so many credentials at once gains nothing from a cache
    _entries[key] = access, clock.monotonic() + LIFETIME


def discard(credential_id: int) -> None:
    """Remove a credential whose token or state has changed."""
    for key, (access, _) in list(_entries.items()):
        if access.credential_id == credential_id:
            _entries.pop(key, None)


def clear() -> None:
    """Empty the cache."""
    _entries.clear()


os.register_at_fork(after_in_child=clear)
