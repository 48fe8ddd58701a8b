"""An agency with two locations and all that belongs to it, operators, and user data as the vendor encrypts it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from integrations.core import clock
from integrations.core.secret import Secret
from integrations.core.tenant import UserType
from integrations.sandbox.pages.sso import encrypted
from integrations.sync.models import Plan, Record, Run
from integrations.tenants import marketplace
from integrations.tenants.models import App, Company, Installation, Location
from integrations.tokens import seals
from integrations.tokens.models import Credential
from integrations.vault.seal import seal

COMPANY, LOCATION, OTHER = "cmp1", "loc1", "loc2"
CANARY = "access-token-canary-4f1d"
Sso = Callable[..., str]


@pytest.fixture
def app(db: None) -> App:
    app = marketplace.default()
    app.name = "Northwind Sync"
    app.save()
    return app


@pytest.fixture
def second_app(app: App) -> App:
    """Another app of ours, without a shared secret."""
    return App.objects.create(
        name="Second",
        client_id="second-app",
        highlevel_id="second",
        api_url="http://127.0.0.1:1",
        marketplace_url="http://127.0.0.1:1",
        client_secret_sealed=b"-",
        created_at=clock.now(),
    )


@pytest.fixture
def agency(app: App) -> Installation:
    """A company's bulk install with two locations, all claimed, connected and synced."""
    now = clock.now()
    company = Company.objects.create(id=COMPANY, name="Bright Agency", created_at=now)
    parent = install(app, UserType.COMPANY, COMPANY, company=company, is_bulk=True)
    for location_id in (LOCATION, OTHER):
        location = Location.objects.create(
            id=location_id, company=company, name=f"Studio {location_id}", created_at=now
        )
        install(app, UserType.LOCATION, location_id, company=company, location=location, parent=parent)
        connect(app, location_id)
        plan = Plan.objects.create(app=app, location_id=location_id, resource="contacts", synced_at=now, created_at=now)
        keep(plan, 3)
    return parent


@pytest.fixture
def sso() -> Sso:
    """Encrypted user data of an admin of LOCATION; keywords change or (None) remove fields."""

    def sso(*, secret: str | None = None, **changes: Any) -> str:
        body = {
            "userId": "user1",
            "companyId": COMPANY,
            "role": "admin",
            "type": "location",
            "activeLocation": LOCATION,
        }
        kept = {key: value for key, value in (body | changes).items() if value is not None}
        return encrypted(kept, secret or settings.HIGHLEVEL_SHARED_SECRET)

    return sso


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_superuser("op", "op@example.com", "a-long-operator-password")


@pytest.fixture
def operator_client(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


def install(app: App, user_type: UserType, resource_id: str, **fields: Any) -> Installation:
    now = clock.now()
    values: dict[str, Any] = {
        "status": Installation.Status.INSTALLED,
        "origin": Installation.Origin.BULK,
        "claimed_at": now,
        "claimed_by": "operator op",
        "status_at": now - timedelta(hours=1),
        "created_at": now,
    }
    return Installation.objects.create(app=app, user_type=user_type, resource_id=resource_id, **(values | fields))


def connect(app: App, location_id: str, **fields: Any) -> Credential:
    now = clock.now()
    values: dict[str, Any] = {
        "generation": 1,
        "expires_at": now + timedelta(hours=20),
        "refresh_due_at": now + timedelta(hours=10),
        "created_at": now,
    }
    row = Credential(app=app, user_type=UserType.LOCATION, resource_id=location_id, **(values | fields))
    row.access_sealed = seal(Secret(CANARY), seals.binding(row, seals.ACCESS, row.generation))
    row.save()
    return row


def keep(plan: Plan, count: int) -> None:
    now = clock.now()
    Record.objects.bulk_create(
        Record(
            app=plan.app,
            location_id=plan.location_id,
            resource=plan.resource,
            record_id=f"{plan.pk}-{number}",
            payload={},
            version_at=now,
            updated_at=now,
        )
        for number in range(count)
    )


def begin_run(plan: Plan, **fields: Any) -> Run:
    now = clock.now()
    values: dict[str, Any] = {"kind": Run.Kind.FULL, "seen": 40, "total": 100, "due_at": now, "started_at": now}
    return Run.objects.create(plan=plan, **(values | fields))
