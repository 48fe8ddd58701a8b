"""Operators of each role, and an agency whose rows hold personal data in every column that can."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.template.response import SimpleTemplateResponse
from django.test import Client

from integrations.core import audit, clock
from integrations.core.models import BulkAction
from integrations.core.tenant import UserType
from integrations.exports.models import Export, ExportPart
from integrations.exports.models import Run as ExportRun
from integrations.gateway.models import Call
from integrations.jobs.models import JobState, Schedule, Trigger, Write
from integrations.jobs.models import Run as JobRun
from integrations.modules.models import TriggerSubscription
from integrations.operators import roles
from integrations.operators.sign_in import back_off
from integrations.outbox.models import Entry, TenantOutbox
from integrations.privacy.models import Purge
from integrations.problems.models import Problem
from integrations.quota.models import Parked
from integrations.quota.request_limits import RequestLimit
from integrations.sync.models import Plan, Record, Run
from integrations.tenants.app_version import AppVersion
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import Installation
from integrations.tokens.models import Credential
from integrations.upserts.models import Upsert, UpsertRow
from integrations.webhooks.models import Answers, Event, FailedAttempt, Mailbox
from tests.console.conftest import LOCATION, OTHER
from tests.console.conftest import agency as agency
from tests.console.conftest import app as app

NAME, EMAIL, PHONE, BODY = "Ann Canary", "ann.canary@example.com", "+1 555 010 7788", "I will be late for my treatment"
BIRTH = "1971-02-28"
PERSONAL = (NAME, EMAIL, PHONE, BODY, BIRTH)
PROSE = f"duplicate of {EMAIL}, call {PHONE}"
JSON = {"id": "c1", "type": "ContactCreate", "firstName": NAME, "email": EMAIL, "phone": PHONE, "body": BODY}
JSON |= {"dateOfBirth": BIRTH, "birthDate": f"{BIRTH}T00:00:00Z", "additional": [{"date_of_birth": BIRTH}]}
NOBODY = "nobody"
SignIn = Callable[[str], Client]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """All tests sign in from one address within a minute; `tests/console/test_rate_limits.py` has the limit."""
    monkeypatch.setattr(back_off, "SIGN_INS", RequestLimit("sign-in", 1_000_000))


@pytest.fixture
def sign_in(db: None) -> SignIn:
    """Clients of operators by role; `nobody` is staff without a role."""

    def sign_in(role: str) -> Client:
        user = User.objects.create_user(f"the-{role}", password="a long enough password", is_staff=True)
        if role != NOBODY:
            user.groups.add(roles.of(role))
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages decide what they show and do not render it, nor log a refusal with its traceback: both take long."""
    monkeypatch.setattr(SimpleTemplateResponse, "rendered_content", "")
    monkeypatch.setattr(logging.getLogger("django.request"), "disabled", True)


@pytest.fixture
def people(agency: Installation) -> dict[str, Any]:
    """A row of each model with a page, with personal data where it can have any. By the model's label."""
    now, app = clock.now(), agency.app
    Installation.objects.filter(pk=agency.pk).update(
        installer={"companyEmail": EMAIL, "companyOwnerFullName": NAME}, version_id="v1"
    )
    version = AppVersion.objects.create(app=app, version_id="v1", entered_at=now, created_at=now)
    plan = Plan.objects.get(location_id=LOCATION)
    Record.objects.filter(location_id=LOCATION).update(payload=JSON)
    failed = {"error_code": "request_rejected", "error": PROSE, "vendor_answer": {"body": JSON, "message": PROSE}}
    ended = failed | {"status": "failed", "started_at": now, "finished_at": now, "due_at": now}
    run = Run.objects.create(plan=plan, kind=Run.Kind.FULL, checkpoint={"after": [EMAIL]}, **ended)
    schedule = Schedule.objects.create(app=app, job="a.job", level="Location", tenant_id=LOCATION, created_at=now)
    job_run = JobRun.objects.create(schedule=schedule, note=PROSE, checkpoint={"contact": JSON}, **ended)
    box = Mailbox.objects.create(app=app, tenant=f"location:{LOCATION}", due_at=now)
    moments = {"occurred_at": now, "received_at": now, "due_at": now}
    event = Event.objects.create(
        app=app,
        mailbox=box,
        webhook_id="w1",
        type="ContactCreate",
        payload=JSON,
        status="poisoned",
        error_code="request_rejected",
        error=PROSE,
        **moments,
    )
    FailedAttempt.objects.create(
        event=event, number=1, at=now, **{name: failed[name] for name in ("error_code", "error", "vendor_answer")}
    )
    what = InstallationChange.What.WHITE_LABEL
    change = agency.changes.create(
        generation=1, what=what, at=now, recorded_at=now, old=None, new={"owner": NAME, "email": EMAIL, "phone": PHONE}
    )
    write = Write.objects.create(
        schedule=schedule,
        run=job_run,
        key=f"welcome {EMAIL}",
        operation="contacts.create-note",
        request={"body": JSON},
        state="unknown",
        reason=PROSE,
        sent_at=now,
    )
    box_of_calls = TenantOutbox.objects.create(app=app, level="Location", tenant_id=LOCATION, created_at=now)
    entry_of_outbox = Entry.objects.create(
        outbox=box_of_calls,
        entity=EMAIL,
        key=PROSE,
        operation="contacts.create-note",
        lane="events",
        body=JSON,
        state="rejected",
        error=PROSE,
        vendor_answer=failed["vendor_answer"],
        created_at=now,
    )
    trigger = Trigger.objects.create(schedule=schedule, event=event, set_aside_at=now, error_code="x", error=PROSE)
    call = Call.objects.create(
        at=now,
        app=app,
        resource_id=LOCATION,
        operation="contacts.create-contact",
        lane="bulk",
        status=400,
        code="x",
        message=PROSE,
        took_ms=5,
        method="POST",
        path=f"/contacts/{EMAIL}",
        query=[["email", EMAIL], ["q", NAME]],
        body=JSON,
        response={"message": PROSE, "meta": JSON},
    )
    parked = Parked.objects.create(
        key=f"{app.client_id}:{LOCATION}",
        lane="bulk",
        task="a.task",
        kwargs={"note": EMAIL},
        parked_at=now,
        place_at=now,
        due_at=now + timedelta(hours=1),
    )
    Credential.objects.filter(resource_id=OTHER).update(
        last_error=PROSE,
        reason=PROSE,
        failures=1,
        last_error_code="x",
        state="needs_reconnect",
        intent_at=now,
        intent_generation=1,
    )
    entry = audit.record("api.answered_by_hand", actor="operator op", subject="Location:x", name=NAME, note=PROSE)
    purge = Purge.objects.create(
        user_type="Location",
        tenant_id=OTHER,
        requested_by="operator op",
        requested_at=now,
        begins_at=now + timedelta(days=7),
        due_at=now + timedelta(days=7),
    )
    export = Export.objects.create(app=app, resources=["contacts"], form="csv", made_by="operator op", created_at=now)
    export_run = ExportRun.objects.create(export=export, status="complete", due_at=now, started_at=now, finished_at=now)
    ExportPart.objects.create(
        run=export_run, resource="contacts", number=1, rows=1, size=1, expires_at=now + timedelta(days=1)
    )
    upsert = Upsert.objects.create(
        app=app,
        level="Location",
        tenant_id=LOCATION,
        operation="contacts.upsert-contact",
        name=f"of {EMAIL}",
        made_by="operator op",
        created_at=now,
    )
    row = UpsertRow.objects.create(
        upsert=upsert,
        number=1,
        state="unknown",
        sent_at=now,
        settled_at=now,
        error=PROSE,
        vendor_message=PROSE,
        vendor_answer=failed["vendor_answer"],
    )
    rows = [
        upsert,
        row,
        purge,
        export,
        agency,
        app,
        version,
        plan,
        run,
        schedule,
        job_run,
        box,
        event,
        change,
        trigger,
        write,
        box_of_calls,
        entry_of_outbox,
        call,
        parked,
        entry,
        agency.company,
        Record.objects.filter(location_id=LOCATION)[0],
        JobState.objects.create(job="a.job"),
        Problem.objects.create(
            fingerprint="f" * 64,
            kind="sync",
            subject="contacts",
            code="request_rejected",
            words=PROSE,
            first_seen=now,
            last_seen=now,
            opened_at=now,
        ),
        BulkAction.objects.create(
            model="webhooks.event", query=f"q={EMAIL}", note=PROSE, user_id=0, total=1, newest="1", created_at=now
        ),
        Installation.objects.filter(user_type=UserType.LOCATION)[0].location,
        Answers.objects.create(day=now.date()),
        TriggerSubscription.objects.create(
            app=app,
            location_id="loc1",
            key="paid",
            filters=[{"field": "email", "operator": "is", "value": EMAIL}],
            target_url="/",
            subscribed_at=now,
        ),
        Credential.objects.get(resource_id=OTHER),
    ]
    return {row._meta.label: row for row in rows}
