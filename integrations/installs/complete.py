"""Completes an installation from a grant: rows, sealed tokens and the first reconcile task, in one transaction.

An authorization code works once. When the database is lost after the exchange, the grant goes to the spool, the user's
page says that the installation is being finished, and the task `installs.sweep` completes it. A lock serializes workers
that complete the same installation: committing a spooled grant twice would overwrite tokens that a refresh got in
between.
"""

from __future__ import annotations

from datetime import datetime

from django.db import Error as AnyDatabaseError
from django.db import connection, transaction

from integrations.core import audit, clock
from integrations.core.errors import InstallPending, PayloadAnomalous, VendorAnswer
from integrations.highlevel.oauth.grants import Grant
from integrations.installs import register
from integrations.installs.decide import Kind, TimedNotice
from integrations.installs.register import Doubt, InstallNotice, InstallTarget, Origin, Status
from integrations.tenants.models import App, Installation
from integrations.tokens import store
from integrations.tokens.models import CredentialKey
from integrations.tokens.spool import spool
from integrations.tokens.spool.spool import SpooledGrant
from integrations.vault.seal import Binding

KIND = "install"


def complete_or_spool(app: App, grant: Grant, *, origin: str, claimant: str, now: datetime) -> Installation:
    """As `complete`. Raises InstallPending when the grant went to the spool, StoreUnavailable when it is lost."""
    try:
        return complete(app, grant, origin=origin, claimant=claimant, now=now)
    except AnyDatabaseError as error:
        if connection.in_atomic_block:
            raise
        connection.close()
        spool.keep(KIND, grant, _binding(app), at=now, client=app.client_id, origin=origin, claimant=claimant)
        raise InstallPending("the installation is being finished", retry_after=10.0) from error


def complete_spooled(entry: SpooledGrant) -> None:
    """Complete an installation from a spool entry, unless it was uninstalled or installed again since."""
    facts = entry.facts
    app = App.objects.get(client_id=facts["client"])
    grant = entry.grant(app, _binding(app))
    with transaction.atomic():
        _lock_installation(app, grant)
        target = _target(app, grant, None)
        if not _is_outdated(target, entry.at):
            row = complete(app, grant, origin=facts["origin"], claimant=facts["claimant"], now=entry.at)
            # An UNINSTALL may have been handled since, by a clock behind ours.
            Installation.objects.filter(pk=row.pk).ask_vendor(Doubt.EVENT, now=clock.now())
            return
        # Every opening of a sealed grant leaves an audit entry; this one was opened to read its tenant.
        audit.record(
            "install.outdated",
            actor="system",
            subject=target.tenant.audit_subject,
            app=app.highlevel_id,
            at=entry.at.isoformat(),
        )


def complete(app: App, grant: Grant, *, origin: str, claimant: str, now: datetime) -> Installation:
    """Store the installation and its tokens. `claimant` is empty when the install stays unclaimed."""
    with transaction.atomic():
        _lock_installation(app, grant)
        notice = InstallNotice(
            TimedNotice(Kind.GRANT, now), origin, Status.INSTALLED, claimant=claimant, details=_details(grant)
        )
        row, _ = register.installed(_target(app, grant, now), notice)
        assert row is not None, "a grant always counts"
        store.save_grant(CredentialKey(app, row.tenant), grant, now=now)
        Installation.objects.filter(pk=row.pk).reconcile_at(now)
        audit.record(
            "install.completed",
            actor=claimant or "marketplace",
            subject=row.tenant.audit_subject,
            app=app.highlevel_id,
            origin=origin,
            generation=row.generation,
            bulk=row.is_bulk,
        )
    return row


def _lock_installation(app: App, grant: Grant) -> None:
    """Take the lock of this installation until the transaction ends. Call it before any row is locked."""
    name = f"install:{app.pk}:{grant.user_type}:{grant.company_id}:{grant.location_id}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def _is_outdated(target: InstallTarget, at: datetime) -> bool:
    """Whether the target was uninstalled or installed again since `at`. Refreshes since then do not count."""
    row = register.find(target.app, target.tenant)
    if row is not None and row.status == Status.UNINSTALLED and row.status_at >= at:
        return True
    token = store.find(CredentialKey(target.app, target.tenant))
    return token is not None and token.granted_at is not None and token.granted_at >= at


def _binding(app: App) -> Binding:
    """The binding of a spooled grant: the app only, because the tenant is inside. Generation 0: no row has it yet."""
    return Binding(owner=("install", app.client_id), field="spooled", generation=0, address=app.api_url)


def _target(app: App, grant: Grant, at: datetime | None) -> InstallTarget:
    if grant.user_type == "Company" and grant.company_id:
        return register.company_target(app, grant.company_id)
    if grant.user_type == "Location" and grant.location_id:
        return register.location_target(app, grant.location_id, company_id=grant.company_id, at=at)
    raise PayloadAnomalous(
        f"a {grant.user_type} token came without the id of its tenant", vendor=VendorAnswer(trace_id=grant.trace_id)
    )


def _details(grant: Grant) -> dict[str, object]:
    return {
        "is_bulk": grant.is_bulk,
        "install_to_future": grant.install_to_future,
        "version_id": grant.version_id,
        "plan_id": grant.plan_id,
        "installer_id": grant.user_id,
    }


def origin_of(state: str | None) -> str:
    """The origin of an install: our page sends a state, the marketplace does not (FACTS section 2)."""
    return Origin.APP if state else Origin.MARKETPLACE
