"""The page on which resources are chosen: the table, the preview with its costs, and who may change what."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from integrations.core import clock
from integrations.core.models import AuditEntry
from integrations.core.tenant import Tenant
from integrations.gateway.client import Page
from integrations.sync import listing, plans, resource_choices
from integrations.sync.choose import adaptive_intervals
from integrations.sync.choose.choice_address import address
from integrations.sync.models import AdaptiveChoice, ChosenVariant, Plan, ResourceChoice
from integrations.sync.signed import plan_macs
from integrations.tenants.models import App, Installation
from tests.console.conftest import LOCATION
from tests.operators.conftest import SignIn
from tests.operators.conftest import sign_in as sign_in

pytestmark = pytest.mark.usefixtures("agency")

HERE = Tenant.location(LOCATION)


@pytest.fixture
def here(agency: Installation) -> App:
    App.objects.update(scopes="contacts.readonly payments/orders.readonly")
    agency.app.refresh_from_db()
    return agency.app


@pytest.fixture
def totals(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The vendor has 42,000 of everything; what it was asked for."""
    asked: list[str] = []

    def page(operation: str, **arguments: Any) -> Page:
        asked.append(operation)
        return Page([{}], 42_000, None)

    monkeypatch.setattr(listing, "page", page)
    return asked


def confirm(client: Client, url: str, preview: Any, **more: str) -> Any:
    """Send the form of the preview."""
    hidden = re.findall(r'<input type="hidden" name="([A-Za-z:_]+)" value="([^"]*)">', preview.content.decode())
    fields = {name: value for name, value in hidden if name != "csrfmiddlewaretoken"}
    return client.post(url, {**fields, **more}, follow=True)


@pytest.mark.slow
def test_a_location_s_choice_is_previewed_and_then_made(operator_client: Client, here: App, totals: list[str]) -> None:
    url = address(here.pk, HERE)
    table = operator_client.get(url).content.decode()
    assert 'name="state:contacts"' in table
    assert "as the app: on" in table
    preview = operator_client.post(url, {"state:orders": "on", "every:orders": "1d", "state:notes": "app"})
    text = preview.content.decode()
    assert totals == ["payments.list-orders"], "nobody knew the number of orders"
    assert "420" in text, "calls of one listing"
    assert "1 number of records" in text
    assert not Plan.objects.filter(resource="orders").exists()
    assert not AuditEntry.objects.filter(action="sync.chosen").exists()
    made = confirm(operator_client, url, preview)
    assert "1 resources were changed" in made.content.decode()
    plan = Plan.objects.get(location_id=LOCATION, resource="orders")
    assert (plan.enabled, plan.every, plan.is_own_choice) == (True, timedelta(days=1), True)
    assert {entry.actor for entry in AuditEntry.objects.filter(action__startswith="sync.")} == {"operator op"}


@pytest.mark.slow
def test_the_app_s_choice_may_delete_what_is_left_out(operator_client: Client, here: App) -> None:
    url = address(here.pk)
    preview = operator_client.post(url, {"state:contacts": "off"})
    assert "Delete the records" in preview.content.decode()
    confirm(operator_client, url, preview, drop="on")
    assert "contacts" not in resource_choices.chosen(here.pk)
    assert Plan.objects.filter(resource="contacts", is_left_out=True, drop_due_at__isnull=False).count() == 2
    assert "Syncs paused" not in operator_client.get(f"/admin/tenants/location/{LOCATION}/change/").content.decode()


@pytest.mark.slow
def test_what_the_form_does_not_offer_changes_nothing(operator_client: Client, here: App) -> None:
    url = address(here.pk)
    for fields in ({"state:contacts": "app"}, {"every:contacts": "soon"}, {"state:contacts": "on"}):
        page = operator_client.post(url, fields, follow=True)
        assert "Nothing was changed" in page.content.decode()
    short = operator_client.post(url, {"every:contacts": "1m", "confirmed": "yes"}, follow=True)
    assert "5 minutes at least" in short.content.decode()
    assert not ResourceChoice.objects.exists()


@pytest.mark.slow
def test_fields_and_filters_are_previewed_and_then_chosen(
    operator_client: Client, here: App, totals: list[str]
) -> None:
    url = address(here.pk, HERE)
    preview = operator_client.post(
        url,
        {
            "state:contacts": "on",
            "fields:contacts": "without phone",
            "filter:contacts:type": "lead",
            "filter:contacts:tags": "",
        },
    )
    text = preview.content.decode()
    assert totals == ["contacts.search-contacts-advanced"], "how many fit is not known"
    assert "fields: without phone; type=lead" in text
    assert "420" in text, "calls of one narrowed listing"
    assert Plan.objects.get(location_id=LOCATION, resource="contacts").fields == {}
    confirm(operator_client, url, preview)
    plan = Plan.objects.get(location_id=LOCATION, resource="contacts")
    assert (plan.fields, plan.filters, plan.is_own_choice) == ({"without": ["phone"]}, {"type": "lead"}, True)
    table = operator_client.get(url).content.decode()
    assert "fields: without phone; type=lead" in table
    cleared = operator_client.post(url, {"fields:contacts": "all", "filter:contacts:type": ""})
    confirm(operator_client, url, cleared)
    plan.refresh_from_db()
    assert (plan.fields, plan.filters) == ({}, {})
    wrong = operator_client.post(url, {"filter:contacts:type": "nobody", "confirmed": "yes"}, follow=True)
    assert "takes lead, customer" in wrong.content.decode()


@pytest.mark.slow
def test_intervals_adapt_after_a_preview(sign_in: SignIn, operator_client: Client, here: App) -> None:
    page = operator_client.get(address(here.pk)).content.decode()
    assert "Adaptive intervals" in page
    assert "Adaptive intervals" not in operator_client.get(address(here.pk, HERE)).content.decode()
    url = f"/admin/sync/plan/adaptive/?app={here.pk}"
    fields = {"enabled": "on", "shortest": "15m", "longest": "1d", "calls": "100,000"}
    preview = operator_client.post(url, fields)
    assert "Between 15 min and 1 d" in preview.content.decode()
    assert "of 100,000 that you allow" in preview.content.decode()
    assert not AdaptiveChoice.objects.exists()
    made = confirm(operator_client, url, preview)
    assert "Workers set the intervals" in made.content.decode()
    row = AdaptiveChoice.objects.get()
    assert (row.enabled, row.shortest, row.calls_per_day) == (True, timedelta(minutes=15), 100_000)
    adaptive_intervals.adapt(here.pk)
    page = operator_client.get(address(here.pk)).content.decode()
    assert "adapts: 15 min" in page
    for wrong in ({"calls": "many"}, {"shortest": "2d"}, {"longest": "own"}, {"calls": "0"}):
        said = operator_client.post(url, {**fields, **wrong}, follow=True).content.decode()
        assert "Nothing was changed" in said
    assert operator_client.get(url).status_code == 302
    for query in ("", "?app=x", "?app=999999"):
        assert operator_client.post(f"/admin/sync/plan/adaptive/{query}", fields).status_code == 404
    for role in ("viewer", "support"):
        assert sign_in(role).post(url, {**fields, "confirmed": "yes"}).status_code == 403


def test_only_operators_and_owners_choose(sign_in: SignIn, here: App) -> None:
    url, change = address(here.pk), {"state:orders": "on", "confirmed": "yes"}
    for role in ("viewer", "support"):
        client = sign_in(role)
        page = client.get(url)
        assert "disabled" in page.content.decode()
        assert client.post(url, change).status_code == 403
    assert not ResourceChoice.objects.exists()
    assert sign_in("operator").post(url, change).status_code == 302
    assert ResourceChoice.objects.get(resource="orders").enabled


def test_an_app_or_location_that_there_is_not_has_no_page(operator_client: Client, here: App) -> None:
    for query in ("app=x", "app=999999", f"app={here.pk}&location=nowhere"):
        assert operator_client.get(f"/admin/sync/plan/choose/?{query}").status_code == 404
    assert operator_client.get("/admin/sync/plan/choose/").context["app"] == here
    page = operator_client.get(f"/admin/tenants/location/{LOCATION}/change/").content.decode()
    assert f"choose/?app={here.pk}&amp;location={LOCATION}" in page


@pytest.mark.slow
def test_a_variant_is_previewed_chosen_and_removed(operator_client: Client, here: App, totals: list[str]) -> None:
    url = address(here.pk, page="sync_plan_variant")
    wanted = {"resource": "contacts", "name": "vips", "filters": "tags=vip", "every": "5m", "act": "on"}
    preview = operator_client.post(url, wanted)
    assert "List contacts with tags=vip every 5 min?" in preview.content.decode()
    assert not ChosenVariant.objects.exists()
    table = confirm(operator_client, url, preview).content.decode()
    assert "vips" in table
    row = ChosenVariant.objects.get()
    assert (row.location_id, row.filters, row.every) == ("", {"tags": "vip"}, timedelta(minutes=5))
    assert AuditEntry.objects.get(action="sync.variant").actor == "operator op"
    there = address(here.pk, HERE, page="sync_plan_variant")
    off = operator_client.post(there, wanted | {"act": "off"})
    assert "Do not run the variant vips of contacts here?" in off.content.decode()
    confirm(operator_client, there, off)
    assert not ChosenVariant.objects.get(location_id=LOCATION).enabled
    gone = operator_client.post(url, wanted | {"act": "remove"})
    confirm(operator_client, url, gone)
    assert list(ChosenVariant.objects.values_list("location_id", flat=True)) == [LOCATION]
    wrong = operator_client.post(url, wanted | {"name": "No Name"}, follow=True).content.decode()
    assert "Nothing was changed" in wrong
    assert operator_client.get(url).status_code == 302


def test_an_estimate_of_a_variant_counts_what_fits(operator_client: Client, here: App, totals: list[str]) -> None:
    url = address(here.pk, HERE, page="sync_plan_variant")
    shown = operator_client.post(url, {"resource": "contacts", "name": "vips", "filters": "tags=vip", "every": "1d"})
    assert len(totals) == 1
    assert "<b>420</b> calls for one listing" in shown.content.decode()


@pytest.mark.slow
def test_calls_of_a_day_are_chosen_for_an_app_and_a_tenant(
    operator_client: Client, here: App, totals: list[str]
) -> None:
    resource_choices.choose(here, ["notes"], clock.now(), enabled=True)
    plans.make(here.pk, LOCATION)
    for tenant, calls in ((None, 2_000), (HERE, 300)):
        url = address(here.pk, tenant)
        preview = operator_client.post(url, {"calls:notes": f"{calls:,}"})
        assert f"at most {calls:,} calls a day" in preview.content.decode()
        confirm(operator_client, url, preview)
        plan = Plan.objects.get(location_id=LOCATION, resource="notes")
        assert (plan.calls_per_day, plan_macs.fits(plan)) == (calls, True)
    assert ResourceChoice.objects.get(resource="notes").calls_per_day == 2_000
    entries = AuditEntry.objects.filter(action="sync.calls").order_by("pk")
    assert [(entry.detail["resource"], entry.detail["calls_per_day"]) for entry in entries] == [
        ("notes", 2_000),
        ("notes", 300),
    ]
    resource_choices.follow_app(here, ["notes"], clock.now(), tenant=HERE)
    assert Plan.objects.get(location_id=LOCATION, resource="notes").calls_per_day == 2_000
    wrong = operator_client.post(address(here.pk), {"calls:notes": "many"}, follow=True).content.decode()
    assert "Nothing was changed" in wrong
