"""`manage.py catalogue`, run as an operator would."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError

from integrations.gateway.management.commands.catalogue import Command
from integrations.highlevel.catalogue import fields
from integrations.highlevel.catalogue.build import build, fields_of
from integrations.highlevel.catalogue.compare import in_words
from integrations.highlevel.catalogue.operation_lookup import catalogue
from integrations.highlevel.oauth.dialects import DialectName

THINGS = {"paths": {"/things": {"get": {"operationId": "list", "tags": ["Things"], "security": [{"bearer": ["a"]}]}}}}


def run(*arguments: str) -> str:
    out = io.StringIO()
    command = Command(stdout=out)
    options = vars(command.create_parser("manage.py", "catalogue").parse_args(list(arguments)))
    command.handle(**options)
    return out.getvalue()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    directory = tmp_path / "openapi"
    (directory / "v3").mkdir(parents=True)
    (directory / "things.json").write_text(json.dumps(THINGS))
    (directory / "v3" / "things-v3.json").write_text(json.dumps(THINGS))
    return directory


def test_list_shows_one_line_per_operation_of_a_tag() -> None:
    lines = run("list", "--tag", "SNAPSHOTS").splitlines()
    assert lines[0].split() == ["snapshots.create-snapshot-share-link", "POST", "/snapshots/share/link"]
    assert all(line.startswith("snapshots.") for line in lines)
    assert len(run("list").splitlines()) == len(catalogue("v2"))
    assert len(run("list", "--dialect", "v3").splitlines()) == len(catalogue("v3"))


def test_list_speaks_json() -> None:
    listed = json.loads(run("list", "--tag", "snapshots", "--json"))
    assert listed[0] == {
        "key": "snapshots.create-snapshot-share-link",
        "method": "POST",
        "path": "/snapshots/share/link",
    }


def test_a_tag_nobody_has_is_an_error() -> None:
    with pytest.raises(CommandError, match="no operation has the tag or file 'nope'"):
        run("list", "--tag", "nope")


def test_show_tells_how_to_call_an_operation() -> None:
    shown = run("show", "get-installed-location")
    assert shown.splitlines()[:5] == [
        "oauth.get-installed-location",
        "  GET /oauth/installedLocations",
        "  Version: 2021-07-28",
        "  company token, OAuth only: oauth.readonly",
        "  skip (query, string): how many items to leave out, from the first, 0 unless given",
    ]
    assert "companyId (query, string, required)" in shown
    assert "    pageLimit (number, required)" in run("show", "POST /contacts/search")
    assert json.loads(run("show", "get-installed-location", "--json"))["path"] == "/oauth/installedLocations"
    events = run("show", "calendars.get-calendar-events")
    assert "  startTime (query, string, required): milliseconds since 1970" in events
    assert "  one of: calendarId, groupId, userId" in events
    sending = run("show", "conversations.send-a-new-message")
    assert "    one of: message, html, attachments, templateId" in sending
    assert "    fromNumber (string): telephone number with country code, such as +1" in sending
    shown = json.loads(run("show", "calendars.get-calendar-events", "--json"))
    assert shown["notes"]["endTime"] == "milliseconds since 1970"
    assert shown["one_of"] == ["calendarId, groupId, userId"]


def test_an_unknown_operation_is_one_line_with_help() -> None:
    with pytest.raises(CommandError, match=r"no operation 'get-instaled-location'; close to it: oauth\.get-inst"):
        run("show", "get-instaled-location")


def test_build_writes_both_dialects_and_diff_reads_them_back(source: Path, tmp_path: Path) -> None:
    assert run("build", str(source), "--out", str(tmp_path)) == "v2: 1 operations, v3: 1 operations\n"
    written = json.loads((tmp_path / "v2.json").read_text())
    assert list(written["operations"]) == ["things.list"]
    assert json.loads((tmp_path / "v3.json").read_text())["dialect"] == "v3"


@pytest.mark.slow
def test_diff_against_a_directory_counts_what_is_gone(source: Path) -> None:
    found = json.loads(run("diff", str(source), "--json"))
    assert found["added"] == ["things.list"]
    assert found["removed"] == [operation.key for operation in catalogue("v2").operations()]


@pytest.mark.slow
def test_diff_against_one_file_looks_at_that_file_only(tmp_path: Path) -> None:
    renamed = {"paths": {"/snapshots/": {"get": {"operationId": "get-custom-snapshots", "security": []}}}}
    (tmp_path / "snapshots.json").write_text(json.dumps(renamed))
    lines = run("diff", str(tmp_path / "snapshots.json")).splitlines()
    assert "- snapshots.create-snapshot-share-link" in lines
    assert "~ snapshots.get-custom-snapshots" in lines
    assert "    credentials: -company token []" in lines
    (tmp_path / "snapshots-v3.json").write_text(json.dumps({"paths": {}}))
    gone = json.loads(run("diff", str(tmp_path / "snapshots-v3.json"), "--json"))
    assert all(key.startswith("snapshots.") for key in gone["removed"])


def test_a_build_that_fails_halfway_writes_nothing(source: Path, tmp_path: Path) -> None:
    (source / "v3" / "things-v3.json").write_text("{")
    with pytest.raises(CommandError, match=r"things-v3\.json cannot be read as JSON"):
        run("build", str(source), "--out", str(tmp_path))
    assert not (tmp_path / "v2.json").exists()


@pytest.mark.parametrize("verb", ["build", "diff"])
def test_a_directory_without_files_is_an_error(tmp_path: Path, verb: str) -> None:
    with pytest.raises(CommandError, match="holds no"):
        run(verb, str(tmp_path))
    with pytest.raises(CommandError):
        run("diff", str(tmp_path / "missing.json"))


USERS = [{"bearer": ["users.readonly", "users.beta"]}]
CHANGED: dict[str, Any] = {
    "/users/": {"get": {"operationId": "get-user-by-location", "security": USERS}},
    "/users/{userId}/badge": {"get": {"operationId": "get-badge", "security": [{"bearer": ["badges.readonly"]}]}},
}


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """A drop of one file that changes a listing that our sync uses, adds one operation and removes all others."""
    file = tmp_path / "users.json"
    file.write_text(json.dumps({"paths": CHANGED}))
    return file


@pytest.mark.slow
def test_diff_tells_which_of_our_code_calls_what_changes(users: Path) -> None:
    found = json.loads(run("diff", str(users), "--json"))
    uses = found["used"]["users.get-user-by-location"]
    use = next(use for use in uses if "users" in use["who"].lower())
    assert use["place"].startswith("integrations/sync/resources/lists.py:")
    assert f"    used by {use['who']} ({use['place']})" in run("diff", str(users)).splitlines()


@pytest.mark.slow
def test_diff_tells_the_scopes_that_are_newly_needed(users: Path) -> None:
    found = json.loads(run("diff", str(users), "--json"))
    assert found["scopes"] == {"users.get-badge": ["badges.readonly"], "users.get-user-by-location": ["users.beta"]}
    assert found["missing_scopes"] == ["users.beta"], "no code here calls the badge"
    lines = run("diff", str(users)).splitlines()
    assert "    newly needs users.beta" in lines
    assert lines[-1] == "add to HIGHLEVEL_SCOPES: users.beta"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("levels", "fails"),
    [("added", True), ("removed", True), ("changed", True), ("used", True), ("removed,added", True), (None, False)],
)
def test_diff_fails_on_the_chosen_levels(users: Path, levels: str | None, fails: bool) -> None:
    more = ["--fail-on", levels] if levels else []
    if fails:
        with pytest.raises(SystemExit) as stopped:
            run("diff", str(users), *more)
        assert stopped.value.code == 1
    else:
        run("diff", str(users), *more)


def body(properties: dict[str, Any], *needs: str) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": {"properties": properties, "required": list(needs)}}}}


def drop(tmp_path: Path, name: str, **operation: Any) -> Path:
    """A file that holds one operation of ours, otherwise as the committed catalogue has it."""
    file = tmp_path / name
    file.write_text(json.dumps({"paths": {"/users/": {"get": {"operationId": "get-user-by-location", **operation}}}}))
    return file


@pytest.mark.slow
def test_diff_names_the_fields_that_a_job_would_miss(tmp_path: Path) -> None:
    """The listing's answer loses and gains fields: the item's too, and the sync that reads them is named."""
    text = {"type": "string"}
    role = {"type": "object", "allOf": [{"properties": {"type": text, "rank": text}}]}
    user = {"type": "object", "properties": {"id": text, "nickname": text, "roles": {"$ref": "#/components/schemas/R"}}}
    document = {
        "paths": {
            "/users/": {
                "get": {
                    "operationId": "get-user-by-location",
                    "responses": {"200": body({"users": {"type": "array", "items": user}}), "400": body({"oops": {}})},
                }
            }
        },
        "components": {"schemas": {"R": role}},
    }
    file = tmp_path / "users.json"
    file.write_text(json.dumps(document))
    found = json.loads(run("diff", str(file), "--json"))
    gone, came = found["changed"]["users.get-user-by-location"]["response fields"]
    assert {"users[].email", "users[].roles.role"} <= set(gone)
    assert came == {"users[].nickname": "string", "users[].roles.rank": "string"}
    lines = run("diff", str(file)).splitlines()
    (fields,) = [line for line in lines if line.startswith("    response fields: ")]
    assert "-users[].email" in fields.split()
    assert fields.split()[-2:] == ["+users[].nickname", "+users[].roles.rank"]
    assert any(line.startswith("    used by ") and "integrations/sync/resources/lists.py:" in line for line in lines)


@pytest.mark.slow
def test_diff_tells_body_and_parameters_by_name(tmp_path: Path) -> None:
    nested = {"address": {"type": "object", "properties": {"street": {}}}, "name": {"type": "string"}}
    parameter = {"name": "since", "in": "query", "schema": {"type": "number"}}
    file = drop(tmp_path, "users.json", requestBody=body(nested, "name"), parameters=[parameter])
    lines = [line.strip() for line in run("diff", str(file)).splitlines()]
    assert "body: +address +name" in lines
    assert "body requires: +name" in lines
    assert "request fields: +address +address.street +name" in lines
    assert "params: -locationId (query) +since (query)" in lines


def test_diff_tells_what_a_field_has_become(tmp_path: Path) -> None:
    """A caller cannot read an `id` that became a number, and a removed value is a 422."""

    def drop(kind: str, status: list[str]) -> Path:
        fields = {"id": {"type": kind}, "status": {"type": "string", "enum": status}}
        things = {"operationId": "list", "requestBody": body(fields, "id"), "responses": {"200": body(fields)}}
        (tmp_path / "things.json").write_text(json.dumps({"paths": {"/things": {"get": things}}}))
        return tmp_path / "things.json"

    old, new = (fields_of([drop(*which)]) for which in (("string", ["open", "won"]), ("number", ["open"])))
    found = fields.difference(old, new, "things.list")
    assert [line for side, pair in found.items() for line in in_words(side, *pair)] == [
        'request fields: id "string!" -> "number!"',
        'request fields: status "open|won" -> "open"',
        'response fields: id "string" -> "number"',
        'response fields: status "open|won" -> "open"',
    ]


def test_a_schema_that_holds_itself_is_read_to_a_depth(tmp_path: Path) -> None:
    document = {
        "paths": {
            "/things": {"get": {"operationId": "list", "responses": {"200": body({"tree": {"$ref": "#/tree"}})}}}
        },
        "tree": {"type": "array", "items": {"$ref": "#/tree"}},
    }
    (tmp_path / "things.json").write_text(json.dumps(document))
    (kinds,) = fields_of([tmp_path / "things.json"])["things.list"].values()
    assert kinds["tree"].startswith("any[]")


def test_parameters_of_the_path_and_of_a_reference_are_the_operations(tmp_path: Path) -> None:
    def parameter(name: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "in": "query", "schema": {"type": "string"}, **more}

    document = {
        "paths": {
            "/things": {
                "parameters": [parameter("tenant", required=True), parameter("lang", required=True)],
                "get": {"operationId": "list", "parameters": [{"$ref": "#/x/since"}, parameter("lang")]},
            }
        },
        "x": {"since": parameter("since")},
    }
    (tmp_path / "things.json").write_text(json.dumps(document))
    (operation,) = build([tmp_path / "things.json"], "v2").operations()
    assert [(p.name, p.required) for p in operation.params] == [("tenant", True), ("lang", False), ("since", False)]


def test_another_order_is_named_as_such() -> None:
    one, other = (["a", "query", False, "string", [], ""], ["b", "query", False, "string", [], ""])
    assert in_words("params", [one, other], [other, one]) == ["params: in another order"]
    assert in_words("params", [one], [["a", "query", True, *one[3:]]]) == ["params: a (query) is required now"]
    was = ["a", "query", True, "string", ["open", "won"], ""]
    assert in_words("params", [was], [["a", "query", False, "array", ["won", "lost"], "csv"]]) == [
        "params: a (query) is no longer required, type string -> array, list style none -> csv, values -open +lost"
    ]
    body = {"content": "json", "required": True, "is_array": False, "properties": {"a": "string"}, "needs": ["a"]}
    assert in_words("body", body, body | {"properties": {"a": "number", "b": "any"}, "needs": []}) == [
        "body: +b",
        'body: a "string" -> "number"',
        "body requires: -a",
    ]


def test_what_is_committed_of_the_fields_belongs_to_the_catalogue() -> None:
    dialects: tuple[DialectName, ...] = ("v2", "v3")
    for dialect in dialects:
        known = {operation.key for operation in catalogue(dialect).operations()}
        inside = fields.committed(dialect)
        assert inside.keys() == known
        assert {"contact", "contact.email"} <= set(inside["contacts.get-contact"]["response fields"])


def test_the_fields_survive_being_written(source: Path, tmp_path: Path) -> None:
    answers = {"200": body({"things": {"items": {"properties": {"id": {}}}}}), "201": {"$ref": "#/nowhere"}}
    tags = {"type": "array", "items": {"type": "string"}}
    state = {"type": "string", "enum": ["open", "won"]}
    asked = body({"since": {"type": "number"}, "state": state, "tags": tags, "title": {"type": "string"}}, "state")
    things = {"paths": {"/things": {"get": {"operationId": "list", "requestBody": asked, "responses": answers}}}}
    (source / "things.json").write_text(json.dumps(things))
    run("build", str(source), "--out", str(tmp_path / "made" / "rebuilt"))
    written = json.loads((tmp_path / "made" / "rebuilt" / "v2.fields.json").read_text())
    assert written["things.list"]["request fields"] == {
        "": ["since:number", "state:open|won!", "tags:string[]", "title"]
    }
    assert written["things.list"]["response fields"] == {"": ["things:any"], "things[]": ["id:any"]}
    assert json.loads((tmp_path / "made" / "rebuilt" / "v3.fields.json").read_text()) == {"things.list": {}}


@pytest.mark.slow
def test_a_file_under_another_name_is_hinted_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("diff", str(drop(tmp_path, "users-2027.json")))
    said = capsys.readouterr().err
    assert "the catalogue has no file users-2027; 1 of its 1 operations are in users: name it users" in said
    run("diff", str(drop(tmp_path, "users.json")))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [('{"paths": {"/x": null}}', "/x is not understood"), ("[" * 200_000, "cannot be read as JSON")],
)
def test_a_strange_file_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "strange.json").write_text(text)
    with pytest.raises(CommandError, match=rf"strange\.json:? {words}"):
        run("diff", str(tmp_path / "strange.json"))


def test_an_addition_alone_does_not_fail_on_removals(tmp_path: Path) -> None:
    (tmp_path / "novelties.json").write_text(json.dumps({"paths": {"/n": {"get": {"operationId": "n"}}}}))
    assert run("diff", str(tmp_path / "novelties.json"), "--fail-on", "removed,changed,used") == "+ novelties.n\n"


def test_a_level_nobody_knows_is_refused(users: Path) -> None:
    with pytest.raises(CommandError, match="a list of added, removed, changed, used"):
        run("diff", str(users), "--fail-on", "everything")


def test_build_writes_a_facade_that_python_reads(source: Path, tmp_path: Path) -> None:
    run("build", str(source), "--out", str(tmp_path))
    text = (tmp_path / "facade" / "v2" / "things.py").read_text()
    compile(text, "things.py", "exec")
    assert "    def list(self) -> Result:" in text
    stale = tmp_path / "facade" / "v2" / "gone.py"
    stale.write_text("")
    run("build", str(source), "--out", str(tmp_path))
    assert not stale.exists()
