"""From a grant to an installation: rows, sealed tokens and the first reconcile, in one transaction.

A code is spent once. When the database is lost after that, the grant goes to the spool and the sweep completes the
installation; the user reads that it is being finished. Of two who complete the same installation one waits for the
other: a spooled grant that is committed twice would overwrite the pair that a refresh got in between.
"""

from __future__ import annotations

from datetime import datetime

from django.db import Error as AnyDatabaseError
from django.db import connection, transaction

from integrations.core import audit
from integrations.core.errors import InstallPending, PayloadAnomalous, VendorAnswer
from integrations.highlevel.oauth.grants import Grant
from integrations.installs import register
from integrations.installs.register import Origin, Statement, Status, Target
from integrations.tenants.models import App, Installation
from integrations.tokens import store
from integrations.tokens.models import CredentialKey
from integrations.tokens.spool import spool
from integrations.tokens.spool.spool import Entry
from integrations.vault.seal import Binding

KIND = "install"


def complete_or_keep(app: App, grant: Grant, *, origin: str, claimant: str, now: datetime) -> Installation:
    """As `complete`; raises InstallPending when the grant went to the spool, StoreUnavailable when it is lost."""
    try:
        return complete(app, grant, origin=origin, claimant=claimant, now=now)
    except AnyDatabaseError as error:
        if connection.in_atomic_block:
            raise
        connection.close()
        spool.keep(KIND, grant, _binding(app.client_id), at=now, client=app.client_id, origin=origin, claimant=claimant)
        raise InstallPending("the installation is being finished", retry_after=10.0) from error


def finish(entry: Entry) -> None:
    """Complete an installation from the spool, unless something newer is known of it: then it has had its time."""
    facts = entry.facts
    app = App.objects.get(client_id=facts["client"])
    grant = entry.grant(_binding(app.client_id))
    with transaction.atomic():
        _wait_turn(app, grant)
        target = _target(app, grant)
        if not _is_outdated(target, entry.at):
            complete(app, grant, origin=facts["origin"], claimant=facts["claimant"], now=entry.at)
            return
        # Its grant was opened to learn whose it is.
        audit.record(
            "install.outdated",
            actor="system",
            subject=target.tenant.audit_subject,
            app=app.highlevel_id,
            at=entry.at.isoformat(),
        )


def complete(app: App, grant: Grant, *, origin: str, claimant: str, now: datetime) -> Installation:
    """Keep what the code brought. `claimant` is empty for an install that nobody here has proved to belong to."""
    with transaction.atomic():
        _wait_turn(app, grant)
        said = Statement(at=now, origin=origin, status=Status.INSTALLED, claimant=claimant, facts=_facts(grant))
        row = register.installed(_target(app, grant), said)
        store.put(CredentialKey(app, row.tenant), grant, now=now)
        Installation.objects.filter(pk=row.pk).update(reconcile_due_at=now)
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


def _wait_turn(app: App, grant: Grant) -> None:
    """Be the only one, until this transaction's end, who completes this installation; before any row is locked."""
    whose = f"install:{app.pk}:{grant.user_type}:{grant.company_id}:{grant.location_id}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [whose])


def _is_outdated(target: Target, at: datetime) -> bool:
    """Whether it was uninstalled or installed again since. A refresh since then renewed the old grant, not this one."""
    row = register.find(target.app, target.tenant)
    if row is not None and row.status == Status.UNINSTALLED and row.status_at >= at:
        return True
    token = store.find(CredentialKey(target.app, target.tenant))
    return token is not None and token.granted_at is not None and token.granted_at >= at


def _binding(client_id: str) -> Binding:
    """Whose installation it is stands inside, so only the app is outside. Generation 0: no row has it yet."""
    return Binding(owner=("install", client_id), field="spooled", generation=0)


def _target(app: App, grant: Grant) -> Target:
    if grant.user_type == "Company" and grant.company_id:
        return register.company_target(app, grant.company_id)
    if grant.user_type == "Location" and grant.location_id:
        return register.location_target(app, grant.location_id, company_id=grant.company_id)
    raise PayloadAnomalous(
        f"a {grant.user_type} token came without the id it speaks for", vendor=VendorAnswer(trace_id=grant.trace_id)
    )


def _facts(grant: Grant) -> dict[str, object]:
    return {
        "is_bulk": grant.is_bulk,
        "install_to_future": grant.install_to_future,
        "version_id": grant.version_id,
        "plan_id": grant.plan_id,
        "installer_id": grant.user_id,
    }


def origin_of(state: str | None) -> str:
    """Where an install came from: our page sends a state, the marketplace none (FACTS section 2)."""
    return Origin.APP if state else Origin.MARKETPLACE
