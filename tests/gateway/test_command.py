"""`manage.py call`: JSON out, one line and a code when it fails."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.gateway.management.commands.call import Command
from integrations.tenants.models import App
from integrations.tokens.models import Credential
from tests.plugin.vendor import Vendor

Run = Callable[..., str]


@pytest.fixture
def run(app: App, location: Credential) -> Run:
    """What the command prints, for our location."""

    def run(operation: str, *arguments: str, tenant: tuple[str, str] = ("--location", location.resource_id)) -> str:
        out = io.StringIO()
        call_command("call", operation, *tenant, "--app", app.highlevel_id, *arguments, stdout=out)
        return out.getvalue()

    return run


def test_it_prints_json(run: Run, location: Credential) -> None:
    shown = run("locations.get-location")
    assert json.loads(shown)["location"]["id"] == location.resource_id
    assert "\n  " in shown
    assert run("locations.get-location", "--json").count("\n") == 1


def test_for_a_company(run: Run, app: App, company: Credential, vendor: Vendor) -> None:
    shown = run(
        "oauth.get-installed-location", "--param", f"appId={app.highlevel_id}", tenant=("--company", vendor.company)
    )
    assert len(json.loads(shown)["locations"]) == len(vendor.locations)


def test_all_pages_are_one_line_for_each_item(run: Run) -> None:
    lines = run("contacts.search-contacts-advanced", "--all-pages", "--body", '{"pageLimit": 5}').splitlines()
    assert len({json.loads(line)["id"] for line in lines}) == len(lines) == 12
    lines = run("opportunities.search-opportunity", "--all-pages", "--param", "limit=1").splitlines()
    assert len(lines) > 1
    assert all(json.loads(line)["id"] for line in lines)


@pytest.mark.parametrize("how", ["text", "file", "stdin"])
def test_a_body_may_come_from_three_places(run: Run, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps({"firstName": "Zoë", "email": "zoe@example.com"}, ensure_ascii=False)
    file = tmp_path / "body.json"
    file.write_text(text, encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    given = {"text": text, "file": f"@{file}", "stdin": "-"}[how]
    assert json.loads(run("contacts.create-contact", "--body", given))["contact"]["firstName"] == "Zoë"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["contacts.get-contact"], "bad_request: .*contactId"),
        (["contacts.get-contakt"], "bad_request: "),
        (["contacts.get-contact", "--param", "contactId=nobody"], r"request_rejected: .*\(trace id "),
        (["contacts.get-contact", "--param", "contactId"], "NAME=VALUE"),
        (["contacts.get-contact", "--param", "=x"], "NAME=VALUE"),
        (["contacts.create-contact", "--body", "{"], "--body is not JSON"),
        (["contacts.create-contact", "--body", "@/no/such/file"], "No such file"),
        (["locations.get-location", "--all-pages"], "no pages"),
    ],
)
def test_a_failure_is_one_line(run: Run, arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message) as failed:
        run(*arguments)
    assert "\n" not in str(failed.value)


def test_an_unknown_app(run: Run) -> None:
    with pytest.raises(CommandError, match="no marketplace app"):
        run("locations.get-location", "--app", "nobodys")


@pytest.mark.parametrize("tenant", [(), ("--location", "a", "--company", "b")])
def test_exactly_one_tenant(run: Run, tenant: Any) -> None:
    with pytest.raises(CommandError):
        run("locations.get-location", tenant=tenant)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("as_json", [False, True])
def test_the_exit_code(app: App, location: Credential, as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["manage.py", "call", "contacts.get-contact", "--location", location.resource_id]
    words += ["--app", app.highlevel_id, "--param", "contactId=nobody", *(["--json"] if as_json else [])]
    with pytest.raises(SystemExit) as left:
        Command().run_from_argv(words)
    assert left.value.code == 1
    out, err = capsys.readouterr()
    if as_json:
        said = json.loads(out)
        assert (said["error"], said["operation"]) == ("request_rejected", "contacts.get-contact")
        assert said["trace_id"]
    else:
        assert out == ""
        assert err.count("\n") == 1
