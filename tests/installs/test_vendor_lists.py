"""The books follow the vendor's where a notice is lost, late, of another clock, or about another company."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from integrations.console.doctor.standing_checks import installations as installations_check
from integrations.core.models import AuditEntry
from integrations.installs import events, location_events, queries, reconcile, uninstall, vendor_list
from integrations.quota.permits.queries import Snapshot
from integrations.tenants.models import Installation, Location
from integrations.tokens.models import Credential
from integrations.tokens.refresh.claim_call_swap import mint
from tests.installs.story import Begin, Story, begin

__all__ = ["begin"]

ROOT = Path(__file__).resolve().parents[2]

Status = Installation.Status
BEHIND = timedelta(seconds=-6)


@pytest.fixture
def story(begin: Begin) -> Story:
    return begin(timedelta(0))


def row(resource_id: str) -> Installation:
    return Installation.objects.select_related("app", "company", "location", "parent").get(resource_id=resource_id)


def statuses(*resource_ids: str) -> set[str]:
    return set(Installation.objects.filter(resource_id__in=resource_ids).values_list("status", flat=True))


@pytest.fixture
def agency(story: Story) -> str:
    """An agency with six locations and the app on all of them, at rest: notices delivered, reconciled."""
    agency = story.companies[0]
    for number in range(10, 14):
        story.vendor.add_location(agency, f"more{number}of{story.number}")
    story.install_agency(agency)
    return agency


def below(story: Story, agency: str) -> list[str]:
    return sorted(key for key, place in story.vendor.places.items() if place.company == agency)


def test_an_uninstall_by_a_clock_behind_ours_is_checked_by_one_call(begin: Begin) -> None:
    story = begin(BEHIND)
    location = sorted(story.vendor.places)[0]
    story.install_alone(location)
    story.step("rename", 0, 0)
    story.vendor.uninstall_location(location)
    (left,) = [event for event in story.vendor.events if event[0]["type"] == "UNINSTALL"]
    assert left[1] < (row(location).confirmed_at or left[1]), "the vendor's stamp is older than the grant"
    story.vendor.calls.clear()
    for _ in range(3):
        events.uninstalled(story.app, *left)
    assert (row(location).status, row(location).doubt) == (Status.INSTALLED, "event")
    story.reconcile_due()
    assert row(location).status == Status.UNINSTALLED
    asked = [f"/locations/{location}", "/oauth/token"]
    assert story.vendor.calls == asked, "once, however often it comes; a refusal is confirmed by the other token"
    assert Credential.objects.get(resource_id=location).state == "revoked"


def test_a_late_uninstall_of_the_installation_before_is_checked_and_dropped(story: Story) -> None:
    location = sorted(story.vendor.places)[0]
    story.vendor.install_location(location)
    story.vendor.uninstall_location(location)
    late = story.vendor.events[-1]
    story.step("rename", 0, 0)
    story.install_alone(location)
    story.vendor.calls.clear()
    events.uninstalled(story.app, *late)
    story.reconcile_due()
    assert (row(location).status, row(location).doubt) == (Status.INSTALLED, "")
    assert story.vendor.calls == [f"/locations/{location}"], "exactly one call"


def test_an_agencys_uninstall_takes_a_location_along_that_was_installed_on_its_own(story: Story) -> None:
    first, *_ = below(story, story.companies[0])
    other, *_ = below(story, story.companies[1])
    story.install_alone(first)
    story.install_alone(other)
    story.elapsed += timedelta(seconds=1)
    events.uninstalled(story.app, {"companyId": story.companies[0]}, story.now())
    assert row(story.companies[0]).status == Status.UNINSTALLED, "a tombstone: the agency itself was never here"
    assert (row(first).status, row(other).status) == (Status.UNINSTALLED, Status.INSTALLED)


def test_a_lost_uninstall_of_an_agency_heals(story: Story, agency: str) -> None:
    story.vendor.uninstall_company(agency)
    story.vendor.events.clear()
    story.reconcile()
    assert statuses(agency, *below(story, agency)) == {Status.UNINSTALLED}


def test_a_lost_grant_is_no_uninstall(story: Story, agency: str) -> None:
    """The refresh token is refused, but the access token works: the app is installed, and data stay."""
    refused = Credential.objects.filter(resource_id=agency)
    refused.update(state=Credential.State.NEEDS_RECONNECT, reason="lost")
    story.reconcile()
    assert statuses(agency, *below(story, agency)) == {Status.INSTALLED}


def test_a_pending_location_that_the_vendor_does_not_list_ends(story: Story, agency: str) -> None:
    stranger = f"stranger{story.number}"
    events.installed(story.app, {"locationId": stranger, "companyId": agency}, story.now())
    assert row(stranger).status == Status.PENDING
    story.vendor.places[stranger] = type(story.vendor.places[below(story, agency)[0]])(agency, "not installed")
    story.reconcile()
    assert row(stranger).status == Status.UNINSTALLED


# --- The brake ---------------------------------------------------------------------------------------------------


def test_when_many_vanish_each_ones_token_is_asked(story: Story, agency: str) -> None:
    locations = below(story, agency)
    for location in locations:
        story.vendor.uninstall_location(location)
    story.vendor.events.clear()
    story.vendor.calls.clear()
    story.reconcile()
    assert statuses(*locations) == {Status.UNINSTALLED}
    asked = [path for path in story.vendor.calls if path.startswith("/locations/")]
    assert sorted(asked) == sorted(f"/locations/{location}" for location in locations), "one call per location"


@pytest.fixture
def braked(story: Story, agency: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The vendor's list is empty, while the tokens of all locations work."""
    monkeypatch.setattr(story.vendor, "listed", lambda _: False)
    story.reconcile()
    locations = below(story, agency)
    assert statuses(*locations) == {Status.INSTALLED}
    assert row(agency).missing == len(locations)
    return locations


def test_what_the_tokens_contradict_is_reported_to_the_operator_and_kept(
    story: Story, agency: str, braked: list[str]
) -> None:
    story.reconcile()
    assert AuditEntry.objects.filter(action="install.brake", subject=f"Company:{agency}").count() == 1, "one entry"
    (finding,) = installations_check()
    assert (finding.level, f"installs release {agency}" in finding.fix) == ("warning", True)
    out = StringIO()
    call_command("installs", "list", stdout=out)
    assert f"{len(braked)} missing" in out.getvalue()


def test_the_command_lets_them_go(story: Story, agency: str, braked: list[str]) -> None:
    out = StringIO()
    call_command("installs", "release", agency, "--json", stdout=out)
    assert f'"released": {len(braked)}' in out.getvalue()
    story.reconcile_due()
    assert statuses(*braked) == {Status.UNINSTALLED}
    assert row(agency).released_at is None, "for this time only"
    with pytest.raises(CommandError, match="nothing to release"):
        call_command("installs", "release", agency)


def test_the_button_lets_them_go(story: Story, agency: str, braked: list[str], client: Client) -> None:
    client.force_login(User.objects.create_superuser("op"))
    address = reverse("admin:tenants_installation_release", args=[row(agency).pk])
    assert "are missing from HighLevel" in client.get(address).content.decode()
    client.post(address, {"_form_submitted": "True"})
    story.reconcile_due()
    assert statuses(*braked) == {Status.UNINSTALLED}
    assert AuditEntry.objects.get(action="install.brake_released").actor == "operator op"


def test_the_brake_ends_by_itself_with_a_complete_list(
    story: Story, agency: str, braked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story.vendor, "listed", lambda _: True)
    story.reconcile()
    assert (row(agency).braked_at, row(agency).missing) == (None, 0)
    assert not Installation.objects.doubted().exists()
    assert statuses(*braked) == {Status.INSTALLED}


# --- Transfers ---------------------------------------------------------------------------------------------------


@pytest.fixture
def moved(story: Story) -> str:
    """A location that moved from the first agency to the second, by its LocationUpdate alone."""
    for company in story.companies:
        story.install_agency(company)
    location = below(story, story.companies[0])[0]
    story.vendor.transfer(location, story.companies[1])
    (update,) = [event for event in story.vendor.events if event[0]["type"] == "LocationUpdate"]
    story.vendor.events.clear()
    location_events.changed(story.app, *update)
    story.reconcile_due()
    return location


def test_a_moved_location_gets_its_token_from_its_new_company(story: Story, moved: str) -> None:
    found, credential = row(moved), Credential.objects.get(resource_id=moved)
    assert (found.status, found.generation, found.doubt) == (Status.INSTALLED, 1, "")
    assert (found.company_id, found.parent, credential.company_id) == (
        story.companies[1],
        row(story.companies[1]),
        story.companies[1],
    )
    assert not AuditEntry.objects.filter(action="install.removed").exists(), "its data stay"
    assert AuditEntry.objects.filter(action="install.moved", subject=f"Location:{moved}").count() == 1
    story.check()


@pytest.mark.parametrize("touch", ["list", "late list", "uninstall", "grant", "late install"])
def test_its_old_company_does_not_touch_it_again(story: Story, moved: str, touch: str) -> None:
    old = story.companies[0]
    if touch == "list":
        reconcile.reconcile(row(old).pk)
    elif touch == "late list":  # the vendor's list of the old company has it still
        story.vendor.also_listed[old] = moved
        reconcile.reconcile(row(old).pk)
    elif touch == "uninstall":
        story.vendor.uninstall_company(old)
        events.uninstalled(story.app, {"companyId": old}, story.now())
    elif touch == "grant":
        story.vendor.install_company(old)
        story.step("callback", len(story.vendor.codes) - 1, 0)
    else:
        events.installed(story.app, {"locationId": moved, "companyId": old}, story.now() - timedelta(minutes=1))
    story.reconcile_due()
    assert (row(moved).status, row(moved).company_id) == (Status.INSTALLED, story.companies[1])
    assert Credential.objects.get(resource_id=moved).company_id == story.companies[1]


@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize("first", ["the old company's list", "the new company's list"])
def test_a_transfer_of_which_no_event_came_is_found_by_one_list(story: Story, first: str, stated: bool) -> None:
    """Whichever company's list is read first: the locations move at once, and their data stay.

    `stated`: an event or a grant named the old company. Else only its list did.
    """
    for company in story.companies:
        story.install_agency(company)
    old, new = story.companies
    moved = below(story, old)
    Location.objects.filter(pk__in=moved).update(stated_at=story.now() if stated else None)
    for location in moved:
        story.vendor.transfer_silently(location, new)
    story.elapsed += timedelta(minutes=1)
    reconcile.reconcile(row(old if "old" in first else new).pk)
    story.reconcile_due()
    assert {(row(location).company_id, row(location).generation) for location in moved} == {(new, 1)}
    assert not AuditEntry.objects.filter(action="install.removed").exists()
    story.check()


def test_a_location_without_a_company_here_moves_to_the_one_that_lists_it(story: Story) -> None:
    """Its own token is of no use any more, since its installation ended with the move."""
    old, new = story.companies
    story.install_agency(new)
    location = below(story, old)[0]
    story.install_alone(location)
    story.vendor.transfer_silently(location, new)
    credentials = Credential.objects.filter(resource_id=location)
    credentials.update(expires_at=story.now(), state="needs_reconnect", refresh_due_at=None)
    story.elapsed += timedelta(days=2)
    reconcile.reconcile(row(new).pk)
    story.reconcile_due()
    assert (row(location).status, row(location).company_id) == (Status.INSTALLED, new)
    assert credentials.get().state == "active"
    story.check()


# --- Credentials that need a reconnect ---------------------------------------------------------------------------


def needs_reconnect(location: str) -> None:
    Credential.objects.filter(resource_id=location).update(state="needs_reconnect", refresh_due_at=None)


def test_the_list_of_its_company_brings_back_a_location_that_lost_its_token(story: Story, agency: str) -> None:
    location = below(story, agency)[0]
    needs_reconnect(location)
    reconcile.reconcile(row(agency).pk)
    credential = Credential.objects.get(resource_id=location)
    assert credential.refresh_due_at is not None
    mint(credential.pk)
    story.check()


def test_the_list_of_its_company_ends_one_whose_uninstall_was_lost_for_days(story: Story, agency: str) -> None:
    location = below(story, agency)[0]
    story.vendor.uninstall_location(location)
    needs_reconnect(location)
    story.elapsed += timedelta(days=2)
    reconcile.reconcile(row(agency).pk)
    assert row(location).status == Status.UNINSTALLED
    assert Credential.objects.get(resource_id=location).state == "revoked"


def test_a_refused_refresh_token_alone_ends_no_installation(story: Story, agency: str) -> None:
    """After a database was restored every refresh token here is used already, and every app is still installed."""
    tokens = Credential.objects.filter(resource_id__in=[agency, *below(story, agency)])
    tokens.update(expires_at=story.now())
    story.vendor.spent |= set(story.vendor.tokens)
    story.elapsed += timedelta(days=2)
    story.reconcile()
    assert statuses(agency, *below(story, agency)) == {Status.INSTALLED}
    assert {one.state for one in tokens} == {"needs_reconnect"}
    story.vendor.install_company(agency)
    story.step("callback", len(story.vendor.codes) - 1, 0)
    for one in tokens.filter(user_type="Location", state="needs_reconnect"):
        mint(one.pk)  # what the dispatcher has done: they are due
    story.reconcile()
    story.check()


# --- INSTALL without a company -----------------------------------------------------------------------------------


def test_an_install_without_company_asks_each_agency_once(story: Story) -> None:
    for company in story.companies:
        story.install_agency(company)
    story.vendor.calls.clear()
    stranger = f"stranger{story.number}"
    for _ in range(10):
        events.installed(story.app, {"locationId": stranger}, story.now())
        story.reconcile_due()
    assert story.vendor.calls == ["/oauth/installedLocations"] * 2
    assert row(stranger).status == Status.PENDING
    story.elapsed += timedelta(hours=2)
    Installation.objects.filter(resource_id=stranger).update(reconcile_due_at=story.now())
    story.reconcile_due()
    assert row(stranger).status == Status.UNINSTALLED, "no company lists it, and no grant came"


def test_the_agency_that_lists_it_takes_it(story: Story) -> None:
    for company in story.companies:
        story.install_agency(company)
    new = f"new{story.number}"
    story.vendor.add_location(story.companies[1], new)
    install = story.vendor.events[-1]
    story.vendor.events.clear()
    story.vendor.calls.clear()
    events.installed(story.app, *install)
    story.reconcile_due()
    assert (row(new).status, row(new).company_id) == (Status.INSTALLED, story.companies[1])
    assert story.vendor.calls == ["/oauth/installedLocations"] * 2 + ["/oauth/locationToken"]


# --- What the vendor says of an installation ---------------------------------------------------------------------


def test_update_plan_change_and_location_update_are_kept(story: Story, agency: str) -> None:
    location = below(story, agency)[0]
    at = story.now()
    named = {"locationId": location, "companyId": agency, "userId": "u1"}
    events.updated(story.app, named | {"versionId": "v7", "previousVersionId": "v1", "planId": "p2"}, at)
    assert (row(location).version_id, row(location).plan_id) == ("v7", "p2")
    events.plan_changed(story.app, named | {"currentPlanId": "p2", "newPlanId": "p9"}, at)
    events.plan_changed(story.app, named | {"currentPlanId": "p0", "newPlanId": "p1"}, at - timedelta(hours=1))
    assert row(location).plan_id == "p9", "an older change does not undo a newer one"
    renamed = {"id": location, "companyId": agency, "name": "Renamed Ltd"}
    location_events.changed(story.app, renamed, at)
    location_events.changed(story.app, renamed | {"name": "Old"}, at - timedelta(hours=1))
    assert str(row(location).location) == "Renamed Ltd"


def test_an_update_of_a_tenant_that_is_not_here_announces_it(story: Story) -> None:
    location = sorted(story.vendor.places)[0]
    events.updated(story.app, {"locationId": location, "versionId": "v7"}, story.now())
    assert (row(location).status, row(location).version_id) == (Status.PENDING, "v7")


def test_a_location_update_of_a_stranger_is_not_kept(story: Story) -> None:
    location_events.changed(story.app, {"id": "foreign", "companyId": "other", "name": "x"}, story.now())
    assert not Location.objects.filter(pk="foreign").exists()


# --- Removed here ------------------------------------------------------------------------------------------------


def test_what_an_operator_removed_stays_removed_until_it_is_installed_again(story: Story, agency: str) -> None:
    location = below(story, agency)[0]
    uninstall.removed(row(location), at=story.now(), actor="operator op")
    story.reconcile()
    assert row(location).status == Status.UNINSTALLED
    story.elapsed += timedelta(minutes=10)
    events.installed(story.app, {"locationId": location, "companyId": agency}, story.now())
    story.reconcile_due()
    assert (row(location).status, row(location).removed_at) == (Status.INSTALLED, None)


# --- How often ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pages", "day_limit", "hours"), [(1, None, 0.75), (50, 200_000, 0.75), (50, 10_000, 2.0), (1_000, None, 2.0)]
)
def test_a_list_is_read_within_the_hour_and_within_its_share_of_the_day(
    story: Story, monkeypatch: pytest.MonkeyPatch, pages: int, day_limit: int | None, hours: float
) -> None:
    known = Snapshot(100, 100, 10_000, day_limit, None, 0)
    monkeypatch.setattr(reconcile.quota, "snapshot", lambda *_: known)
    monkeypatch.setattr(reconcile.random, "uniform", lambda *_: 1.0)
    events.installed(story.app, {"companyId": "c"}, story.now())
    assert reconcile._interval(row("c"), pages) == timedelta(hours=hours)


def test_the_documented_waits_are_those_of_the_reconciler(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs/decisions/16-two-clocks-and-a-question.md").read_text()
    rows = re.findall(r"^\| ([\d,]+) \| ([\d,]+) \| (\d+) min \|$", text, re.MULTILINE)
    assert len(rows) == 5
    monkeypatch.setattr(reconcile.random, "uniform", lambda _, longest: longest)
    events.installed(story.app, {"companyId": "c"}, story.now())
    for row_of_doc in rows:
        locations, day_limit, minutes = (int(number.replace(",", "")) for number in row_of_doc)
        known = Snapshot(100, 100, 10_000, day_limit, None, 0)
        monkeypatch.setattr(reconcile.quota, "snapshot", lambda *_, known=known: known)
        assert reconcile._interval(row("c"), locations // 100) == timedelta(minutes=minutes), row_of_doc


def test_progress_is_visible_while_locations_are_connected(story: Story, agency: str) -> None:
    locations = below(story, agency)
    Installation.objects.filter(resource_id__in=locations[:2]).update(status=Status.PENDING)
    (shown,) = [found for found in queries.companies() if found.installation.resource_id == agency]
    assert (shown.connected, shown.total) == (len(locations) - 2, len(locations))
    assert queries.progress(row(agency)).connected == shown.connected


def test_new_locations_are_due_when_their_permits_are_likely_to_be_free(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    events.installed(story.app, {"companyId": "c"}, story.now())
    known = Snapshot(limit=100, free=2, interval_ms=10_000, day_limit=None, day_remaining=None, day_used=0)
    monkeypatch.setattr(vendor_list.quota, "snapshot", lambda *_: known)
    pace = vendor_list._Pace(vendor_list.Reading.of(row("c")))
    first, *later = [pace.next_due() for _ in range(5)]
    assert [(due - first).total_seconds() for due in later] == pytest.approx([0.0, 0.09, 0.18, 0.27])
