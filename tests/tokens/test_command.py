"""`manage.py refresh`: one tenant's token now, or all that are due, with a line for each."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from integrations.core.models import AuditEntry
from integrations.tokens.models import Credential
from tests.plugin.vendor import Vendor
from tests.tokens import rows

pytestmark = pytest.mark.django_db(transaction=True)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("refresh", *arguments, stdout=out)
    return out.getvalue()


def refresh(row: Credential, flag: str, *more: str) -> str:
    return run(flag, row.resource_id, "--app", row.app.client_id, *more)


def test_a_location_gets_a_new_pair_though_it_is_not_due(location: Credential) -> None:
    said = refresh(location, "--location")
    before = location.generation
    location.refresh_from_db()
    assert location.generation == before + 1
    assert said.startswith(f"Location:{location.resource_id}: active, generation {location.generation}, good until 20")
    asked = AuditEntry.objects.get(action="token.refresh_requested")
    assert (asked.actor, asked.subject) == ("command line", f"Location:{location.resource_id}")


def test_a_company_speaks_json_and_shows_no_token(company: Credential) -> None:
    (reported,) = json.loads(refresh(company, "--company", "--json"))
    assert (reported["tenant"], reported["state"], reported["error"]) == (
        f"Company:{company.resource_id}",
        "active",
        None,
    )
    assert set(reported) == {"tenant", "state", "generation", "expires_at", "error_code", "error"}


def test_without_an_id_those_that_are_due_are_refreshed(location: Credential, neighbour: Credential) -> None:
    assert run().strip() == "no token is due"
    rows.expire(neighbour)
    assert [line.partition(": ")[0] for line in run().splitlines()] == [f"Location:{neighbour.resource_id}"]
    before = location.generation
    location.refresh_from_db()
    assert location.generation == before, "it was not due"


def test_a_dead_grant_is_printed_and_fails(location: Credential, vendor: Vendor) -> None:
    out = io.StringIO()
    vendor.fault("/oauth/token", "status", status=400, body={"error": "invalid_grant"})
    with pytest.raises(SystemExit) as ended:
        call_command("refresh", "--location", location.resource_id, "--app", location.app.client_id, stdout=out)
    assert ended.value.code == 1
    assert out.getvalue().startswith(f"Location:{location.resource_id}: needs_reconnect, ")


def test_what_has_no_token_is_one_line(location: Credential) -> None:
    with pytest.raises(CommandError, match=r"the app has no token for it: `manage\.py status` lists"):
        run("--location", "nowhere", "--app", location.app.client_id)
    Credential.objects.filter(pk=location.pk).update(state="revoked", access_sealed=None, refresh_sealed=None)
    with pytest.raises(CommandError, match="is revoked: it has no token to refresh"):
        refresh(location, "--location")
    Credential.objects.filter(pk=location.pk).update(state="active", kind="private")
    with pytest.raises(
        CommandError, match=r"the private integration token of Location .* cannot be refreshed: replace it"
    ):
        refresh(location, "--location")
