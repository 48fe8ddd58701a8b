"""Locations and an agency with something in every table, so that a purge has something of each kind to delete."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis
from pytest_django import Settings

from integrations.core import clock
from integrations.core.secret import Secret
from integrations.core.tenant import Tenant, UserType, quota_key
from integrations.exports.models import Export, ExportChunk, ExportPart
from integrations.exports.models import Run as ExportRun
from integrations.gateway.models import Call
from integrations.gateway.models import Usage as ApiUsage
from integrations.highlevel.oauth.grants import Grant
from integrations.installs.models import EmbeddedVisit, InstallState
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Schedule, Trigger, Write
from integrations.modules.models import TriggerSubscription
from integrations.outbox.models import Entry, TenantOutbox
from integrations.outbox.models import Run as OutboxRun
from integrations.privacy import purge_mac, purge_run
from integrations.privacy.models import Purge
from integrations.problems.models import AffectedTenant, Problem
from integrations.quota.models import Parked
from integrations.quota.models import Usage as LaneUsage
from integrations.quota.permits import scripts
from integrations.sync.models import ChosenVariant, HistoryEntry, Plan, Record, RecordKey
from integrations.sync.models import Run as SyncRun
from integrations.tenants import marketplace
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import App, Company, Installation, Location
from integrations.tenants.tenant_note import TenantNote
from integrations.tokens.models import Credential
from integrations.tokens.spool import spool
from integrations.upserts import upsert_key
from integrations.upserts.models import Run as UpsertRun
from integrations.upserts.models import Upsert, UpsertRow
from integrations.upserts.upsert_key import RowContent
from integrations.vault.seal import Binding
from integrations.webhooks.models import Event, FailedAttempt, Mailbox

AGENCY, ANN_PLACE, BOB_PLACE = "agency8hVZ0q2LkXw3Nn", "annsPlace7Qk2LmXv9Rt", "bobsPlace5Tz8WcYb1Pd"
ANN = {"id": "annContact4Kd9sQ2mXz", "email": "ann@planted.example", "phone": "+15125550199", "name": "Ann Planted"}
EVE = {"id": "eveContact8Wq1xB6nYc", "email": "eve@planted.example", "phone": "+15125550111", "name": "Eve Planted"}
_NUMBERS = count()


@pytest.fixture
def app(db: None) -> App:
    return marketplace.default()


@pytest.fixture
def planted(app: App, clean_redis: redis.Redis, settings: Settings, tmp_path: Path) -> App:
    """An agency with two locations, each with rows in every table. Only Ann's location has uninstalled the app."""
    settings.SPOOL_DIR, now = str(tmp_path / "spool"), clock.now()
    company = Company.objects.create(id=AGENCY, name="Planted Agency", created_at=now)
    plant(app, Tenant.company(AGENCY), company)
    for place in (ANN_PLACE, BOB_PLACE):
        plant(app, Tenant.location(place), company)
    Installation.objects.exclude(resource_id=ANN_PLACE).update(status="installed")
    return app


def plant_export(app: App, location_id: str) -> None:
    """A file of the location's records, which has Ann's address."""
    now = clock.now()
    export = Export.objects.create(
        app=app, resources=["contacts"], locations=[location_id], form="csv", made_by="operator ann", created_at=now
    )
    run = ExportRun.objects.create(export=export, status="complete", due_at=now, started_at=now, finished_at=now)
    part = ExportPart.objects.create(run=run, resource="contacts", number=1, rows=1, size=1, expires_at=now)
    ExportChunk.objects.create(part=part, number=0, data=ANN["email"].encode())


def plant_upsert(app: App, tenant: Tenant) -> None:
    """An upsert of which one row waits, with Ann's address in it, and one wrote her record."""
    now, person = clock.now(), {"email": ANN["email"]}
    upsert = Upsert(app=app, level=tenant.user_type, tenant_id=tenant.id, operation="contacts.upsert-contact")
    upsert.created_at = now
    cipher = upsert_key.make(upsert)
    upsert.save()
    UpsertRun.objects.create(upsert=upsert, status="complete", due_at=now, started_at=now, finished_at=now)
    body = cipher.encrypted(1, RowContent({}, person), may_be_sent=True)
    UpsertRow.objects.create(upsert=upsert, number=1, body=body)
    UpsertRow.objects.create(upsert=upsert, number=2, state="done", record_id=ANN["id"], settled_at=now)
    other = cipher.encrypted(3, RowContent({}, {"email": EVE["email"]}), may_be_sent=True)
    UpsertRow.objects.create(upsert=upsert, number=3, body=other)


def plant(app: App, tenant: Tenant, company: Company) -> None:
    """Something of this tenant in every table, in Redis and in the spool."""
    now, of_location = clock.now(), tenant.user_type == UserType.LOCATION
    place = (
        Location.objects.create(id=tenant.id, company=company, name=f"Place {tenant.id}", created_at=now)
        if of_location
        else None
    )
    row = Installation.objects.create(
        app=app,
        user_type=tenant.user_type,
        resource_id=tenant.id,
        company=company,
        location=place,
        status=Installation.Status.UNINSTALLED,
        origin=Installation.Origin.BULK,
        installer={"email": "owner@planted.example"},
        installer_id="installer1",
        status_at=now,
        created_at=now,
    )
    InstallationChange.objects.create(
        installation=row, generation=1, what="renamed", at=now, old="Old", new=f"Place {tenant.id}", recorded_at=now
    )
    TenantNote.objects.create(
        level=tenant.user_type, tenant_id=tenant.id, text=f"call {ANN['email']}", made_by="operator op", created_at=now
    )
    EmbeddedVisit.objects.create(
        app=app, level=tenant.user_type, tenant_id=tenant.id, user_id="user1", first_at=now, last_at=now
    )
    InstallState.objects.create(
        digest=tenant.id.encode(), browser=b"b", app=app, installation=row, created_at=now, expires_at=now
    )
    Credential.objects.create(
        app=app, user_type=tenant.user_type, resource_id=tenant.id, company_id=AGENCY, state="revoked", created_at=now
    )
    resource = "contacts" if of_location else "company_users"
    plan = Plan.objects.create(app=app, location_id=tenant.id, resource=resource, created_at=now)
    ChosenVariant.objects.create(app=app, location_id=tenant.id, resource=resource, name="vips")
    plant_export(app, tenant.id)
    RecordKey.objects.create(location_id=tenant.id, sealed=b"sealed", created_at=now)
    SyncRun.objects.create(plan=plan, kind="full", status="complete", due_at=now, started_at=now, finished_at=now)
    for person in (ANN, EVE):
        keep(app, tenant.id, resource, person["id"], person)
        HistoryEntry.objects.create(
            app=app,
            location_id=tenant.id,
            resource=resource,
            record_id=person["id"],
            at=now,
            what="changed",
            fields={"email": [None, person["email"]]},
            source="listing",
        )
    if of_location:
        deal = {"id": "annsDeal3", "name": "Ann's roof", "contactId": ANN["id"]}
        keep(app, tenant.id, "opportunities", "annsDeal3", deal)
    event = deliver(app, tenant, ANN)
    fail(event, tenant)
    schedule = Schedule.objects.create(
        app=app, job="a.job", level=tenant.user_type, tenant_id=tenant.id, created_at=now
    )
    JobRun.objects.create(
        schedule=schedule, status="failed", due_at=now, started_at=now, finished_at=now, note=f"stopped at {ANN['id']}"
    )
    Trigger.objects.create(schedule=schedule, event=event)
    plant_upsert(app, tenant)
    waits = {"workflow_id": "wf1", "trigger_id": "t1", "key": "paid", "target_url": "https://x.example"}
    TriggerSubscription.objects.create(app=app, location_id=tenant.id, subscribed_at=now, **waits)
    box = TenantOutbox.objects.create(app=app, level=tenant.user_type, tenant_id=tenant.id, created_at=now)
    OutboxRun.objects.create(outbox=box, status="complete", due_at=now, started_at=now, finished_at=now)
    Entry.objects.create(
        outbox=box,
        entity=ANN["id"],
        key="k",
        operation="contacts.create-note",
        lane="events",
        state="done",
        created_at=now,
        settled_at=now,
    )
    Write.objects.create(
        schedule=schedule,
        key="welcome",
        operation="contacts.create-note",
        state="confirmed",
        answer={"json": {"contactId": ANN["id"]}},
        sent_at=now,
        settled_at=now,
    )
    called = {"app": app, "resource_id": tenant.id, "operation": "contacts.get-contact", "lane": "bulk"}
    Call.objects.create(at=now, took_ms=1, method="GET", path=f"/contacts/{ANN['id']}", **called)
    counts = {"calls": 1, "spent": 1, "took_ms": 1, "slowest_ms": 1, "buckets": [1]}
    ApiUsage.objects.create(span=60, at=now, **called, **counts)
    key = quota_key(app.client_id, tenant.id)
    Parked.objects.create(
        key=key, lane="bulk", task="sync.advance", kwargs={"of": tenant.id}, parked_at=now, place_at=now, due_at=now
    )
    LaneUsage.objects.create(key=key, bucket_at=now, lane="bulk", calls=1)
    scripts.client().hset(scripts.keys(key)[1], "day", "5")
    owner = ("credential", str(app.pk), tenant.user_type.value, tenant.id)
    grant = Grant(Secret("planted-access-token"), None, 60, frozenset(), tenant.user_type.value)
    spool.keep("pair", grant, Binding(owner, "spooled", 2, app.api_url), at=now, credential=1)


def fail(event: Event, tenant: Tenant) -> None:
    """A failed attempt of the webhook, a problem of the tenant alone, and one that all tenants have."""
    now = clock.now()
    FailedAttempt.objects.create(event=event, number=1, at=now, error_code="x", error=f"refused {ANN['email']}")
    seen = {"first_seen": now, "last_seen": now}
    for fingerprint in (tenant.id, "of all"):
        values = {"kind": "event", "subject": "ContactUpdate", "tenants": 1, "opened_at": now, **seen}
        problem, _ = Problem.objects.get_or_create(fingerprint=fingerprint, defaults=values)
        AffectedTenant.objects.create(problem=problem, tenant_id=tenant.id, row=event.pk, **seen)


def keep(app: App, place: str, resource: str, record_id: str, payload: dict[str, Any]) -> None:
    now = clock.now()
    Record.objects.create(
        app=app,
        location_id=place,
        resource=resource,
        record_id=record_id,
        payload=payload,
        version_at=now,
        updated_at=now,
    )


def deliver(app: App, tenant: Tenant, person: dict[str, str], *, mailbox: str = "", **fields: Any) -> Event:
    """A settled webhook about the person, in the tenant's mailbox or another one."""
    now = clock.now()
    box, _ = Mailbox.objects.get_or_create(app=app, tenant=mailbox or tenant.mailbox_key)
    payload = {"type": "ContactUpdate", **tenant.request_fields, **person}
    moments = {"occurred_at": now, "received_at": now, "due_at": now}
    values = {
        "webhook_id": f"hook{next(_NUMBERS)}",
        "type": "ContactUpdate",
        "payload": payload,
        "status": "done",
        **moments,
    }
    return Event.objects.create(app=app, mailbox=box, **values | fields)


def work(purge: Purge, turns: int = 10) -> Purge:
    """The turns of a purge, as time and workers would bring them: the waits are skipped."""
    for _ in range(turns):
        if not Purge.objects.filter(pk=purge.pk, due_at__isnull=False).exists():
            break
        past = clock.now() - purge_run.SETTLE
        rows = Purge.objects.filter(pk=purge.pk)
        rows.update(begins_at=past, due_at=past)
        rows.filter(begun_at__isnull=False).update(begun_at=past)
        rows.update(mac=purge_mac.of(rows.get()))
        purge_run.turn(purge.pk)
    purge.refresh_from_db()
    return purge
