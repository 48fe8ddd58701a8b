"""One search finds tenants, contacts, events, calls, runs, records, operations and pages, by their indexes."""

from __future__ import annotations

from copy import copy
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from integrations.console.search import contact_search
from integrations.core import clock
from integrations.operators import roles
from integrations.outbox.models import Entry, TenantOutbox
from integrations.sync.models import Plan, Record
from integrations.tenants.models import App, Installation
from integrations.upserts.models import Upsert, UpsertRow
from tests.console.conftest import COMPANY, LOCATION, begin_run
from tests.console.tenant_page.test_tenant_page import fail_call, receive

EMAIL, PHONE = "ann.canary@example.com", "+15550107788"


@pytest.fixture
def contact(agency: Installation) -> Record:
    row = Record.objects.filter(location_id=LOCATION)[0]
    row.payload = {"id": "c1", "firstName": "Ann", "lastName": "Canary", "email": EMAIL.title(), "phone": PHONE}
    row.save()
    return row


def found(client: Client, text: str) -> list[tuple[str, str]]:
    page = client.get("/admin/search/", {"s": text, "extended": "1"})
    assert page.status_code == 200
    return [(one.title, one.link) for one in page.context["results"]] if page.context else []


@pytest.mark.slow
def test_each_kind_is_found(operator_client: Client, agency: Installation, contact: Record) -> None:
    run = begin_run(Plan.objects.get(location_id=LOCATION))
    event, call = receive(agency.app, 1), fail_call(agency.app)
    call.trace_id = "Trace-Id-7"
    call.save()
    here = f"/admin/tenants/location/{LOCATION}/change/"
    record = ("Ann Canary Ann.Canary@Example.Com +15550107788", f"/admin/sync/record/{contact.pk}/change/")
    expected: dict[str, tuple[str, str]] = {
        "studio loc1": (f"Studio {LOCATION}", here),
        LOCATION: (f"Studio {LOCATION}", here),
        "bright": ("Bright Agency", f"/admin/tenants/company/{COMPANY}/change/"),
        "ann.canary@": record,
        PHONE: record,
        "+1555": record,
        "ann  can": record,
        "canar": record,  # the last name alone
        "(555) 010-7788": record,  # without the country
        "1 555 010": record,
        contact.record_id: record,
        "w1": ("ContactCreate", f"/admin/webhooks/event/{event.pk}/change/"),
        "Trace-Id-7": ("contacts.get-contact", f"/admin/gateway/call/{call.pk}/change/"),
        f"run {run.pk}": (f"Sync run {run.pk}", f"/admin/sync/run/{run.pk}/change/"),
        "get-contact": ("contacts.get-contact", "/admin/gateway/call/explore/contacts.get-contact/"),
        "mailbox": ("Mailboxes", "/admin/webhooks/mailbox/"),
        "second fac": ("Second factor", "/admin/second-factor/"),
        "quota learn": ("QUOTA_LEARN_WINDOW", "/admin/core/workerprocess/variables/#QUOTA_LEARN_WINDOW"),
    }
    for text, result in expected.items():
        assert result in found(operator_client, text), text


def test_an_operation_of_one_version_alone_leads_to_its_form(operator_client: Client, app: App) -> None:
    for name, version in (("saas.update-rebilling", "v3"), ("ad-manager.li-create-integration", "v2")):
        address = f"/admin/gateway/call/explore/{name}/?version={version}"
        assert (name, address) in found(operator_client, name)
        assert name in operator_client.get(address).content.decode()


def test_every_other_id_leads_to_its_timeline(operator_client: Client, agency: Installation) -> None:
    now = clock.now()
    here = {"app": agency.app, "level": "Location", "tenant_id": LOCATION, "created_at": now}
    upsert = Upsert.objects.create(operation="contacts.upsert-contact", made_by="op", **here)
    row = UpsertRow.objects.create(upsert=upsert, number=1, state="refused", trace_id="t-row", settled_at=now)
    box = TenantOutbox.objects.create(**here)
    put = {"outbox": box, "entity": "e", "operation": "a.b", "lane": "events", "created_at": now}
    entry = Entry.objects.create(key="a", trace_id="t-entry", **put)
    run = begin_run(Plan.objects.get(location_id=LOCATION), trace_id="t-run")
    timeline = "/admin/problems/problem/timeline/?id="
    for text, title, address in (
        ("t-row", f"Row of a bulk upsert {row.pk}", f"{timeline}upsert_row%3A{row.pk}"),
        ("t-entry", f"Outbox entry {entry.pk}", f"{timeline}entry%3A{entry.pk}"),
        ("t-run", f"Sync run {run.pk}", f"{timeline}sync%3A{run.pk}"),
        (f"upsert:{upsert.pk}", f"Bulk upsert {upsert.pk}", f"{timeline}upsert%3A{upsert.pk}"),
    ):
        assert (title, address) in found(operator_client, text), text
        assert operator_client.get(address).status_code == 200


@pytest.mark.parametrize("text", ["zz", "%", "an", "run 99999999999999999999999", "' OR 1=1 --", "x" * 5000])
def test_what_is_nowhere_is_not_found_and_breaks_nothing(operator_client: Client, contact: Record, text: str) -> None:
    assert not [one for one in found(operator_client, text) if "/record/" in one[1] or "/run/" in one[1]]


def test_a_role_sees_its_own_and_personal_data_is_masked(contact: Record) -> None:
    client, user = Client(), User.objects.create_user("otto", is_staff=True)
    client.force_login(user)
    assert found(client, EMAIL) == found(client, LOCATION) == []
    user.groups.add(roles.of("viewer"))
    assert [title for title, _ in found(client, EMAIL)] == ["•••"]
    assert found(client, "get-contact") == [], "the explorer is not for viewers"


@pytest.mark.slow
def test_who_sees_them_masked_learns_no_letter_of_a_contact(contact: Record) -> None:
    client, user = Client(), User.objects.create_user("vera", is_staff=True)
    user.groups.add(roles.of("support"))
    client.force_login(user)
    for known in (EMAIL, EMAIL.upper(), f" {PHONE} "):
        assert [title for title, _ in found(client, known)] == ["•••"], known
    assert {title for title, _ in found(client, contact.record_id)} == {"•••", f"Record {contact.pk}"}
    for guess in (
        EMAIL[:-1],
        "ann.canary@",
        PHONE[:-1],
        "+1555",
        "555010778",
        "ann",
        "ann canary",
        "ann can",
        "canary",
    ):
        assert found(client, guess) == [], guess


def test_results_do_not_outlive_the_right_to_see_them(contact: Record) -> None:
    client, user = Client(), User.objects.create_user("olga", is_staff=True)
    user.groups.add(roles.of("operator"))
    client.force_login(user)
    [(title, _)] = found(client, EMAIL)
    assert EMAIL in title.lower()
    user.groups.set([roles.of("viewer")])
    client.force_login(user)
    assert [title for title, _ in found(client, EMAIL)] == ["•••"]


def test_contacts_are_found_by_their_indexes(contact: Record) -> None:
    others = []
    for number in range(2000):  # so many that the planner has one right choice
        payload = {
            "id": f"d{number}",
            "firstName": f"{number:04}",
            "lastName": f"{number:04}",
            "email": f"{number:04}@e.com",
            "phone": f"+{number:04}",
        }
        contact.pk, contact.record_id, contact.payload = None, f"d{number}", payload
        others.append(copy(contact))
    Record.objects.bulk_create(others)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE sync_record")
        for name, expression in contact_search._EXPRESSIONS.items():
            values: dict[str, Any] = {"from": "an", "to": "an\U0010ffff", "limit": 6}
            cursor.execute("EXPLAIN " + contact_search._FOUND.format(expression=expression), values)
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert f"record_by_{name}" in plan, plan
