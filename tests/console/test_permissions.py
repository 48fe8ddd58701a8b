"""Scopes and versions on pages and in commands: installation, dashboard, doctor, embed, versions with their export."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from integrations.console.doctor.permission_check import permissions_and_versions
from integrations.console.embed import tenant_state
from integrations.console.embed.sso_session import EmbeddedUser
from integrations.core import clock
from integrations.core.models import AuditEntry
from integrations.installs import events
from integrations.installs.register import finish_pending
from integrations.jobs import define, installed, schedules
from integrations.jobs.define import background_job
from integrations.jobs.models import Schedule
from integrations.sync import plans
from integrations.sync.models import Plan
from integrations.tenants import history, lifecycle_hooks
from integrations.tenants.app_version import AppVersion
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import App, Company, Installation
from integrations.tokens import scope_gaps, store
from integrations.tokens.models import Credential
from tests.support.signed import sign
from tests.sync.conftest import LOCATION
from tests.sync.conftest import app as app
from tests.sync.conftest import installation as installation

pytestmark = pytest.mark.django_db


@pytest.fixture
def lacking(app: App, installation: Installation) -> Installation:
    """The location granted contacts and no opportunities; the app asks for both."""
    App.objects.update(scopes="contacts.readonly opportunities.readonly")
    store.get_or_create(store.location(app, LOCATION), company_id="", now=clock.now())
    Credential.objects.update(scopes="contacts.readonly")
    Installation.objects.update(claimed_at=clock.now(), claimed_by="user u")
    return Installation.objects.select_related("app").get()


def test_plans_follow_the_grant(lacking: Installation) -> None:
    plans.make(lacking.app_id, LOCATION)
    assert set(Plan.objects.values_list("resource", flat=True)) == {"contacts"}
    Credential.objects.update(scopes="opportunities.readonly")
    plans.make(lacking.app_id, LOCATION)
    due = {plan.resource: plan.due_at is not None or plan.runs.exists() for plan in Plan.objects.all()}
    assert due.keys() == {"contacts", "opportunities", "pipelines"}
    Credential.objects.update(scopes="calendars.write")
    Plan.objects.all().delete()
    assert plans.find_mismatches() == ([], []), "what may sync nothing is not looked at again and again"


def test_changed_scopes_make_plans(lacking: Installation) -> None:
    Installation.objects.update(sync_due_at=None)
    assert plans.apply_scope_change in lifecycle_hooks.HOOKS["scopes_changed"].values()
    history.add(lacking.change(InstallationChange.What.SCOPES, clock.now()))
    for pk in lifecycle_hooks.take_due(10, clock.now()):
        lifecycle_hooks.deliver(pk)
    assert Installation.objects.get(resource_id=LOCATION).sync_due_at is not None


def test_a_job_runs_only_where_its_scopes_are_granted(lacking: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: dict[str, Any] = {}
    for module in (define, installed, schedules):
        monkeypatch.setattr(module, "JOBS", jobs)
    needs: dict[str, Any] = {}
    monkeypatch.setattr(scope_gaps, "NEEDS", needs)
    background_job("tests.tag", every=timedelta(hours=1), scopes=("contacts.write",))(lambda run: None)
    scope_gaps.need("job tests.tag", "Location", {"contacts.write"})
    schedules.create_missing(clock.now())
    Schedule.objects.update(due_at=clock.now())
    sign(Schedule)
    assert schedules.start_due(clock.now()) == []
    assert schedules.run_now(Schedule.objects.all(), clock.now()) == []
    assert scope_gaps.disabled(lacking, scope_gaps.of(lacking)) == ["job tests.tag"]
    Credential.objects.update(scopes="contacts.readonly contacts.write")
    assert len(schedules.start_due(clock.now())) == 1


@pytest.mark.slow
def test_the_gap_is_on_every_page(lacking: Installation, operator_client: Client) -> None:
    page = operator_client.get(f"/admin/tenants/installation/{lacking.pk}/change/").content.decode()
    assert "opportunities.readonly; disabled: sync of opportunities, sync of pipelines" in page
    assert "/install/again/" in page
    found = operator_client.get("/admin/tenants/installation/?scopes=missing").content.decode()
    assert LOCATION in found
    assert "Missing scopes" in operator_client.get("/admin/").content.decode()
    (finding,) = permissions_and_versions()
    assert (finding.level, "1 installation lacks" in finding.found) == ("warning", True)
    user = EmbeddedUser(lacking.app_id, "com", LOCATION, "u", is_admin=True, is_agency=False)
    state = tenant_state.state(user)
    assert state["missing_scopes"] == ["opportunities.readonly"]
    assert state["disabled"] == ["sync of opportunities", "sync of pipelines"]
    assert state["consent_url"].startswith("https://app.example.com/install/again/")
    Credential.objects.update(scopes="contacts.readonly opportunities.readonly")
    assert tenant_state.state(user)["consent_url"] is None
    assert [finding.level for finding in permissions_and_versions()] == ["ok"]


@pytest.fixture
def versions(app: App) -> App:
    """Two locations on v1 and one on v2, which came later; v1 ends in ten days."""
    Company.objects.create(id="com", name="=HYPERLINK(1)", created_at=clock.now())
    now = clock.now()
    for number, version in enumerate(("v1", "v1", "v2")):
        named = {"locationId": f"loc{number}", "companyId": "com", "versionId": version}
        events.installed(app, named, now + timedelta(hours=2 * number), event_id=f"e{number}")
        finish_pending(Installation.objects.get(resource_id=f"loc{number}"), at=now)
    AppVersion.objects.filter(version_id="v1").update(deprecated_at=now + timedelta(days=10, hours=1), number="1.0.0")
    return app


@pytest.mark.slow
def test_versions_with_laggards_countdown_and_export(versions: App, operator_client: Client) -> None:
    page = operator_client.get("/admin/tenants/appversion/").content.decode()
    assert all(text in page for text in ("newest", "deprecated", "in 10 days"))
    out = io.StringIO()
    call_command("installs", "versions", "--json", stdout=out)
    shown = {row["version_id"]: row for row in json.loads(out.getvalue())}
    assert (shown["v1"]["locations"], shown["v1"]["newest"], shown["v1"]["days_left"]) == (2, False, 10)
    assert (shown["v2"]["locations"], shown["v2"]["newest"]) == (1, True)
    first = AppVersion.objects.get(version_id="v1")
    answer = operator_client.get(f"/admin/tenants/appversion/{first.pk}/installations.csv")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))
    assert [row["id"] for row in rows] == ["loc0", "loc1"]
    assert rows[0]["company"] == "'=HYPERLINK(1)", "no formula for a spreadsheet"
    assert AuditEntry.objects.filter(action="version.exported").exists()
    exported = io.StringIO()
    call_command("installs", "export", "1.0.0", stdout=exported)
    assert exported.getvalue().count("location,loc") == 2
    with pytest.raises(CommandError, match="no version v9"):
        call_command("installs", "export", "v9")
    assert "On deprecated versions" in operator_client.get("/admin/").content.decode()
    assert any("uninstalled" in finding.found for finding in permissions_and_versions())


def test_an_operator_enters_what_the_portal_shows(versions: App, operator_client: Client) -> None:
    first = AppVersion.objects.get(version_id="v2")
    entered = {
        "number": "2.0.0",
        "scopes": "contacts.write",
        "reason": "",
        "deprecated_at_0": "",
        "deprecated_at_1": "",
    }
    assert operator_client.post(f"/admin/tenants/appversion/{first.pk}/change/", entered).status_code == 302
    first.refresh_from_db()
    assert (first.number, first.scopes) == ("2.0.0", "contacts.write")
    assert "/delete/" not in operator_client.get(f"/admin/tenants/appversion/{first.pk}/change/").content.decode()
    assert operator_client.post(f"/admin/tenants/appversion/{first.pk}/delete/", {"post": "yes"}).status_code == 403
    changed = {"number": ["", "2.0.0"], "scopes": ["", "contacts.write"]}
    assert AuditEntry.objects.get(action="version.changed").detail["changed"] == changed


def test_the_history_is_a_page(versions: App, operator_client: Client) -> None:
    page = operator_client.get("/admin/tenants/installationchange/").content.decode()
    assert "Location loc2" in page
    assert re.search(r"\d\s+changes? of (an )?installations?", page.replace("&nbsp;", " "))
    change = InstallationChange.objects.first()
    assert change is not None
    assert operator_client.get(f"/admin/tenants/installationchange/{change.pk}/change/").status_code == 200
