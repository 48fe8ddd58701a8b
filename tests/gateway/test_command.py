"""`manage.py call`: JSON out, one line and a code when it fails."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.core.errors import IntegrationError, QuotaExhausted
from integrations.gateway import client
from integrations.gateway.jmespath_output import lines
from integrations.gateway.management.commands.call import Command
from integrations.tenants.models import App
from integrations.tokens.models import Credential
from tests.plugin.vendor import Vendor
from tests.support.own_sleep import replace_sleep

Run = Callable[..., str]
ROOT = Path(__file__).resolve().parents[2]


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


def test_tokens_are_not_printed_and_a_file_has_the_answer_as_it_came(
    run: Run, company: Credential, vendor: Vendor, tmp_path: Path
) -> None:
    mint = (
        "oauth.get-location-access-token",
        "--body",
        json.dumps({"companyId": vendor.company, "locationId": vendor.locations[0]}),
    )
    agency = ("--company", vendor.company)
    shown = json.loads(run(*mint, tenant=agency))
    assert (shown["token_type"], shown["locationId"]) == ("Bearer", vendor.locations[0])
    assert set(shown["access_token"]) <= set("‹› characters0123456789")
    assert run(*mint, "--field", "access_token", tenant=agency).strip() == shown["access_token"]
    run(*mint, "--out", str(tmp_path / "answer"), tenant=agency)
    assert len(json.loads((tmp_path / "answer").read_text())["access_token"]) > 40


def test_all_pages_are_one_line_for_each_item(run: Run) -> None:
    lines = run("contacts.search-contacts-advanced", "--all-pages", "--body", '{"pageLimit": 5}').splitlines()
    assert len({json.loads(line)["id"] for line in lines}) == len(lines) == 12
    lines = run("opportunities.search-opportunity", "--all-pages", "--param", "limit=1").splitlines()
    assert len(lines) > 1
    assert all(json.loads(line)["id"] for line in lines)


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits of a second or more (a permit has some milliseconds), without waiting."""
    waits: list[float] = []
    replace_sleep(monkeypatch, lambda seconds: waits.append(seconds) if seconds >= 1.0 else None)
    return waits


def refusing(monkeypatch: pytest.MonkeyPatch, times: int, wait: float) -> None:
    """No permit for the second page, so many times."""
    page, left = client.page, [None] * times

    def refused(*arguments: Any, cursor: Any, **how: Any) -> client.Page:
        if cursor and left:
            left.pop()
            raise QuotaExhausted("none is free", retry_after=wait)
        return page(*arguments, cursor=cursor, **how)

    monkeypatch.setattr(client, "page", refused)


def test_a_listing_waits_for_quota_and_goes_on(
    run: Run, waited: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refusing(monkeypatch, times=2, wait=12.4)
    ids = run("contacts.search-contacts-advanced", "--all-pages", "--body", '{"pageLimit": 5}', "--field", "id")
    assert len(set(ids.splitlines())) == 12
    assert waited == [12.4, 12.4]
    assert capsys.readouterr().err.splitlines() == ["no quota is free: continuing in 12 s"] * 2


@pytest.mark.parametrize(("times", "wait", "waits"), [(9, 1.0, 5), (1, 40_000.0, 0)], ids=["for ever", "for a day"])
def test_a_listing_does_not_wait(
    run: Run, waited: list[float], monkeypatch: pytest.MonkeyPatch, times: int, wait: float, waits: int
) -> None:
    refusing(monkeypatch, times=times, wait=wait)
    with pytest.raises(CommandError, match=rf"quota_exhausted: none is free\nagain in {wait:.0f} s"):
        run("contacts.search-contacts-advanced", "--all-pages", "--body", '{"pageLimit": 5}')
    assert waited == [wait] * waits


def test_a_field_is_chosen(run: Run, location: Credential) -> None:
    ours = location.resource_id
    assert run("locations.get-location", "--field", "location.id") == f"{ours}\n"
    assert run("locations.get-location", "--field", "location.id", "--json") == f'"{ours}"\n'
    ids = run("contacts.get-contacts", "--field", "contacts[].id", "--param", "limit=5").splitlines()
    assert len(set(ids)) == 5
    rows = run("contacts.get-contacts", "--field", "contacts[].[id, locationId]", "--param", "limit=5").splitlines()
    assert [row.split("\t") for row in rows] == [[one, ours] for one in ids]


def test_a_field_is_chosen_of_each_item_of_all_pages(run: Run, location: Credential, tmp_path: Path) -> None:
    asked = ("contacts.search-contacts-advanced", "--all-pages", "--body", '{"pageLimit": 5}')
    ids = [json.loads(line)["id"] for line in run(*asked).splitlines()]
    assert run(*asked, "--field", "id").splitlines() == ids
    rows = run(*asked, "--field", "[[id, locationId]]").splitlines()
    assert rows == [f"{one}\t{location.resource_id}" for one in ids]
    to = tmp_path / "ids"
    assert json.loads(run(*asked, "--field", "id", "--out", str(to))) == {"path": str(to), "lines": 12}
    assert to.read_text().splitlines() == ids


def test_an_item_without_the_field_keeps_its_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    page = client.Page([{"id": "1", "email": "a@example.com"}, {"id": "2"}, {"id": "3", "email": None}], 3, None)
    monkeypatch.setattr(client, "page", lambda *_, **__: page)
    assert run("x", "--all-pages", "--field", "email") == "a@example.com\n\n\n"
    assert run("x", "--all-pages", "--field", "[[id, email]]") == "1\ta@example.com\n2\t\n3\t\n"
    assert run("x", "--all-pages", "--field", "email", "--json").splitlines() == ['"a@example.com"', "null", "null"]


@pytest.mark.slow
@pytest.mark.parametrize("command", [["catalogue", "list"], ["catalogue", "show", "contacts.get-contact"]])
def test_a_reader_that_leaves_is_no_error(command: list[str]) -> None:
    """As `… | head` does, here before the first line."""
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "DEBUG": "true"}
    with os.fdopen(writing, "wb") as out:
        ended = subprocess.run(
            [sys.executable, "manage.py", *command],
            stdout=out,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=ROOT,
            timeout=100,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("chosen", "written"),
    [
        ("a\nb", ["a\nb"]),
        (["a\tb\n", None, True, 1.5], [r"a\tb\n", "", "true", "1.5"]),
        ([["a", None, 3], [{"b": "ö"}]], ["a\t\t3", '{"b": "ö"}']),
        ([], []),
        ({"a": 1}, ['{"a": 1}']),
    ],
)
def test_what_is_chosen_as_lines(chosen: Any, written: list[str]) -> None:
    assert lines(chosen) == written


def test_a_parameter_given_twice_is_a_list(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        client, "call", lambda *_, **how: asked.append(how["params"]) or client.Result(200, {}, None, "")
    )
    run("x", "--param", "status=open", "--param", "tag=a", "--param", "tag=b")
    assert asked == [{"status": "open", "tag": ["a", "b"]}]


def test_what_the_files_have_against_a_call_is_a_warning_and_the_vendor_decides(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match=r"request_rejected: .*status 422") as refused:
        run("contacts.get-contacts", "--param", "limit=many", "--param", "statu=x")
    warnings = capsys.readouterr().err.splitlines()
    assert warnings == [
        "warning: the value does not fit what is documented: limit (query, number)",
        "warning: not documented, sent in the query: statu",
    ]
    error = refused.value.__cause__
    assert isinstance(error, IntegrationError)
    assert error.context["remarks"] == [line.removeprefix("warning: ") for line in warnings]


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
        (["contacts.get-contact", "--param", "contactId=nobody"], r"request_rejected: .*\(status 40[04], trace id "),
        (["contacts.get-contact", "--param", "contactId"], "NAME=VALUE"),
        (["contacts.get-contact", "--param", "=x"], "NAME=VALUE"),
        (["contacts.create-contact", "--body", "{"], "--body is not JSON"),
        (["contacts.create-contact", "--body", "[" * 100_000], "--body is not JSON"),
        (["contacts.create-contact", "--body", "@/no/such/file"], "No such file"),
        (["locations.get-location", "--all-pages"], "no pages"),
        (["locations.get-location", "--field", "locatoin.id"], "nothing at 'locatoin.id': it has location"),
        (["contacts.get-contacts", "--field", "contacts[].emial"], r"the answer has nothing at 'contacts\[\]\.emial'"),
        (["contacts.get-contacts", "--all-pages", "--field", "emial"], "nothing at 'emial': it has .*email"),
        (["locations.get-location", "--field", "a["], "the expression 'a\\[' does not work: "),
        (["locations.get-location", "--field", "length(location.id, `1`)"], "does not work: Expected 1 argument"),
        (["contacts.get-contact", "--param", "contactId=\ud800"], "cannot be written as contactId"),
        (["locations.get-location", "--location", "a\0"], "cannot be the id of a location"),
        (
            ["contacts.create-contact", "--body", '{"email": "not-an-email"}'],
            r"^request_rejected: .* invalid: .*email.* \(status 422, trace id [^ ]+\)$",
        ),
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
