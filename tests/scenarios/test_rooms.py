"""The rooms that call HighLevel or work on its copy, each by an app of API 2.0 and one of v3, at the sandbox over HTTP.

What a room did is read back in API 2.0, so that both dialects are judged by the same answers.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from integrations.core import clock
from integrations.core.tenant import Tenant
from integrations.exports import asking
from integrations.exports.asking import ExportRequest
from integrations.gateway import client
from integrations.gateway.for_tenant import tenant_api
from integrations.modules import module_keys, triggers
from integrations.outbox import outbox
from integrations.outbox import runs as outbox_runs
from integrations.outbox.models import Entry, TenantOutbox
from integrations.outbox.models import Run as OutboxRun
from integrations.privacy import purge_requests
from integrations.sync import plans
from integrations.sync.models import Plan, Record
from integrations.tenants.models import App
from integrations.upserts import bulk_upsert
from integrations.webhooks import mailbox
from integrations.webhooks.models import Event
from tests.exports.conftest import content
from tests.exports.conftest import work as export_work
from tests.jobs.conftest import location
from tests.plugin.vendor import SCOPES, Vendor, make_app, run_vendor
from tests.privacy.conftest import work as purge_work
from tests.sync.resources.test_sandbox import run_all
from tests.upserts.conftest import Loader, states

__all__ = ["location"]

CONTACTS = 12
_seeds = itertools.count(17_000)
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.parametrize("app", ["v2", "v3"], indirect=True)]


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    yield from run_vendor(contacts=CONTACTS, locations=1, seed=next(_seeds))


@pytest.fixture
def app(request: pytest.FixtureRequest, vendor: Vendor, db: None, clean_redis: Any) -> App:
    row = make_app(vendor)
    row.dialect = request.param
    row.scopes = f"{SCOPES} locations/customFields.readonly workflows.readonly"
    row.save()
    return row


def asked(app: App, location: str, operation: str, **params: str) -> Any:
    """HighLevel's answer in API 2.0, whatever the app speaks."""
    return client.call(operation, app=app, location=location, params=params, version="v2").json


def synced(app: App, location: str) -> dict[str, Record]:
    """The copy of the contacts after a run that reads everything."""
    now = clock.now()
    Plan.objects.get_or_create(app=app, location_id=location, resource="contacts", defaults={"created_at": now})
    plans.request_runs(app.plans.all(), now, full=True)
    plans.start_due(clock.now())
    assert [(run.status, run.error) for run in run_all().values()] == [("complete", "")]
    return {row.record_id: row for row in Record.objects.filter(resource="contacts", deleted_at=None)}


def test_an_upsert_writes_a_custom_field(app: App, location: str, vendor: Vendor) -> None:
    listed = asked(app, location, "locations.get-custom-fields", locationId=location, model="contact")["customFields"]
    field = next(one for one in listed if one["dataType"] == "TEXT")
    loader = Loader(app, location, vendor)
    upsert = loader.start([{"email": "ann@rooms.example", f"customFields.{field['id']}": "by the upsert"}])
    assert (loader.finish(upsert).status, states(upsert)) == ("complete", ["done"])
    (result,) = bulk_upsert.results(upsert)
    kept = asked(app, location, "contacts.get-contact", contactId=result.id)["contact"]["customFields"]
    assert {one["id"]: one["value"] for one in kept}[field["id"]] == "by the upsert"
    loader.finish(loader.start([{"email": "ann@rooms.example", f"customFields.{field['id']}": "by the second"}]))
    kept = asked(app, location, "contacts.get-contact", contactId=result.id)["contact"]["customFields"]
    assert {one["id"]: one["value"] for one in kept}[field["id"]] == "by the second"


def test_an_entry_is_sent_if_the_record_is_as_expected(app: App, location: str) -> None:
    contact = next(iter(synced(app, location)))

    def put(key: str, company: str, expected: str | None) -> str:
        entry = outbox.put(
            "contacts.update-contact",
            app=app,
            location=location,
            entity=contact,
            key=key,
            params={"contactId": contact},
            body={"companyName": company},
            expected={"companyName": expected},
        )
        TenantOutbox.objects.update(due_at=clock.now())
        outbox_runs.start_due(clock.now())
        run = OutboxRun.objects.latest("pk")
        OutboxRun.objects.filter(pk=run.pk).update(due_at=clock.now() - timedelta(seconds=1))
        outbox_runs.advance(run.pk)
        return Entry.objects.get(pk=entry.pk).state

    def company() -> Any:
        return asked(app, location, "contacts.get-contact", contactId=contact)["contact"].get("companyName")

    before = company()
    assert (put("one", "First", before), company()) == ("done", "First")
    assert (put("two", "Second", before), company()) == ("conflict", "First"), "somebody has changed it"
    assert Entry.objects.get(key="two").found == {"companyName": "First"}


def test_an_export_has_what_was_synced(app: App, location: str) -> None:
    known = synced(app, location)
    assert len(known) == CONTACTS
    request = ExportRequest(app=app, resources=["contacts"], form="jsonl", locations=[location])
    run = export_work(asking.ask(request, clock.now(), actor="operator ann"))
    assert (run.status, run.rows) == ("complete", CONTACTS)
    rows = [json.loads(line) for line in content(run, "contacts").decode().splitlines()]
    assert {row["id"] for row in rows} == set(known)
    assert all(row["email"] == known[row["id"]].payload["email"] for row in rows)


def test_a_purged_contact_is_not_brought_back_by_the_next_run(app: App, location: str) -> None:
    known = synced(app, location)
    gone = next(iter(known))
    purge = purge_work(purge_requests.request(Tenant.location(location), actor="operator ann", contact=gone))
    assert purge.status == "complete"
    assert not Record.objects.filter(record_id=gone).exists()
    assert synced(app, location).keys() == known.keys() - {gone}
    assert asked(app, location, "contacts.get-contact", contactId=gone)["contact"]["id"] == gone, "at HighLevel it is"


def test_a_trigger_is_fired(app: App, location: str, vendor: Vendor, live_server: LiveServer) -> None:
    key = module_keys.make(app, now=clock.now(), by="the test").reveal()
    url = f"{live_server.url}/modules/{app.highlevel_id}/trigger/paid/"
    body = {"kind": "trigger", "url": url, "location": location, "key": "paid", "workflow": "wf1", "event": "CREATED"}
    played = vendor.post("/sandbox/modules", {**body, "headers": {module_keys.HEADER: key}})
    assert played["status"] == 200
    mailbox.drain(Event.objects.get().mailbox_id)
    assert triggers.fire(tenant_api(app, Tenant.location(location)), "paid", {"amount": 12}) == 1
    fired = [(one["workflow_id"], one["body"]) for one in vendor.get("/sandbox/modules")["fired"]]
    assert fired == [("wf1", {"amount": 12})]
