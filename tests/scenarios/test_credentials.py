"""Every kind of credential does the whole job: connect, sync, job, webhook, quota page, disconnect.

A v2 app, a v3 app, a private integration token and an API 1.0 key, each of a location and of a company, walk the same
way against the sandbox. They differ in how the tenant is connected and disconnected, and in how a job calls.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client

from integrations.console.embed import tenant_state
from integrations.console.embed.sso_session import EmbeddedUser
from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.tenant import UserType
from integrations.installs import reconcile
from integrations.jobs.job_run import JobRun
from integrations.sync import plans, queries
from integrations.sync.models import Record
from integrations.sync.resources import RESOURCES
from integrations.tenants import marketplace
from integrations.tenants.models import App, Installation, Location
from integrations.tokens.models import Credential
from integrations.webhooks import mailbox
from integrations.webhooks.models import Mailbox
from tests.installs.conftest import set_up
from tests.installs.journey import Browser
from tests.jobs.conftest import ask, defined, no_other_jobs, turn
from tests.plugin.vendor import SCOPES, Vendor, run_vendor
from tests.sync.test_sandbox import run_all
from tests.webhooks.conftest import VENDOR_PEM, sign

__all__ = ["defined", "no_other_jobs"]

CONTACTS = 110  # two pages
_seeds = itertools.count(9_000)


@dataclass(frozen=True)
class Case:
    """One credential: `kind` as the installation names it, `dialect` of the app, `level` of the tenant."""

    kind: str
    dialect: str
    level: str

    @property
    def name(self) -> str:
        return f"{self.kind} {self.dialect} {self.level}"


CASES = [
    *(Case("oauth", dialect, level) for dialect in ("v2", "v3") for level in ("location", "company")),
    *(Case("private", dialect, "location") for dialect in ("v2", "v3")),
    Case("private", "v2", "company"),
    *(Case("key", "v2", level) for level in ("location", "company")),
]


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    yield from run_vendor(contacts=CONTACTS, locations=1, seed=next(_seeds))


@pytest.fixture
def app(settings: Any, vendor: Vendor, db: None, clean_redis: Any) -> App:
    settings.HIGHLEVEL_API_1_URL = f"{vendor.url}/v1"
    settings.HIGHLEVEL_WEBHOOK_KEYS = [VENDOR_PEM]
    app = set_up(settings, vendor)
    settings.HIGHLEVEL_SCOPES = [*SCOPES.split(), "calendars.readonly", "companies.readonly"]
    marketplace.reset()
    return marketplace.default() or app


def connect(case: Case, app: App, vendor: Vendor, browser: Client, monkeypatch: pytest.MonkeyPatch) -> Installation:
    tenant = vendor.company if case.level == "company" else vendor.locations[0]
    App.objects.filter(pk=app.pk).update(dialect=case.dialect)
    if case.kind == "oauth":
        Browser(browser, vendor).install(None if case.level == "company" else tenant)
    else:
        token = vendor.post("/sandbox/tokens", {"kind": case.kind, "account": tenant})["token"]
        monkeypatch.setattr("sys.stdin", io.StringIO(token))
        spoken = {"private": "private", "key": "api1"}[case.kind]
        call_command("connect", f"--{case.level}", tenant, "--kind", spoken, stdout=io.StringIO())
    return Installation.objects.select_related("app").get(resource_id=tenant)


def synced_location(row: Installation) -> None:
    """All resources of a location arrive, whichever API lists them."""
    assert plans.make(row.app_id, row.resource_id) == len(RESOURCES)
    done = run_all()
    assert {name: (run.status, run.error) for name, run in done.items()} == dict.fromkeys(RESOURCES, ("complete", ""))
    assert done["contacts"].seen == CONTACTS
    assert all(run.seen for run in done.values()), {name: run.seen for name, run in done.items()}


def look(run: JobRun) -> None:
    """A job that reads with the tenant's own credential: by the typed client, or by path in API 1.0."""
    if Installation.objects.get(resource_id=run.location or run.company).api_name == "1.0":
        with pytest.raises(BadRequest, match=r"connected by an API 1\.0 key"):
            run.api.call("locations.search-locations")
        path, rows = ("/contacts/", "contacts") if run.location else ("/locations/", "locations")
        run.count("seen", len(run.api.call(f"GET {path}", version="1.0").json[rows]))
    elif run.location:
        for _ in run.each(run.api.contacts.search_contacts_advanced_pages(body={"pageLimit": 100})):
            run.count("seen")
    else:
        assert run.api.companies.get_company(companyId=run.company).json["company"]
        run.count("seen")


def changed_by_webhook(row: Installation, browser: Client) -> None:
    record = Record.objects.filter(resource="contacts").order_by("pk").first()
    assert record is not None
    body = {
        "type": "ContactUpdate",
        "appId": row.app.highlevel_id,
        "locationId": row.resource_id,
        "id": record.record_id,
        "firstName": "By webhook",
        "webhookId": "00000000-0000-4000-8000-000000000001",
        "timestamp": clock.now().isoformat(),
    }
    raw = json.dumps(body).encode()
    headers = {"X-GHL-Signature": sign(raw)}
    answer = browser.post("/webhooks/", raw, content_type="application/json", headers=headers)
    assert answer.status_code == 200
    for box in Mailbox.objects.all():
        mailbox.drain(box.pk)
    record.refresh_from_db()
    assert record.payload["firstName"] == "By webhook"


def shown(row: Installation, browser: Client) -> None:
    """Quota page, list of installations, the agency's page, and health."""
    browser.force_login(get_user_model().objects.create_superuser("root", password="a-long-password-1"))
    key = row.tenant.quota_key(row.quota_app)
    quota = browser.get(f"/admin/quota/usage/resource/{key}/").content.decode()
    assert row.resource_id in quota
    listed = browser.get("/admin/tenants/installation/").content.decode()
    assert row.get_kind_display() in listed
    company = row.resource_id if row.user_type == UserType.COMPANY else ""
    location = row.resource_id if row.user_type == UserType.LOCATION else ""
    user = EmbeddedUser(row.app_id, company, location, "u", is_admin=True, is_agency=not location)
    state = tenant_state.state(user)
    assert (state["installed"], state["claimed"], state["connection"]) == (True, True, "connected")
    out = io.StringIO()
    call_command("status", "--json", stdout=out)
    assert json.loads(out.getvalue())["in_need"] == []


def lists_its_locations(row: Installation, vendor: Vendor, browser: Client) -> None:
    """An entered token of an agency registers the locations, and connects none."""
    assert set(Location.objects.filter(company_id=row.resource_id).values_list("pk", flat=True)) == set(
        vendor.locations
    )
    assert all(Location.objects.values_list("name", flat=True))
    assert not Installation.objects.locations().exists()
    page = browser.get(f"/admin/tenants/installation/{row.pk}/change/").content.decode()
    assert f"{len(vendor.locations)} known, 0 connected: each needs a token of its own" in page


def disconnect(case: Case, row: Installation, browser: Client) -> None:
    if case.kind == "oauth":
        ids = {f"{case.level}Id": row.resource_id}
        body = {"type": "UNINSTALL", "appId": row.app.highlevel_id, **ids, "webhookId": "w2"}
        raw = json.dumps({**body, "timestamp": clock.now().isoformat()}).encode()
        headers = {"X-GHL-Signature": sign(raw)}
        assert browser.post("/webhooks/", raw, content_type="application/json", headers=headers).status_code == 200
        for box in Mailbox.objects.all():
            mailbox.drain(box.pk)
    else:
        call_command("disconnect", f"--{case.level}", row.resource_id, stdout=io.StringIO())
    row.refresh_from_db()
    assert row.status == Installation.Status.UNINSTALLED
    assert Credential.objects.get(resource_id=row.resource_id).state == Credential.State.REVOKED
    plans.delete_plans(row.app_id, row.resource_id)
    assert not Record.objects.filter(location_id=row.resource_id).exists()
    assert queries.progress(row.app.plans.all()) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_credential_does_the_whole_job(
    case: Case, app: App, vendor: Vendor, client: Client, defined: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = connect(case, app, vendor, client, monkeypatch)
    assert (row.status, row.kind, row.api_name) == ("installed", case.kind, {"key": "1.0"}.get(case.kind, case.dialect))
    reconcile.reconcile(row.pk)
    row.refresh_from_db()
    if case.level == "location":
        synced_location(row)
    run = turn(ask(defined(look, level=UserType(row.user_type)), row.resource_id))
    assert (run.status, run.error) == ("complete", "")
    assert run.counts["seen"] > 0
    if case.level == "location" and case.kind == "oauth":
        changed_by_webhook(row, client)
    shown(row, client)
    if case.level == "company" and case.kind != "oauth":
        lists_its_locations(row, vendor, client)
    disconnect(case, row, client)
