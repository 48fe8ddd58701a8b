"""Help with a refused call: every refusal has steps, the plan is shown where it matters, a report has no secret."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.core import clock
from integrations.core.errors import NoPermit
from integrations.core.tenant import Tenant, UserType
from integrations.gateway.models import Call
from integrations.gateway.stats import usage_counter
from integrations.gateway.support import refused_call
from integrations.gateway.support.advice_on_refusal import SupportHelp, help_with
from integrations.gateway.support.refused_call import RefusedCall
from integrations.highlevel.http import api_errors
from integrations.highlevel.http.error_rows import ErrorRow
from integrations.highlevel.oauth import oauth_errors
from integrations.highlevel.support import plan_access, remedies
from integrations.highlevel.support.channels import CHANNELS, FORM, IDEAS, SLACK, STATUS
from integrations.tenants.models import App, Company, Installation, Location
from integrations.tokens.models import Credential
from tests.plugin.vendor import Vendor
from tests.support.tables import check_every


def has_steps(row: ErrorRow) -> None:
    steps = remedies.steps(row.kind.code, row.reason)
    assert steps
    assert all(step.channel in (None, *CHANNELS) for step in steps)
    assert all(step.text.rstrip().endswith((".", "?")) for step in steps)


def test_every_refusal_that_is_known_has_steps() -> None:
    check_every([*api_errors.ROWS, *oauth_errors.ROWS], has_steps)
    used = {row.reason for row in (*api_errors.ROWS, *oauth_errors.ROWS)}
    codes = {row.kind.code for row in (*api_errors.ROWS, *oauth_errors.ROWS)}
    elsewhere = {"server_fault", "unreachable", "quota_exhausted"}  # no row of a table makes these
    assert set(remedies.STEPS) <= used | codes | elsewhere, "a row that nothing reads"
    reached = {step.channel for steps in remedies.STEPS.values() for step in steps}
    assert {STATUS, FORM, SLACK, IDEAS} <= reached


def test_the_reason_of_a_stored_refusal_is_found_again() -> None:
    check_every([row for row in api_errors.ROWS if row.reason != "unlisted"], is_found_again)
    assert api_errors.reason_of(503, "HighLevel failed to answer") == ""


def is_found_again(row: ErrorRow) -> None:
    status = next(status for status in range(400, 600) if status in row.statuses)
    assert api_errors.reason_of(status, f"{row.advice}: the vendor's words") == row.reason


def installed(app: App, tenant: Tenant, company: str = "", **fields: Any) -> Installation:
    now = clock.now()
    values: dict[str, Any] = {"status": "installed", "origin": "app", "status_at": now, "created_at": now}
    values["company"] = Company.objects.get_or_create(id=company or tenant.id, defaults={"created_at": now})[0]
    if tenant.kind == "location":
        values["location"] = Location.objects.create(id=tenant.id, company=values["company"], created_at=now)
    return Installation.objects.create(app=app, user_type=tenant.user_type, resource_id=tenant.id, **(values | fields))


def refused(app: App, tenant: Tenant, reason: str, **known: Any) -> SupportHelp:
    found = help_with(RefusedCall(app=app, account=str(tenant), code="request_rejected", reason=reason, **known))
    assert found is not None
    return found


def test_the_plan_is_shown_when_it_may_be_why(app: App, vendor: Vendor) -> None:
    location, agency = Tenant.location(vendor.locations[0]), Tenant.company(vendor.company)
    row = installed(app, location, vendor.company)
    assert refused(app, location, "validation", status=422).plan == ""
    said = refused(app, location, "wrong_kind", status=401).plan
    assert "It is unknown here" in said
    assert "marketplace-installer-details.readonly" in said
    assert "OAuth (API 2.0): Starter: reports differ; Unlimited: reports differ; Agency Pro: yes" in said
    assert plan_access.REPORTED in said
    installed(app, agency, installer={"companyPlan": "agency_annual_297"})
    assert "HighLevel calls it agency_annual_297." in refused(app, location, "unlisted", status=403).plan
    assert refused(app, location, "unlisted", status=400).plan == ""
    Installation.objects.filter(pk=row.pk).update(kind="private")
    assert "a private token of a location (API 2.0): Starter: yes" in refused(app, location, "wrong_kind").plan
    key = refused(app, agency, "api_key_invalid", status=401, operation="api1 GET /locations/").plan
    assert "an API 1.0 key of an agency: Starter: no; Unlimited: no; Agency Pro: yes, if it has one" in key


def test_what_highlevel_has_no_part_in_has_no_help(app: App, location: Credential) -> None:
    tenant = Tenant(UserType.LOCATION, location.resource_id)
    of_error = refused_call.of_error(NoPermit("none is free"), app=app, tenant=tenant, at=clock.now())
    assert help_with(of_error) is None
    assert help_with(RefusedCall(app=app, account="x", code="bad_request")) is None


def report_of(app: App, location: Credential, *arguments: str) -> str:
    with pytest.raises(CommandError) as failed:
        call_command("call", *arguments, "--location", location.resource_id, "--app", app.highlevel_id, "--report")
    return str(failed.value)


def test_a_report_has_what_support_asks_for_and_no_secret(app: App, location: Credential, vendor: Vendor) -> None:
    body = json.dumps({"firstName": "Zebedee", "email": "zebedee at example", "phone": "+15550001111"})
    said = report_of(app, location, "contacts.create-contact", "--body", body)
    assert "What to do:\n1. Change what HighLevel names." in said
    assert FORM.url not in said, "a mistake in a body is none of the form's"
    assert SLACK.url in said
    report = said.partition("Report to copy:\n")[2]
    facts = dict(line.split(": ", 1) for line in report.splitlines()[:-1])
    assert facts["App id"] == app.highlevel_id
    assert facts["Account"] == f"Location {location.resource_id}"
    assert facts["HTTP status"] == "422"
    assert facts["Error code here"] == "request_rejected (validation)"
    assert facts["Trace id"] in said.partition("\n")[0]
    assert not any(word in report for word in ("Zebedee", "zebedee", "5550001111"))
    vendor.fault("/locations", "status", times=None, status=503, body={"message": "down", "traceId": "trace-of-503"})
    said = report_of(app, location, "locations.get-location")
    assert "1. Look whether HighLevel reports an incident." in said
    assert f"status page: {STATUS.url}" in said
    assert "Trace id: trace-of-503" in said
    report = said.partition("Report to copy:\n")[2]
    token = "eyJ"
    assert token not in report


def test_a_local_refusal_has_steps_without_a_report(app: App, location: Credential, company: Credential) -> None:
    Credential.objects.filter(pk=location.pk).update(state=Credential.State.NEEDS_RECONNECT)
    said = report_of(app, location, "contacts.create-contact", "--body", "{}")
    assert "What to do:\n1. " in said
    assert "Report to copy" not in said, "HighLevel was not asked"
    assert FORM.url not in said


def test_json_has_the_help(app: App, location: Credential, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("contacts.get-contact", "--param", "contactId=nobody", "--json")
    with pytest.raises(SystemExit):
        call_command("call", *arguments, "--location", location.resource_id, "--app", app.highlevel_id)
    said = json.loads(capsys.readouterr().out)
    assert said["help"]["steps"][0]["text"]
    assert said["trace_id"] in said["help"]["report"]


@pytest.mark.django_db(transaction=True)
def test_a_report_is_found_later_by_its_trace_id(app: App, location: Credential) -> None:
    report_of(app, location, "contacts.get-contact", "--param", "contactId=nobody")
    usage_counter.flush()
    kept = Call.objects.latest("pk")
    out = io.StringIO()
    call_command("support", kept.trace_id, stdout=out)
    assert f"Trace id: {kept.trace_id}" in out.getvalue()
    assert "Request: GET /contacts/nobody" in out.getvalue()
    found = io.StringIO()
    Credential.objects.filter(pk=location.pk).update(
        last_trace_id="of-a-refresh", last_error_code="grant_revoked", last_error=oauth_errors.INSTALL_AGAIN
    )
    call_command("support", "of-a-refresh", "--json", stdout=found)
    assert "install the app again" in json.loads(found.getvalue())["steps"][0]["text"]
    with pytest.raises(CommandError, match="nothing that HighLevel refused here has the trace id no-such-id"):
        call_command("support", "no-such-id")
    overview = io.StringIO()
    call_command("support", stdout=overview)
    assert all(channel.url in overview.getvalue() for channel in CHANNELS)
    assert "Agency Pro: API 1.0 key of a location" in overview.getvalue()
