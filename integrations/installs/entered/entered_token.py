"""Reconciles an installation that works with an entered token: the vendor reports nothing about it, so it is asked.

One cheap call in `EVERY` shows whether the token still works, also where nothing is synced. A token that the vendor
refuses needs an operator; the installation and its data stay until an operator disconnects it.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from integrations.core import clock
from integrations.core.tenant import UserType
from integrations.installs import register
from integrations.installs.connected import sync_start, tenant_name
from integrations.installs.entered import known_locations
from integrations.installs.question import TokenState, token_state
from integrations.tenants.models import Installation
from integrations.tokens import store
from integrations.tokens.models import CredentialKey
from integrations.tokens.refresh import refused_entered_tokens

EVERY = timedelta(minutes=45)


def follow(row: Installation) -> datetime:
    """Ask about the token, start a location's sync, and learn names and an agency's locations. Returns when it is due.

    Raises GrantRevoked for a token that the vendor refuses; the credential says so then.
    """
    state = token_state(row, conclusive=False)
    if state.alive is False:
        credential = store.find(CredentialKey(row.app, row.tenant, row.abilities.api))
        if credential is not None:
            raise refused_entered_tokens.refuse(credential, now=clock.now())
    if state.alive:
        _describe(row, state)
        if row.user_type == UserType.LOCATION:
            sync_start.begin(row)
        else:
            known_locations.read(row)
        tenant_name.learn(row)
    return clock.now() + EVERY * random.uniform(0.8, 1.2)  # noqa: S311 - spreads the load


def _describe(row: Installation, state: TokenState) -> None:
    """Keep what the vendor said of the account: its name, and the company of a location."""
    if row.location is None:
        return
    register.set_name(row.location, state.name)
    if state.company_id and row.company_id != state.company_id:
        target = register.location_target(row.app, row.resource_id, company_id=state.company_id, at=clock.now())
        Installation.objects.filter(pk=row.pk).update(company=target.company)
