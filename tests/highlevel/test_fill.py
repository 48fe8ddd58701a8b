"""From arguments to a request: what is filled, encoded and refused."""

from __future__ import annotations

import time
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.core.errors import BadRequest
from integrations.core.secret import Secret
from integrations.highlevel.catalogue import catalogue, prepare, proven_fields
from integrations.highlevel.catalogue.operation import Body, Operation, Parameter
from integrations.highlevel.catalogue.remarks import remarks

V2 = catalogue("v2")
LOCATION = {"locationId": "LOC1"}


def operation(*params: Parameter, path: str = "/things", body: Body | None = None) -> Operation:
    return Operation("t.op", "POST", path, "T", "2021-07-28", True, False, (), params, body)


def query(kind: str, **more) -> Parameter:
    return Parameter("p", "query", False, kind, **more)


def test_a_path_is_filled_and_encoded():
    prepared = prepare(V2.operation("contacts.get-contact"), {"contactId": "a/b c?#ü"})
    assert (prepared.method, prepared.path) == ("GET", "/contacts/a%2Fb%20c%3F%23%C3%BC")
    assert (prepared.version, prepared.query, prepared.json, prepared.form) == ("2021-07-28", [], None, None)


@pytest.mark.slow
@given(st.text(min_size=1).filter(lambda text: text not in (".", "..")))
def test_no_value_escapes_its_place_in_the_path(value):
    value = value.encode("utf-8", "replace").decode()
    path = prepare(V2.operation("contacts.get-contact"), {"contactId": value}).path
    assert path.startswith("/contacts/")
    assert not set("/?#\\ ") & set(path.removeprefix("/contacts/"))
    assert unquote(path.removeprefix("/contacts/")) == value


@pytest.mark.parametrize("value", ["", ".", "..", None])
def test_a_value_that_would_change_the_path_is_refused(value):
    with pytest.raises(BadRequest, match="contactId"):
        prepare(V2.operation("contacts.get-contact"), {"contactId": value})


def test_a_missing_path_parameter_is_told_with_the_valid_ones():
    with pytest.raises(BadRequest, match=r"needs contactId \(path, string, required\)") as missing:
        prepare(V2.operation("contacts.get-contact"), {})
    assert missing.value.context == {"parameter": "contactId"}


def test_nothing_else_that_the_file_calls_required_is_needed_and_what_it_lacks_is_sent():
    search = V2.operation("opportunities.search-opportunity")
    assert prepare(search, {}).query == []
    given = {"stage": "x", "ids": ["a", "b"], "none": None, "statu": "open"}
    sent = prepare(search, given, tenant=LOCATION).query
    assert sent == [("location_id", "LOC1"), ("stage", "x"), ("ids", "a"), ("ids", "b"), ("statu", "open")]


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        (query("string"), "x", ["x"]),
        (query("string"), 5, ["5"]),
        (query("string"), True, ["true"]),
        (query("string"), "", [""]),
        (query("number"), 5, ["5"]),
        (query("number"), 2.5, ["2.5"]),
        (query("number"), "10", ["10"]),
        (query("integer"), "10", ["10"]),
        (query("boolean"), True, ["true"]),
        (query("boolean"), False, ["false"]),
        (query("boolean"), "false", ["false"]),
        (query("string", enum=("open", "won")), "won", ["won"]),
        (query("array", style="repeat"), ["a", "b"], ["a", "b"]),
        (query("array", style="repeat"), "a,b", ["a,b"]),
        (query("array", style="csv"), ["a", "b"], ["a,b"]),
        (query("array", style="csv"), "a,b", ["a,b"]),
        (query("array", style="csv", enum=("a", "b")), "a,b", ["a,b"]),
        (query("array", style="repeat"), [], []),
        (query("any"), 1600854, ["1600854"]),
        (query("any"), [1, 2], ["1", "2"]),
        (query("string"), None, []),
    ],
)
def test_values_go_out_as_their_type(parameter, value, expected):
    assert prepare(operation(parameter), {"p": value}).query == [("p", text) for text in expected]


@pytest.mark.parametrize(
    ("parameter", "value", "sent"),
    [
        (query("number"), "ten", ["ten"]),
        (query("number"), True, ["true"]),
        (query("number"), "1_000", ["1_000"]),
        (query("number"), " 5", [" 5"]),
        (query("integer"), 2.5, ["2.5"]),
        (query("boolean"), "yes", ["yes"]),
        (query("boolean"), 1, ["1"]),
        (query("string"), ["a", 5], ["a", "5"]),
        (query("string", enum=("open", "won")), "Open", ["Open"]),
        (query("array", style="repeat", enum=("a",)), ["a", "c"], ["a", "c"]),
        (query("array", style="csv", enum=("a",)), "a,c", ["a,c"]),
    ],
)
def test_a_value_of_another_type_is_sent_with_a_remark(parameter, value, sent):
    assert prepare(operation(parameter), {"p": value}).query == [("p", text) for text in sent]
    (remark,) = remarks(operation(parameter), {"p": value})
    assert remark.startswith("the value does not fit what is documented: p (query, ")


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (query("number"), float("nan")),
        (query("number"), float("inf")),
        (query("string"), {"a": 1}),
        (query("string"), b"bytes"),
        (query("array", style="repeat"), [["nested"]]),
        (query("array", style="repeat"), [None]),
        (query("any"), {"a": 1}),
        (query("string"), "half a pair: \ud800"),
        (query("array", style="repeat"), ["\udfff"]),
    ],
)
def test_a_value_without_a_text_is_refused_by_name(parameter, value):
    with pytest.raises(BadRequest, match=r"t\.op: .* cannot be written as p \(query, ") as caught:
        prepare(operation(parameter), {"p": value})
    assert caught.value.context == {"parameter": "p"}


def test_the_tenant_is_filled_in_wherever_it_is_asked_for():
    in_query = prepare(V2.operation("calendars.get-calendars"), {}, tenant=LOCATION)
    assert in_query.query == [("locationId", "LOC1")]
    in_path = prepare(V2.operation("locations.get-location"), {}, tenant=LOCATION)
    assert in_path.path == "/locations/LOC1"
    spelled_otherwise = prepare(V2.operation("opportunities.search-opportunity"), {}, tenant=LOCATION)
    assert spelled_otherwise.query == [("location_id", "LOC1")]
    as_alternative = prepare(V2.operation("invoices.list-invoices"), {"limit": 1, "offset": 0}, tenant=LOCATION)
    assert {("altId", "LOC1"), ("altType", "location")} <= set(as_alternative.query)
    in_body = prepare(V2.operation("contacts.search-contacts-advanced"), {}, {"pageLimit": 5}, tenant=LOCATION)
    assert in_body.json == {"locationId": "LOC1", "pageLimit": 5}


def test_what_the_caller_gives_wins_over_the_tenant():
    calendars = V2.operation("calendars.get-calendars")
    assert prepare(calendars, {"locationId": "LOC2"}, tenant=LOCATION).query == [("locationId", "LOC2")]
    search = V2.operation("contacts.search-contacts-advanced")
    body = {"locationId": "LOC2", "pageLimit": 5}
    assert prepare(search, {}, body, tenant=LOCATION).json == body
    installed = V2.operation("oauth.get-installed-location")
    both = {"companyId": "COMP1", "locationId": "LOC1"}
    left_out = prepare(installed, {"appId": "A", "locationId": None}, tenant=both)
    assert left_out.query == [("companyId", "COMP1"), ("appId", "A")]


def test_the_callers_body_is_not_changed():
    body = {"pageLimit": 5}
    prepare(V2.operation("contacts.search-contacts-advanced"), {}, body, tenant=LOCATION)
    assert body == {"pageLimit": 5}


def test_a_body_is_sent_whatever_the_file_says_of_it():
    assert prepare(V2.operation("contacts.get-contact"), {"contactId": "C"}, {"a": 1}).json == {"a": 1}
    search = V2.operation("contacts.search-contacts-advanced")
    assert prepare(search, {}, {}, tenant=LOCATION).json == {"locationId": "LOC1"}
    for other in ([1], "text", 5, False):
        assert prepare(search, {}, other).json == other
        assert remarks(search, {}, other, tenant=LOCATION) == ["the body is documented as an object"]
    listed = operation(body=Body("json", True, True))
    assert prepare(listed, {}, ({"a": 1},)).json == [{"a": 1}]
    assert prepare(listed, {}, {"a": 1}).json == {"a": 1}
    assert prepare(listed, {}).json is None


def test_a_form_that_is_no_object_cannot_be_written():
    with pytest.raises(BadRequest, match="a form has to be an object with companyId"):
        prepare(V2.operation("oauth.get-location-access-token"), {}, ["C", "L"])


@pytest.mark.parametrize("dialect", ["v2", "v3"])
def test_no_operation_needs_more_than_its_path(dialect):
    """The kind of `tests/cases/calls`: whatever the file calls required, a call without it is sent."""
    for found in catalogue(dialect).operations():
        in_path = {p.name: "x" for p in found.params if p.part == "path"}
        bodies = [None] if found.body is None else [None, [] if found.body.is_array else {}]
        for body in bodies:
            assert prepare(found, in_path, body).method == found.method


def test_the_evidence_names_operations_and_fields_of_the_catalogue():
    for key, row in proven_fields.ROWS.items():
        found = [known for dialect in ("v2", "v3") if (known := catalogue(dialect).find(key)) is not None]
        assert found, f"{key} is in neither catalogue"
        for known in found:
            assert {*row.required, *(name for group in row.one_of for name in group)} <= known.body.properties.keys()
        assert row.source


def test_remarks_tell_what_is_proven_from_what_is_only_documented():
    sms = V2.operation("conversations.send-a-new-message")
    assert remarks(sms, {}, {"type": "Fax", "contactID": 5}, tenant=LOCATION, dialect="v2") == [
        "the body needs contactId",
        "the body needs one of message, html, attachments, templateId",
        "documented as required, and missing in the body: status, subType",
        "documented as one of Custom, Email, FB, IG, Live_Chat, RCS, SMS, TIKTOK, WhatsApp in the body: type",
        "not documented in the body: contactID (did you mean contactId?)",
    ]
    search = V2.operation("opportunities.search-opportunity")
    assert remarks(search, {"statu": "open"}) == [
        "documented as required, and missing: location_id (query, string, required)",
        "not documented, sent in the query: statu (did you mean status?)",
    ]
    assert remarks(search, {"status": "open"}, tenant=LOCATION) == []
    assert remarks(V2.operation("contacts.get-contact"), {"contactId": "C"}, {}) == [
        "no body is documented for this operation"
    ]
    listed = operation(body=Body("json", True, True))
    assert remarks(listed, {}, {"a": 1}) == ["the body is documented as a list"]
    assert remarks(listed) == ["the body, a list, is documented as required"]
    typed = operation(body=Body("json", True, False, {"n": "number", "s": "string"}))
    assert remarks(typed, {}, {"n": "5", "s": "x"}) == ["documented as number in the body: n"]


def test_a_required_body_without_names_is_sent_empty():
    prepared = prepare(V2.operation("calendars.delete-event"), {"eventId": "E"})
    assert (prepared.method, prepared.json) == ("DELETE", {})


def test_an_optional_body_stays_away():
    assert (
        prepare(operation(body=Body("json", False, False, {"locationId": "string"})), {}, tenant=LOCATION).json is None
    )


def test_forms_and_uploads_are_split_into_fields_and_files():
    minted = prepare(V2.operation("oauth.get-location-access-token"), {}, {"companyId": "C", "locationId": "L"})
    assert (minted.form, minted.files, minted.json) == ({"companyId": "C", "locationId": "L"}, None, None)
    upload = prepare(
        V2.operation("medias.upload-media-content"),
        {},
        {"file": ("a.png", b"png", "image/png"), "hosted": False, "name": None, "other": b"raw"},
    )
    assert upload.form == {"hosted": "false"}
    assert upload.files == {
        "file": ("a.png", b"png", "image/png"),
        "other": ("other", b"raw", "application/octet-stream"),
    }


def test_a_prepared_request_becomes_the_transports():
    prepared = prepare(V2.operation("calendars.get-calendars"), {}, tenant=LOCATION)
    request = prepared.request(Secret("t"), timeout=3.0)
    assert (request.operation, request.path, request.timeout) == ("calendars.get-calendars", "/calendars/", 3.0)
    assert (request.query, request.version) == ([("locationId", "LOC1")], "2021-04-15")
    assert request.token == Secret("t")


@pytest.mark.parametrize("dialect", ["v2", "v3"])
def test_every_operation_can_be_prepared(dialect):
    """No template, enum or body in the catalogue is one that `prepare` itself cannot serve."""
    for found in catalogue(dialect).operations():
        params = {p.name: _example(p) for p in found.params if p.required}
        body = found.body and ([] if found.body.is_array else dict.fromkeys(found.body.needs, "x"))
        prepared = prepare(found, params, body, tenant={"locationId": "L", "companyId": "C"})
        assert "{" not in prepared.path
        assert {p.name for p in found.params if p.part == "query" and p.required} <= {n for n, _ in prepared.query}


def _example(parameter: Parameter) -> object:
    if parameter.enum:
        return parameter.enum[0]
    return {"number": 1, "integer": 1, "boolean": True}.get(parameter.type, "x")


def test_preparing_takes_microseconds():
    search = V2.operation("opportunities.search-opportunity")
    arguments = {"limit": 100, "status": "open", "startAfter": 1, "startAfterId": "x"}
    prepare(search, arguments, tenant=LOCATION)
    best = min(_timed(search, arguments) for _ in range(5))
    assert best < 200e-6  # about 10 on an idle machine


def _timed(search: Operation, arguments: dict[str, object]) -> float:
    began = time.perf_counter()
    for _ in range(200):
        prepare(search, arguments, tenant=LOCATION)
    return (time.perf_counter() - began) / 200
