"""The committed catalogue: complete, the same as a fresh build, and found by any of its names."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from integrations.core.errors import BadRequest
from integrations.highlevel.catalogue import build, catalogue, corrections, operation_lookup
from integrations.highlevel.catalogue.compare import difference
from integrations.highlevel.catalogue.operation import AcceptedToken, Body, Parameter, read, written

PROJECT = Path(__file__).resolve().parents[2]
DIALECTS = ("v2", "v3")


@pytest.fixture(scope="module")
def reference() -> Path:
    """The vendor's files, which are not part of this repository."""
    default = PROJECT.parent / "shared" / "highlevel"
    root = Path(os.environ.get("HIGHLEVEL_REFERENCE", default))
    found = next((d for d in (root / "openapi", root) if (d / "oauth.json").is_file()), None)
    if found is None:
        message = f"no OpenAPI files in {root}; set HIGHLEVEL_REFERENCE to the directory that holds them"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_committed_file_is_what_the_files_build(reference, dialect):
    built = build.text_of(build.build(build.files_of(reference, dialect), dialect), dialect)
    committed = Path(operation_lookup.__file__).with_name(f"{dialect}.json").read_text(encoding="utf-8")
    assert committed == built, "run `manage.py catalogue build` on the reference files"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_operation_of_the_vendor_is_there(reference, dialect):
    """Counted in the files without our build: routes, versions, deprecations, tokens and scopes."""
    documents = [json.loads(file.read_text(encoding="utf-8")) for file in build.files_of(reference, dialect)]
    found = [
        (method.upper(), path, data)
        for document in documents
        for path, item in document["paths"].items()
        for method, data in item.items()
    ]
    scopes = {
        scope for *_, data in found for entry in data.get("security", ()) for one in entry.values() for scope in one
    }
    operations = list(catalogue(dialect).operations())
    assert Counter((o.method, o.path) for o in operations) == Counter((method, path) for method, path, _ in found)
    assert Counter(o.version if o.version_stated else None for o in operations) == Counter(
        next(
            (
                p["schema"]["enum"][0]
                for p in data["parameters"]
                if p["name"].lower() == "version" and "enum" in p["schema"]
            ),
            None,
        )
        for *_, data in found
    )
    assert sum(o.deprecated for o in operations) == sum(bool(data.get("deprecated")) for *_, data in found)
    assert sum(not o.credentials for o in operations) == sum(not data.get("security") for *_, data in found)
    assert {s for o in operations for c in o.credentials for s in c.scopes} == scopes
    assert len({(o.method, o.path) for o in operations}) == len(operations) == len(catalogue(dialect))
    assert len(operations) > 500, "the files are the vendor's whole publication"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_operation_survives_its_file(dialect):
    for operation in catalogue(dialect).operations():
        data = json.loads(json.dumps(written(operation)))
        assert written(read(operation.key, data, operation_lookup.DEFAULT_VERSION[dialect])) == written(operation)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_path_parameters_and_templates_agree(dialect):
    for operation in catalogue(dialect).operations():
        placed = [p.name for p in operation.params if p.part == "path"]
        assert operation.path.count("{") == len(placed)
        assert all(f"{{{name}}}" in operation.path for name in placed)
        assert all(p.required for p in operation.params if p.part == "path")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_operation_asks_the_caller_for_what_the_transport_sends(dialect):
    names = {p.name.lower() for o in catalogue(dialect).operations() for p in o.params if p.part == "header"}
    assert names == set()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_correction_still_meets_a_gap(reference, dialect):
    """When the vendor fills its schema in, ours has to go."""
    uncorrected = {}
    for file in build.files_of(reference, dialect):
        document = json.loads(file.read_text(encoding="utf-8"))
        stem = file.stem.removesuffix("-v3")
        for item in document["paths"].values():
            for data in item.values():
                uncorrected[f"{stem}.{data['operationId']}"] = build._body(data, document)
    for key in corrections.BODIES:
        assert uncorrected[key].properties == {}


def test_one_operation_in_full():
    operation = catalogue("v2").operation("oauth.get-installed-location")
    assert (operation.method, operation.path, operation.version) == (
        "GET",
        "/oauth/installedLocations",
        "2021-07-28",
    )
    assert operation.credentials == (AcceptedToken("company", True, ("oauth.readonly",)),)
    assert operation.kinds == {"company"}
    assert operation.scopes("company") == (frozenset({"oauth.readonly"}),)
    assert operation.scopes("location") == ()
    assert operation.oauth_only("company")
    assert not operation.oauth_only("location")
    by_name = {p.name: p for p in operation.params}
    assert by_name["companyId"] == Parameter("companyId", "query", True, "string")
    assert by_name["isInstalled"] == Parameter("isInstalled", "query", False, "boolean")
    assert operation.body is None


def test_kinds_of_token_come_from_the_security_schemes():
    either = catalogue("v2").operation("marketplace.get-installer-details")
    assert either.kinds == {"location", "company"}
    unstated = catalogue("v2").operation("POST /contacts/bulk/business")
    assert unstated.kinds == frozenset()


def test_lists_written_with_commas_are_lists():
    """Declared as one value of an enum, documented as several with commas: `type=TYPE_SMS,TYPE_CALL`."""
    operation = catalogue("v2").operation("conversations.get-messages")
    kinds = next(p for p in operation.params if p.name == "type")
    assert (kinds.type, kinds.style) == ("array", "csv")
    repeated = next(p for p in catalogue("v2").operation("calendars.get-slots").params if p.name == "userIds")
    assert (repeated.type, repeated.style) == ("array", "repeat")


@pytest.mark.parametrize(
    "name",
    ["contacts.get-contact", "get-contact", "GET /contacts/{contactId}", "get /contacts/{contactId}/"],
)
def test_an_operation_answers_to_all_its_names(name):
    assert catalogue("v2").operation(name).key == "contacts.get-contact"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("contacts.get-contat", "contacts.get-contact"),
        ("get-contat", "contacts.get-contact"),
        ("GET /contact/{contactId}", "GET /contacts/{contactId}"),
        ("create-agent", "conversation-ai.create-agent, voice-ai.create-agent"),
    ],
)
def test_an_unknown_name_is_answered_with_close_ones(name, hint):
    with pytest.raises(BadRequest, match=name.replace("{", r"\{")) as caught:
        catalogue("v2").operation(name)
    assert hint in str(caught.value)


@pytest.mark.parametrize("name", ["", " ", "zzzzzzzz", "GET"])
def test_nonsense_is_refused_plainly(name):
    with pytest.raises(BadRequest, match="there is no operation"):
        catalogue("v2").operation(name)


def test_the_catalogue_is_small_in_memory():
    text = Path(operation_lookup.__file__).with_name("v2.json").read_text(encoding="utf-8")
    document = json.loads(text)
    tracemalloc.start()
    kept = operation_lookup.parsed(document, "v2")
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) == len(document["operations"])
    assert size < 2_600 * len(kept)


OPENAPI = {
    "paths": {
        "/things/{id}": {
            "get": {
                "operationId": "get thing",
                "tags": ["Things"],
                "security": [{"bearer": ["things.readonly"]}],
                "parameters": [
                    {"name": "Version", "in": "header", "schema": {"type": "string", "enum": ["2021-07-28"]}},
                    {"name": "version", "in": "query", "schema": {"type": "string"}},
                    {"name": "users", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                    {
                        "name": "fields",
                        "in": "query",
                        "explode": False,
                        "schema": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
                    },
                ],
            },
            "post": {
                "operationId": "make-thing",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Either"}}},
                },
            },
        }
    },
    "components": {
        "schemas": {
            "Base": {"type": "object", "properties": {"locationId": {"type": "string"}}, "required": ["locationId"]},
            "One": {"allOf": [{"$ref": "#/components/schemas/Base"}, {"$ref": "#/components/schemas/Extra"}]},
            "Extra": {"properties": {"one": {"type": "number"}}, "required": ["one"]},
            "Two": {"allOf": [{"$ref": "#/components/schemas/Base"}, {"$ref": "#/components/schemas/More"}]},
            "More": {"properties": {"two": {"$ref": "#/components/schemas/Base"}}},
            "Either": {"oneOf": [{"$ref": "#/components/schemas/One"}, {"$ref": "#/components/schemas/Two"}]},
        }
    },
}  # fmt: skip


def built_from(tmp_path: Path, document: object, name: str = "things.json"):
    file = tmp_path / name
    file.write_text(json.dumps(document))
    return build.build([file], "v2")


def test_the_builder_reads_what_the_vendor_writes(tmp_path):
    built = built_from(tmp_path, OPENAPI)
    thing = built.operation("things.get-thing")
    assert (thing.method, thing.path, thing.tag, thing.version) == ("GET", "/things/{id}", "Things", "2021-07-28")
    assert thing.params == (
        Parameter("id", "path", True, "string"),
        Parameter("version", "query", False, "string"),
        Parameter("users", "query", False, "array", (), "repeat"),
        Parameter("fields", "query", False, "array", ("a", "b"), "csv"),
    )
    made = built.operation("make-thing")
    assert made.body == Body(
        "json", True, False, {"locationId": "string", "one": "number", "two": "object"}, ("locationId",)
    )
    assert (made.version_stated, made.credentials) == (False, ())


def changed(path: list, value: object) -> object:
    document = json.loads(json.dumps(OPENAPI))
    target = document
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = value
    return document


GET = ["paths", "/things/{id}", "get"]


@pytest.mark.parametrize(
    "document",
    [
        changed([*GET, "security"], [{"bearer": [], "Agency-Access": []}]),
        changed([*GET, "security"], [{"api-key": []}]),
        changed([*GET, "parameters", 0, "schema", "enum"], ["a", "b"]),
        changed([*GET, "parameters", 1, "in"], "cookie"),
        changed([*GET, "parameters", 1], {"name": "other", "in": "path", "schema": {}}),
        changed([*GET, "operationId"], None),
        changed(["paths", "/things/{id}", "post", "requestBody", "content"], {"text/xml": {}}),
        changed(["paths", "/things/{id}", "post", "operationId"], "get thing"),
        {"paths": []},
        [],
    ],
    ids=[
        "two schemes",
        "new scheme",
        "two versions",
        "cookie",
        "stray path",
        "no id",
        "xml",
        "twice",
        "no paths",
        "list",
    ],
)
def test_what_looks_unlike_anything_seen_stops_the_build(tmp_path, document):
    with pytest.raises(BadRequest, match=r"things\.json"):
        built_from(tmp_path, document)


def test_a_file_that_is_no_json_is_named(tmp_path):
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(BadRequest, match=r"broken\.json"):
        build.build([tmp_path / "broken.json"], "v2")


def test_a_schema_that_refers_to_itself_ends(tmp_path):
    schemas = {"Either": {"properties": {"again": {"$ref": "#/components/schemas/Either"}}, "type": "object"}}
    built = built_from(tmp_path, changed(["components", "schemas"], schemas))
    assert built.operation("make-thing").body.properties == {"again": "object"}


def test_differences_are_listed_per_field(tmp_path):
    before = built_from(tmp_path, OPENAPI)
    assert not difference(before, before)
    widened = changed([*GET, "security"], [{"bearer": ["things.readonly", "things.write"]}])
    widened["paths"]["/new"] = {"get": {"operationId": "list-things"}}
    del widened["paths"]["/things/{id}"]["post"]
    found = difference(before, built_from(tmp_path, widened))
    assert (found.added, found.removed) == (["things.list-things"], ["things.make-thing"])
    old, new = found.changed["things.get-thing"].pop("credentials")
    assert (old, new) == (
        [["location", False, ["things.readonly"]]],
        [["location", False, ["things.readonly", "things.write"]]],
    )
    assert found.changed == {"things.get-thing": {}}
    assert not difference(before, built_from(tmp_path, widened), files=frozenset({"other"}))
