"""Connects a company or location by a token that an operator enters, and disconnects it again.

The result is an installation like any other: reconciled, synced, open to jobs, shown on the same pages. An operator who
has the token is proof enough, so the installation is claimed. An API 1.0 key stands beside an installation that works
with API 2.0, because that one can do more; where there is none, the key makes the installation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction

from integrations.core import audit, clock
from integrations.core.errors import BadRequest
from integrations.core.secret import Secret
from integrations.core.tenant import UserType
from integrations.installs import register, uninstall
from integrations.installs.decide import Kind, TimedNotice
from integrations.installs.register import InstallNotice, InstallTarget, Origin, Status
from integrations.tenants.credential_kinds import STATIC, CredentialApi, CredentialKind, abilities
from integrations.tenants.models import Installation
from integrations.tokens import store
from integrations.tokens.entered_tokens import entry
from integrations.tokens.models import Credential, CredentialKey

DISCONNECTED = "disconnected by {}"
STILL_VALID = "At HighLevel the token stays valid until it is deleted or rotated there"


@dataclass(frozen=True, slots=True)
class Connection:
    """A connected tenant: its installation, and the credential that was entered.

    `beside`: the token is an API 1.0 key, and the installation works with another credential.
    """

    installation: Installation
    credential: Credential

    @property
    def beside(self) -> bool:
        """See the class."""
        return self.installation.kind != self.credential.kind


def connect(key: CredentialKey, text: str, *, kind: str, actor: str) -> Connection:
    """Connect the tenant of the key with the token in `text`. Nothing is stored before HighLevel has accepted it.

    Raises BadRequest, GrantRevoked and the errors that prevent a call, as `entry.examined`.
    """
    return keep(key, entry.examined(key, text, kind=kind), kind=kind, actor=actor)


def keep(key: CredentialKey, token: Secret, *, kind: str, actor: str) -> Connection:
    """Store an examined token with its installation, which is due for reconciliation at once."""
    now = clock.now()
    with transaction.atomic():
        target = _target(key)
        row = register.find(key.app, key.tenant)
        before = _shown(row)
        if row is None or row.status == Status.UNINSTALLED or not _works_with_more(row, kind):
            row = _installed(target, CredentialKind(kind), actor=actor, now=now)
        credential = entry.keep(key, token, kind=kind, actor=actor)
        Installation.objects.filter(pk=row.pk).reconcile_at(now)
        audit.record(
            "install.connected",
            actor=actor,
            subject=row.tenant.audit_subject,
            app=row.app.highlevel_id,
            kind=kind,
            generation=row.generation,
            changed=audit.changes(before, _shown(row)),
        )
    return Connection(row, credential)


def disconnect(key: CredentialKey, *, actor: str) -> list[str]:
    """Delete the entered tokens of the tenant, and end the installation that works with one. Returns their kinds.

    An installation that works with an OAuth grant stays. Raises BadRequest when no token was entered. At HighLevel the
    tokens stay valid until the agency ends them there.
    """
    mine = {"app": key.app, "user_type": key.tenant.user_type, "resource_id": key.tenant.id, "kind__in": STATIC}
    with transaction.atomic():
        row = register.find(key.app, key.tenant)
        ends = row is not None and row.status != Status.UNINSTALLED and not row.abilities.reported
        held = Credential.objects.filter(**mine).exclude(state=Credential.State.REVOKED).order_by("api")
        kinds = list(held.values_list("kind", flat=True))
        if not ends and not kinds:
            raise BadRequest(f"no token was entered for {key.tenant}: {_what_instead(row)}")
        now = clock.now()
        before = _shown(row)
        if ends and row is not None:
            uninstall.removed(row, at=now, actor=actor)
        for kind in kinds:
            store.revoke(replace(key, api=abilities(kind).api), reason=DISCONNECTED.format(actor), now=now)
        audit.record(
            "install.disconnected",
            actor=actor,
            subject=key.tenant.audit_subject,
            app=key.app.highlevel_id,
            kinds=kinds,
            changed=audit.changes(before, _shown(register.find(key.app, key.tenant))),
        )
    return kinds


def _what_instead(row: Installation | None) -> str:
    """What an operator does who wants to disconnect a tenant without an entered token."""
    if row is None or row.status == Status.UNINSTALLED:
        return "`manage.py status` lists what is connected"
    return "it has installed the app, so it disconnects by uninstalling it in HighLevel"


def _shown(row: Installation | None) -> dict[str, str | None]:
    """What the audit trail shows of an installation before and after."""
    return {} if row is None else {"status": row.status, "kind": row.kind}


def _target(key: CredentialKey) -> InstallTarget:
    if key.tenant.user_type == UserType.COMPANY:
        return register.company_target(key.app, key.tenant.id)
    return register.location_target(key.app, key.tenant.id, company_id=None)


def _works_with_more(row: Installation, kind: str) -> bool:
    """Whether a live installation works with API 2.0, and a token of this kind opens API 1.0 only."""
    return row.abilities.api == CredentialApi.TWO and abilities(kind).api == CredentialApi.ONE


def _installed(target: InstallTarget, kind: CredentialKind, *, actor: str, now: datetime) -> Installation:
    notice = InstallNotice(TimedNotice(Kind.GRANT, now), Origin.OPERATOR, Status.INSTALLED, kind=kind, claimant=actor)
    row, _ = register.installed(target, notice)
    assert row is not None, "a token that works always counts"
    return row
