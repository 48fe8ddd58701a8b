"""Tells an installation's history when its credential is lost, works again, or gets other scopes.

Call it in the transaction of the change. `Credential.disconnected_at` remembers a loss until a new token comes, so that
a credential that is lost twice in a row is lost once.
"""

from __future__ import annotations

from datetime import datetime

from integrations.tenants import history
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import Installation
from integrations.tokens.models import Credential

What = InstallationChange.What
# A minted token has these two beside those of its company; a refreshed one may not (FACTS 1.3).
_OF_THE_CONNECTION = frozenset({"oauth.readonly", "oauth.write"})


def lost(row: Credential, reason: str, *, now: datetime) -> None:
    """The credential needs a reconnect. Nothing happens when that was so before."""
    first = Credential.objects.filter(pk=row.pk, disconnected_at=None).update(disconnected_at=now)
    if first and (installation := history.find(row.app, row.tenant)) is not None:
        history.add(installation.change(What.DISCONNECTED, now, new=reason))


def is_news(row: Credential, scopes: frozenset[str]) -> bool:
    """Whether a new pair with these scopes, for the row as it was before, is an entry of the history."""
    return row.disconnected_at is not None or _differ(row, scopes)


def replaced(row: Credential, scopes: frozenset[str], *, now: datetime) -> None:
    """A new pair with these scopes was stored for the row, which is given as it was before."""
    installation = history.find(row.app, row.tenant)
    if installation is None:
        return
    if row.disconnected_at is not None:
        history.add(installation.change(What.RECONNECTED, now, old=row.reason or None))
    if _differ(row, scopes):
        _scopes_changed(installation, row, scopes, now)


def _scopes_changed(installation: Installation, row: Credential, scopes: frozenset[str], now: datetime) -> None:
    history.add(installation.change(What.SCOPES, now, old=sorted(row.scope_set), new=sorted(scopes)))


def _differ(row: Credential, scopes: frozenset[str]) -> bool:
    """Whether a living grant has other scopes now. The first grant of an installation changes none."""
    if row.state == Credential.State.REVOKED or not scopes or not row.scopes:
        return False
    return bool((scopes ^ row.scope_set) - _OF_THE_CONNECTION)
