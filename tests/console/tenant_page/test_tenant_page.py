"""The page of one tenant: how it is, why, and what to do; and the links to it from everywhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrations.console.embed import embedded_visits
from integrations.console.embed.sso_session import EmbeddedUser
from integrations.console.tenant_page import tenant_facts, tenant_health
from integrations.console.tenant_page.tenant_health import Tone
from integrations.core import audit, clock
from integrations.core.models import AuditEntry
from integrations.core.pages import tenant_links
from integrations.core.tenant import Tenant
from integrations.gateway.models import Call
from integrations.jobs.models import Schedule
from integrations.outbox.models import Entry, TenantOutbox
from integrations.quota.models import Parked
from integrations.sync.models import Plan, Record, Run
from integrations.tenants.models import App, Company, Installation, Location
from integrations.tenants.tenant_note import TenantNote
from integrations.tokens.models import Credential
from integrations.upserts.models import Run as UpsertRun
from integrations.upserts.models import Upsert, UpsertRow
from integrations.webhooks.models import Event, Mailbox
from tests.console.conftest import COMPANY, LOCATION, OTHER, begin_run
from tests.operators.conftest import SignIn
from tests.operators.conftest import sign_in as sign_in
from tests.support.signed import sign

PAGE, AGENCY = f"/admin/tenants/location/{LOCATION}/change/", f"/admin/tenants/company/{COMPANY}/change/"


def receive(app: App, number: int, **fields: Any) -> Event:
    now = clock.now()
    box, _ = Mailbox.objects.get_or_create(app=app, tenant=f"location:{LOCATION}")
    moments = {"occurred_at": now, "received_at": now, "due_at": now} | fields
    return Event.objects.create(
        app=app, mailbox=box, webhook_id=f"w{number}", type="ContactCreate", payload={}, **moments
    )


def fail_call(app: App) -> Call:
    return Call.objects.create(
        at=clock.now(),
        app=app,
        resource_id=LOCATION,
        operation="contacts.get-contact",
        lane="bulk",
        code="server_fault",
        took_ms=9,
        method="GET",
        path="/",
    )


def signs(tenant: Tenant, *, hidden: str = "") -> list[tuple[Tone, str]]:
    facts = tenant_facts.gather(tenant, clock.now(), lambda permission: permission != hidden)
    return [(sign.tone, sign.words) for sign in tenant_health.signs(facts)]


def test_a_healthy_location_is_called_healthy(operator_client: Client, agency: Installation) -> None:
    page = operator_client.get(PAGE)
    assert page.context["first_sign"].tone is Tone.GOOD
    text = page.content.decode()
    assert f'href="{AGENCY}"' in text
    for part in ("Installations", "Credentials", "Syncs", "Quota", "Records", "Events", "People", "Audit trail"):
        assert f"<h2>{part}" in text, part
    assert "access-token-canary" not in text


def test_the_agencys_page_shows_the_quota_of_its_app_and_of_its_key(
    operator_client: Client, agency: Installation
) -> None:
    Credential.objects.create(
        app=agency.app, user_type="Company", resource_id=COMPANY, api=1, kind="key", created_at=clock.now()
    )
    names = [one.name for one in operator_client.get(AGENCY).context["facts"].quotas]
    assert names == [str(agency.app), "API 1.0 key"]


def test_the_plan_that_highlevel_told_is_named(operator_client: Client, agency: Installation) -> None:
    told = {"companyName": "Northwind", "companyPlan": "agency_monthly_497"}
    Installation.objects.filter(user_type="Company").update(installer=told)
    people = operator_client.get(AGENCY).content.decode().partition("<h2>People</h2>")[2].partition("</section>")[0]
    assert "<dd>agency_monthly_497 (HighLevel’s name of it)</dd>" in people
    assert people.count("agency_monthly_497") == 1
    assert "Northwind" in people


@pytest.mark.slow
def test_each_trouble_has_a_reason_a_next_step_and_a_link(operator_client: Client, agency: Installation) -> None:
    now, app = clock.now(), agency.app
    Credential.objects.filter(resource_id=LOCATION).update(state="needs_reconnect", reason="the grant was revoked")
    plan = Plan.objects.get(location_id=LOCATION)
    begin_run(plan, status=Run.Status.FAILED, finished_at=now, error_code="scope_missing", error="add the scope")
    Installation.objects.filter(resource_id=LOCATION).update(version_id="v1")
    app.versions.create(version_id="v1", deprecated_at=now + timedelta(days=3), created_at=now)
    receive(app, 1, received_at=now - timedelta(minutes=9))
    receive(app, 2, status=Event.Status.POISONED)
    found = operator_client.get(PAGE).context
    shown = [found["first_sign"], *found["more_signs"]]
    assert [sign.tone for sign in shown] == [Tone.BAD] * 3 + [Tone.WARN] * 2
    words = " | ".join(sign.words for sign in shown)
    for reason in ("the grant was revoked", "add the scope", "1 event waiting", "could not be processed", "Version v1"):
        assert reason in words
    assert all(sign.step and operator_client.get(sign.link).status_code == 200 for sign in shown)


def test_what_is_not_known_is_never_called_healthy(agency: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Tenant.location(LOCATION)
    assert signs(here, hidden="sync.view_plan") == [(Tone.UNKNOWN, "Not known to you: syncs")]
    assert signs(Tenant.location("elsewhere")) == [(Tone.UNKNOWN, "No app is installed here")]
    Installation.objects.filter(resource_id=LOCATION).update(status="uninstalled", claimed_at=None, claimed_by="")
    ((tone, words),) = signs(here)
    assert tone is Tone.UNKNOWN
    assert "was uninstalled" in words


@pytest.mark.slow
def test_the_page_costs_the_same_however_much_there_is(operator_client: Client, agency: Installation) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert operator_client.get(PAGE).status_code == 200
        return len(asked)

    now, app = clock.now(), agency.app
    receive(app, 0)
    fail_call(app)
    cost()  # what is asked once in a process is asked here
    before = cost()
    for number in range(1, 30):
        receive(app, number)
        fail_call(app)
        audit.record("a.thing", actor="operator op", subject=f"Location:{LOCATION}")
        begin_run(Plan.objects.get(location_id=LOCATION), status=Run.Status.COMPLETE, finished_at=now)
    assert cost() == before <= 40


def test_its_buttons_act_and_come_back(operator_client: Client, agency: Installation) -> None:
    plan = Plan.objects.get(location_id=LOCATION)

    def press(model: str, action: str, row: object, back: str = PAGE) -> Any:
        form = {"action": action, "_selected_action": str(row), "back": back}
        return operator_client.post(f"/admin/{model}/", form)

    assert press("sync/plan", "pause", plan.pk).headers["Location"] == PAGE
    plan.refresh_from_db()
    assert not plan.enabled
    shown = operator_client.get(PAGE).content.decode()
    assert 'value="go_on"' in shown
    assert f'_selected_action" value="{plan.pk}"' in shown
    assert "Syncs paused: contacts" in shown
    press("sync/plan", "go_on", plan.pk)
    plan.refresh_from_db()
    assert plan.enabled
    assert {"sync.paused", "sync.continued"} <= set(AuditEntry.objects.values_list("action", flat=True))
    for elsewhere in ("https://evil.example/", "//evil.example/", "relative"):
        assert press("sync/plan", "pause", plan.pk, back=elsewhere).headers["Location"] == "/admin/sync/plan/"


def test_the_detail_page_of_a_row_has_its_actions(operator_client: Client, agency: Installation) -> None:
    run = begin_run(Plan.objects.get(location_id=LOCATION))
    shown = operator_client.get(f"/admin/sync/run/{run.pk}/change/").content.decode()
    assert 'name="action" value="cancel"' in shown
    assert 'value="delete_held_back"' not in shown, "nothing is held back while it runs"


@pytest.mark.slow
def test_a_company_lists_its_locations_those_in_trouble_first(operator_client: Client, agency: Installation) -> None:
    company = Company.objects.get(pk=COMPANY)
    for number in range(30):
        Location.objects.create(id=f"more{number:02}", company=company, name=f"A {number:02}", created_at=clock.now())
    Credential.objects.filter(resource_id=OTHER).update(expires_at=clock.now() - timedelta(hours=1))
    plan = Plan.objects.get(location_id=LOCATION)
    begin_run(plan, status=Run.Status.FAILED, finished_at=clock.now())
    table = operator_client.get(AGENCY).context["table"]
    assert [(row.location.pk, row.words) for row in table.rows[:2]] == [
        (OTHER, "token expired"),
        (LOCATION, "sync failed"),
    ]
    assert (len(table.rows), table.troubled, table.page.paginator.count) == (25, 2, 32)
    by_name = operator_client.get(AGENCY, {"order": "name", "p": "2"}).context["table"]
    assert [row.location.pk for row in by_name.rows][-2:] == [LOCATION, OTHER]
    Plan.objects.filter(location_id=LOCATION).update(enabled=False)
    sign(Plan)
    assert operator_client.get(AGENCY, {"order": "nonsense", "p": "x"}).status_code == 200


@pytest.mark.slow
def test_a_company_s_table_asks_nothing_for_each_row(operator_client: Client, agency: Installation) -> None:
    operator_client.get(AGENCY)
    with CaptureQueriesContext(connection) as before:
        operator_client.get(AGENCY)
    for number in range(20):
        Location.objects.create(id=f"more{number}", company_id=COMPANY, created_at=clock.now())
    with CaptureQueriesContext(connection) as after:
        operator_client.get(AGENCY)
    assert len(after) == len(before)


@pytest.mark.slow
def test_outbox_and_bulk_upserts_of_the_tenant_are_on_its_page(operator_client: Client, agency: Installation) -> None:
    app, now = agency.app, clock.now()
    assert "<h2>Bulk upserts" not in operator_client.get(PAGE).content.decode()
    here = {"app": app, "level": "Location", "tenant_id": LOCATION, "created_at": now}
    box = TenantOutbox.objects.create(**here)
    put = {"outbox": box, "entity": "e", "operation": "contacts.create-note", "lane": "events", "created_at": now}
    Entry.objects.create(key="a", state="rejected", error="no such contact", settled_at=now, **put)
    Entry.objects.create(key="b", **put)
    upsert = Upsert.objects.create(operation="contacts.upsert-contact", made_by="op", phase="started", **here)
    UpsertRow.objects.create(upsert=upsert, number=1, state="unknown", sent_at=now, settled_at=now)
    UpsertRun.objects.create(
        upsert=upsert,
        status="failed",
        due_at=now,
        started_at=now,
        finished_at=now,
        error_code="x",
        error="the day is spent",
    )
    elsewhere = Upsert.objects.create(operation="contacts.upsert-contact", made_by="op", **here | {"tenant_id": OTHER})
    page = operator_client.get(PAGE)
    text = page.content.decode()
    assert "1 waiting, 1 rejected" in text or "1 rejected, 1 waiting" in text
    assert "no such contact" in text
    assert f'href="/admin/upserts/upsert/{upsert.pk}/change/"' in text
    assert f'href="/admin/upserts/upsert/{elsewhere.pk}/change/"' not in text
    signs = [page.context["first_sign"], *page.context["more_signs"]]
    mine = [sign for sign in signs if "upsert" in sign.words or "outbox" in sign.words]
    assert [sign.words for sign in mine] == [
        f"Bulk upsert {upsert.pk} stopped: the day is spent",
        "1 outbox entry waits for a decision",
        f"1 rows of bulk upsert {upsert.pk} may have been written or not",
    ]
    assert all(operator_client.get(sign.link).status_code == 200 for sign in mine)


def test_an_id_that_is_nowhere_is_no_page(operator_client: Client, agency: Installation) -> None:
    assert operator_client.get("/admin/tenants/location/nowhere/change/").status_code == 404
    Mailbox.objects.create(app=agency.app, tenant="location:sends-only")
    page = operator_client.get("/admin/tenants/location/sends-only/change/")
    assert page.context["first_sign"].words == "No app is installed here"


@pytest.mark.slow
def test_every_list_links_ids_to_the_tenant(operator_client: Client, agency: Installation) -> None:
    app, now = agency.app, clock.now()
    begin_run(Plan.objects.get(location_id=LOCATION))
    Schedule.objects.create(app=app, job="a.job", level="Location", tenant_id=LOCATION, created_at=now)
    receive(app, 1)
    fail_call(app)
    audit.record("a.thing", actor="operator op", subject=f"Location:{LOCATION}")
    agency.changes.model.objects.create(
        installation=Installation.objects.get(resource_id=LOCATION),
        generation=1,
        what="claimed",
        at=now,
        recorded_at=now,
    )
    task = {"task": "sync.advance", "kwargs": {"run_id": 1}, "lane": "bulk"}
    key = f"{app.client_id}:{LOCATION}"
    Parked.objects.create(key=key, parked_at=now, place_at=now, due_at=now, **task)
    lists = "tenants/installation tenants/installationchange tokens/credential sync/plan sync/run sync/record"
    lists += " jobs/schedule webhooks/event webhooks/mailbox gateway/call quota/parked core/auditentry"
    for name in lists.split():
        shown = operator_client.get(f"/admin/{name}/").content.decode()
        assert f'<a class="tenant-link" href="{PAGE}" title="Location {LOCATION}">Studio {LOCATION}</a>' in shown, name


def test_an_id_without_a_row_stays_text(agency: Installation) -> None:
    assert tenant_links.link_by_id("unknown") == "unknown"
    assert tenant_links.named("Location:x") == Tenant.location("x")
    assert tenant_links.named("company:x") == Tenant.company("x")
    assert (tenant_links.named("app:x"), tenant_links.named("plans"), tenant_links.named("Location:")) == (None,) * 3


def test_a_sync_under_way_says_how_fast_it_is_and_what_it_waits_for(
    operator_client: Client, agency: Installation
) -> None:
    run = begin_run(Plan.objects.get(location_id=LOCATION), started_at=clock.now() - timedelta(seconds=20))
    assert "2 a second, about 30 s left; waits for a worker" in operator_client.get(PAGE).content.decode()
    Run.objects.filter(pk=run.pk).update(status="complete", finished_at=clock.now())
    assert "a second" not in operator_client.get(PAGE).content.decode()


def test_notes_are_written_and_deleted_on_the_page(operator_client: Client, agency: Installation) -> None:
    operator_client.post(f"/admin/tenants/location/{LOCATION}/note/", {"text": "  Calls <b>only</b> in the morning "})
    note = TenantNote.objects.get()
    assert (note.text, note.made_by, note.tenant) == (
        "Calls <b>only</b> in the morning",
        "operator op",
        Tenant.location(LOCATION),
    )
    page = operator_client.get(PAGE).content.decode()
    assert "Calls &lt;b&gt;only&lt;/b&gt; in the morning" in page
    assert "in the morning" not in operator_client.get(AGENCY).content.decode()
    entry = AuditEntry.objects.get(action="tenant.note_added")
    assert entry.detail == {"note": note.pk}, "the text is not in the trail, which keeps it for ever"
    operator_client.post(f"/admin/tenants/company/{COMPANY}/note/", {"delete": note.pk})
    assert TenantNote.objects.exists(), "of another tenant"
    for text in ("", "x" * 2001):
        operator_client.post(f"/admin/tenants/location/{LOCATION}/note/", {"text": text})
    operator_client.post(f"/admin/tenants/location/{LOCATION}/note/", {"delete": "²"})
    assert TenantNote.objects.count() == 1
    operator_client.post(f"/admin/tenants/location/{LOCATION}/note/", {"delete": note.pk})
    assert not TenantNote.objects.exists()
    assert operator_client.post("/admin/tenants/location/nowhere/note/", {"text": "x"}).status_code == 404


def test_only_who_wrote_a_note_or_may_delete_all_deletes_it(agency: Installation, sign_in: SignIn) -> None:
    address = f"/admin/tenants/location/{LOCATION}/note/"
    support, viewer, lead = sign_in("support"), sign_in("viewer"), sign_in("operator")
    assert viewer.post(address, {"text": "x"}).status_code == 403
    support.post(address, {"text": "mine: ann@example.com"})
    lead.post(address, {"text": "the lead's"})
    mine, other = TenantNote.objects.order_by("pk")
    assert support.post(address, {"delete": other.pk}).status_code == 403
    assert "ann@example.com" not in support.get(PAGE).content.decode(), "masked"
    assert "ann@example.com" in lead.get(PAGE).content.decode()
    lead.post(address, {"delete": mine.pk})
    assert [note.pk for note in TenantNote.objects.all()] == [other.pk]


def test_people_are_named_and_linked_where_the_copy_knows_them(
    operator_client: Client, agency: Installation, sign_in: SignIn
) -> None:
    user = EmbeddedUser(agency.app_id, COMPANY, LOCATION, "user1", is_admin=True, is_agency=False)
    Installation.objects.filter(resource_id=LOCATION).update(installer_id="user2")
    now = clock.now()
    embedded_visits.remember(user, now - timedelta(hours=2))
    embedded_visits.remember(replace(user, user_id="user3", is_admin=False, is_agency=True), now)
    embedded_visits.remember(user, now - timedelta(hours=1))
    known = Record.objects.filter(location_id=LOCATION)[0]
    known.resource, known.record_id, known.payload = "users", "user1", {"name": "Ann Canary"}
    known.save()
    page = operator_client.get(PAGE).content.decode()
    assert f'href="/admin/sync/record/{known.pk}/change/">Ann Canary</a>' in page
    assert "<code>user2</code>" in page
    assert page.index("user3") < page.index("Ann Canary"), "the latest first"
    assert (page.count("administrator of the location"), page.count("user of the agency")) == (1, 1)
    assert "Ann Canary" not in sign_in("viewer").get(PAGE).content.decode()
