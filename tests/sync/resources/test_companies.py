"""Resources of companies: their plans, choices, webhooks and end, beside those of the companies' locations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from hlapp.testing.vendor import install_everywhere
from integrations.core import clock
from integrations.core.errors import BadRequest, VendorAnswer
from integrations.core.tenant import Tenant, UserType
from integrations.exports import asking
from integrations.exports.asking import ExportRequest
from integrations.gateway.client import Page
from integrations.sync import listing, plans, resource_choices, runs, webhook_handlers
from integrations.sync.choose import offers, wanted
from integrations.sync.feed.change_feed import ChangeFeed
from integrations.sync.models import Plan, Record, Run
from integrations.sync.resources import RESOURCES
from integrations.sync.typed.synced import records
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import App, Company, Installation, Location
from integrations.webhooks.models import Event
from tests.plugin.vendor import Vendor, make_app, run_vendor
from tests.sync.conftest import HERE, LOCATION, start, wake

AGENCY = Tenant.company("agency5Kd0sWq8Lm2Xz")
COMPANY_SCOPES = "contacts.readonly users.readonly locations.readonly companies.readonly"


@pytest.fixture
def here(app: App, installation: Installation) -> App:
    """The app on a company and on one of its locations."""
    App.objects.update(scopes=COMPANY_SCOPES)
    app.refresh_from_db()
    now = clock.now()
    company = Company.objects.create(id=AGENCY.id, name="Bright Agency", created_at=now)
    Location.objects.filter(pk=LOCATION).update(company=company)
    Installation.objects.create(
        app=app,
        user_type=UserType.COMPANY,
        resource_id=company.id,
        company=company,
        status=Installation.Status.INSTALLED,
        origin=Installation.Origin.BULK,
        status_at=now,
        created_at=now,
    )
    return app


def follow() -> None:
    """What the dispatcher sends for installations that are due."""
    for row in Installation.objects.filter(sync_due_at__isnull=False):
        plans.apply_installation_change(row.pk)


def choose(app: App, *names: str, tenant: Tenant | None = None, enabled: bool = True) -> None:
    resource_choices.choose(app, names, clock.now(), enabled=enabled, tenant=tenant)
    follow()


def planned(tenant: Tenant) -> set[str]:
    return set(Plan.objects.filter(location_id=tenant.id, is_left_out=False).values_list("resource", flat=True))


def keep(app: App, resource: str, record_id: str, tenant: Tenant = AGENCY, **payload: Any) -> None:
    now, ids = clock.now() - timedelta(minutes=10), RESOURCES[resource].ids
    Record.objects.create(
        app=app,
        location_id=tenant.id,
        resource=resource,
        record_id=record_id,
        payload={ids[0]: record_id, **payload},
        version_at=now,
        updated_at=now,
    )


def send(app: App, event_type: str, **payload: Any) -> None:
    event = {"type": event_type, "timestamp": clock.now().isoformat(), **payload}
    webhook_handlers.apply(Event(app=app, type=event_type, payload=event, occurred_at=clock.now()))


def alive(resource: str) -> set[str]:
    return set(Record.objects.filter(resource=resource, deleted_at=None).values_list("record_id", flat=True))


def test_each_tenant_gets_the_plans_of_its_level_alone(here: App) -> None:
    assert planned(AGENCY) == set(), "none is synced unless somebody chooses it"
    choose(here, "contacts", "company_users", "company_locations")
    assert planned(AGENCY) == {"company_users", "company_locations"}
    assert "contacts" in planned(HERE)
    assert not planned(HERE) & {"company_users", "company_locations"}
    plan = Plan.objects.get(resource="company_users")
    assert (plan.tenant, plan.api_name, plan.due_at, plan.runs.count()) == (AGENCY, "v2", None, 1)


def test_a_company_chooses_for_itself(here: App) -> None:
    choose(here, "companies", tenant=AGENCY)
    assert planned(AGENCY) == {"companies"}
    assert "companies" not in resource_choices.chosen(here.pk)
    for names, tenant, words in (
        (["contacts"], AGENCY, "a company has no contacts"),
        (["companies"], HERE, "a location has no companies"),
        (["companies"], Tenant.company("elsewhere"), "not installed on company elsewhere"),
    ):
        with pytest.raises(BadRequest, match=words):
            resource_choices.choose(here, names, clock.now(), enabled=True, tenant=tenant)
    choose(here, "companies", tenant=AGENCY, enabled=False)
    assert planned(AGENCY) == set()


def test_subscriptions_bring_the_saas_locations_along(here: App) -> None:
    choose(here, "saas_subscriptions", tenant=AGENCY)
    assert planned(AGENCY) == {"saas_subscriptions", "saas_locations"}


def test_what_a_company_may_not_read_rests(here: App) -> None:
    choose(here, "custom_menus", "snapshots")
    found = {one.resource: one.hindrance for one in offers.offers(here, AGENCY)}
    assert found["custom_menus"] == "needs the scope custom-menu-link.readonly"
    assert found["snapshots"] == "", "the vendor's files name no scope"
    assert "contacts" not in found
    assert Plan.objects.filter(resource="custom_menus").values_list("due_at", flat=True).first() is None


def test_an_estimate_counts_companies_where_companies_have_the_records(here: App) -> None:
    Installation.objects.filter(user_type=UserType.LOCATION).update(status=Installation.Status.UNINSTALLED)
    found = {one.resource: one for one in offers.offers(here)}
    assert (found["company_users"].tenants, found["contacts"].tenants) == (1, 0)
    assert found["company_users"].all_calls_a_day == found["company_users"].estimate.calls_a_day > 0
    assert found["contacts"].all_calls_a_day == 0
    assert offers.installed_on(here) == "0 locations and 1 company"


def test_the_commands_name_a_company(here: App, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def page(operation: str, **arguments: Any) -> Page:
        asked.append(arguments)
        return Page([], 7, None)

    monkeypatch.setattr(listing, "page", page)
    out = StringIO()
    call_command(
        "sync",
        "choose",
        "custom_menus",
        "--on",
        "--company",
        AGENCY.id,
        "--count",
        "--json",
        "--app",
        here.client_id,
        stdout=out,
    )
    said = json.loads(out.getvalue())
    assert (said["changed"], said["resources"][0]["estimate"]["rows"]) == (True, 7)
    assert [(one.get("company"), one.get("location")) for one in asked] == [(AGENCY.id, None)]
    follow()
    choose(here, "company_users", "contacts")
    out = StringIO()
    call_command("sync", "--company", AGENCY.id, "--json", stdout=out)
    assert {one["resource"] for one in json.loads(out.getvalue())} == {"company_users", "custom_menus"}
    with pytest.raises(CommandError, match="no enabled plan fits"):
        call_command("sync", "--company", AGENCY.id, "--resource", "contacts", stdout=out)
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("sync", "--company", AGENCY.id, "--location", LOCATION, stdout=out)


def test_every_choice_of_a_company_leaves_an_entry_about_it(here: App) -> None:
    made = wanted.WantedChoice(on=frozenset({"companies"}), history={"companies": True})
    assert wanted.make(here, made, clock.now(), actor="ann", tenant=AGENCY) == ["companies"]
    plan = Plan.objects.get(resource="companies")
    assert (plan.is_own_choice, plan.keeps_history) == (True, True)


def test_events_of_users_change_the_location_and_the_company(here: App) -> None:
    choose(here, "users", "company_users")
    send(here, "UserCreate", id="u1", locationId=LOCATION, firstName="Ann")
    assert (alive("users"), alive("company_users")) == ({"u1"}, {"u1"})
    assert Record.objects.get(resource="company_users").payload == {"id": "u1", "firstName": "Ann"}
    send(here, "UserCreate", id="u2", companyId=AGENCY.id, firstName="Bob")
    assert alive("company_users") == {"u1", "u2"}, "a user of the agency itself"


def test_a_user_who_leaves_a_location_is_still_one_of_the_company(here: App) -> None:
    choose(here, "users", "company_users")
    Plan.objects.update(due_at=clock.now() + timedelta(hours=5))
    for resource, tenant in (("users", HERE), ("company_users", AGENCY)):
        keep(here, resource, "u1", tenant)
    send(here, "UserDelete", id="u1", locationId=LOCATION, companyId=AGENCY.id)
    assert (alive("users"), alive("company_users")) == (set(), {"u1"})
    soon = clock.now() + timedelta(hours=1)
    assert Plan.objects.get(resource="company_users").due_at < soon, "the next run asks"
    send(here, "UserDelete", id="u1", companyId=AGENCY.id)
    assert alive("company_users") == set()


def test_events_of_locations_change_the_companys_list(here: App) -> None:
    choose(here, "company_locations")
    send(here, "LocationCreate", id="loc9", companyId=AGENCY.id, name="New place")
    send(here, "LocationUpdate", id="loc9", companyId=AGENCY.id, name="Renamed")
    send(here, "LocationCreate", id="loc8", companyId="another agency", name="Foreign")
    (record,) = Record.objects.filter(resource="company_locations")
    assert (record.record_id, record.tenant, record.payload["name"]) == ("loc9", AGENCY, "Renamed")


@pytest.mark.slow
def test_a_new_saas_plan_is_there_and_its_details_come_soon(here: App) -> None:
    choose(here, "saas_plans")
    Plan.objects.update(due_at=clock.now() + timedelta(hours=5))
    send(here, "SaasPlanCreate", companyId=AGENCY.id, planId="plan1")
    assert alive("saas_plans") == {"plan1"}
    assert Plan.objects.get(resource="saas_plans").due_at < clock.now() + timedelta(hours=1)


def test_an_event_without_a_company_changes_no_company(here: App) -> None:
    choose(here, "company_users")
    Location.objects.update(company=None)
    send(here, "UserCreate", id="u1", locationId=LOCATION)
    send(here, "UserCreate", id="u2", locationId="nowhere")
    assert alive("company_users") == set()


def test_the_end_of_a_company_is_not_that_of_its_locations(here: App) -> None:
    choose(here, "contacts", "company_users")
    keep(here, "company_users", "u1")
    keep(here, "contacts", "c1", HERE)
    Installation.objects.filter(user_type=UserType.COMPANY).update(status=Installation.Status.UNINSTALLED)
    Installation.objects.filter(user_type=UserType.COMPANY).sync_at(clock.now())
    follow()
    assert (planned(AGENCY), alive("company_users")) == (set(), set())
    assert ("contacts" in planned(HERE), alive("contacts")) == (True, {"c1"})


def test_the_sweep_finds_companies_only_where_something_of_theirs_is_chosen(here: App) -> None:
    choose(here, "contacts")
    assert plans.find_mismatches() == ([], [])
    choose(here, "company_users")
    Plan.objects.filter(location_id=AGENCY.id).delete()
    assert plans.find_mismatches() == ([(here.pk, AGENCY.id)], [])
    Installation.objects.filter(user_type=UserType.COMPANY).update(status=Installation.Status.UNINSTALLED)
    Plan.objects.create(app=here, location_id=AGENCY.id, resource="company_users", created_at=clock.now())
    assert plans.find_mismatches() == ([], [(here.pk, AGENCY.id)])


def test_records_of_a_company_are_selected_fed_and_exported(here: App) -> None:
    choose(here, "company_users", "contacts")
    keep(here, "company_users", "u1", firstName="Ann")
    (row,) = records.company_users.for_tenant(AGENCY, here)
    assert (row.id, row.location_id, row.fields["firstName"]) == ("u1", AGENCY.id, "Ann")
    with pytest.raises(BadRequest, match="ask for those of its company"):
        records.company_users.for_tenant(HERE, here)
    Record.objects.update(added_in=1, changed_in=1)  # as if its transaction had ended long ago
    (change,) = ChangeFeed(here, "a consumer", "company_users").read(10)
    assert (change.kind, change.location_id) == ("added", AGENCY.id)
    asked = ExportRequest(here, ["company_users"], "jsonl", [AGENCY.id])
    assert asking.ask(asked, clock.now(), actor="ann").locations == [AGENCY.id]
    assert asking.synced(here, [AGENCY.id]) == ["company_users"]


@pytest.mark.parametrize(
    ("status", "message", "of_location", "of_company"),
    [
        (400, "Location with id x not found", False, True),
        (404, "The location does not exist", False, True),
        (404, "User not found", True, True),
        (400, "Company not found", False, False),
        (401, "Location with id x not found", False, False),
    ],
)
def test_a_refusal_that_names_a_location_denies_a_record_of_companies_alone(
    status: int, message: str, of_location: bool, of_company: bool
) -> None:
    answer = VendorAnswer(status=HTTPStatus(status), message=message)
    assert listing.says_missing(answer) is of_location
    assert listing.says_missing(answer, of_location=False) is of_company


@pytest.fixture
def sandboxed(db: None, clean_redis: Any) -> Iterator[tuple[App, Vendor]]:
    for sandbox in run_vendor(contacts=1, locations=3, seed=8_200):
        app = make_app(sandbox, scopes=COMPANY_SCOPES)
        install_everywhere(sandbox, app)
        yield app, sandbox


@pytest.mark.slow
def test_the_companys_token_reads_what_the_agency_has(sandboxed: tuple[App, Vendor]) -> None:
    app, vendor = sandboxed
    agency = Tenant.company(vendor.company)
    for name in ("companies", "company_locations", "company_users"):
        plan = Plan.objects.create(app=app, location_id=agency.id, resource=name, created_at=clock.now())
        run = start(plan)
        while run.status == Run.Status.RUNNING:
            wake(run)
            runs.advance(run.pk)
            run.refresh_from_db()
            clock.sleep(0.05)  # a quota that is new rests for a moment
        assert (run.status, run.error, run.deleted) == ("complete", "", 0), name
    assert alive("companies") == {agency.id}
    assert alive("company_locations") == set(vendor.locations)
    assert len(alive("company_users")) >= len(vendor.locations)
    synced = InstallationChange.objects.filter(what=InstallationChange.What.SYNCED)
    assert [change.installation.tenant for change in synced] == [agency], "once, when all of its plans had run"
