"""The access tokens that this process used a moment ago, so that a stream of calls reads its credential once a second.

Without it every call is a query, and at full speed a few hundred tenants keep a database busy with nothing else. What
is held may be a second old, which changes nothing that is not so anyway: a call takes seconds, and one that began just
before an uninstall, a suspension or a refresh ends with the token it began with. A token that the vendor refuses is
dropped at once, as is one that this process replaces. The tokens are those the process has in its hands in any case.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from integrations.core import clock
from integrations.core.secret import Secret

MOMENT = 1.0  # seconds
_MOST = 2_000  # credentials


@dataclass(frozen=True, slots=True)
class Access:
    """An access token and where it came from. `scopes` is empty when the vendor did not say.

    `suspended`: the location was inactive when last asked; tell `store.works` if the call succeeds.
    """

    token: Secret
    credential_id: int
    generation: int
    scopes: frozenset[str]
    kind: str
    suspended: bool = False


_held: dict[Hashable, tuple[Access, float]] = {}


def recall(holder: Hashable) -> Access | None:
    """What was held for this holder within the last second."""
    access, until = _held.get(holder, (None, 0.0))
    return access if clock.monotonic() < until else None


def hold(holder: Hashable, access: Access) -> None:
    if len(_held) >= _MOST:
        _held.clear()  # a process that serves so many at once gains nothing from remembering any
    _held[holder] = access, clock.monotonic() + MOMENT


def drop(credential_id: int) -> None:
    """Its token or its standing has changed."""
    for holder, (access, _) in list(_held.items()):
        if access.credential_id == credential_id:
            _held.pop(holder, None)


def clear() -> None:
    """Hold nothing any more."""
    _held.clear()
