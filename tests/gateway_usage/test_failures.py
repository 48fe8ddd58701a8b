"""Failed and slow calls are kept without personal data, and of an error storm only the first ones."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import RequestRejected, ServerFault, Unreachable
from integrations.core.runs import current_run
from integrations.gateway.models import Call, Usage
from integrations.gateway.stats import anonymize, kept_calls, sent_request, upkeep, usage_counter
from integrations.jobs.models import Run
from integrations.quota import usage as quota
from integrations.vault import seal
from tests.gateway_usage.conftest import GET_LOCATION
from tests.gateway_usage.conftest import Call as Caller
from tests.plugin.vendor import Vendor

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = {
    "firstName": "Zebedee",
    "email": "zebedee@example.com",
    "phone": "+15125550147",
    "notes": "owes 300",
    "companyName": "zebedees-bakery",
    "salary": 91357,
    "pin": "8642",
}


def kept() -> list[Call]:
    usage_counter.flush()
    return list(Call.objects.order_by("pk"))


def test_a_refused_call_is_kept_with_its_trace_id(call: Caller, location: str) -> None:
    with quota.spent_by("welcome.tag_newcomers"), pytest.raises(RequestRejected) as refused:
        call("contacts.get-contact", params={"contactId": "nobody"})
    (row,) = kept()
    assert (row.operation, row.resource_id, row.job, row.lane) == (
        "contacts.get-contact",
        location,
        "welcome.tag_newcomers",
        "bulk",
    )
    assert (row.method, row.path, row.code) == ("GET", "/contacts/nobody", "request_rejected")
    assert row.status == refused.value.context["status"]
    assert row.trace_id == refused.value.context["trace_id"] != ""
    assert row.response["message"]
    assert row.message
    assert not row.slow


def test_the_run_that_made_a_call_is_kept_with_it(call: Caller) -> None:
    with current_run.working_on(Run(pk=12)), pytest.raises(RequestRejected):
        call("contacts.get-contact", params={"contactId": "nobody"})
    with pytest.raises(RequestRejected):
        call("contacts.get-contact", params={"contactId": "nobody"})
    first, second = kept()
    assert (first.run, second.run) == ("jobs:12", "")
    assert current_run.parsed(first.run) == ("jobs", 12)
    assert current_run.parsed("") is current_run.parsed("jobs:x") is None


def test_the_very_request_is_kept_sealed_and_without_secrets(call: Caller, location: str) -> None:
    body = {**PEOPLE, "apiKey": "planted-secret-of-an-app"}
    with pytest.raises(RequestRejected):
        call("contacts.update-contact", params={"contactId": "nobody"}, body=body)
    (row,) = kept()
    found = sent_request.opened(row)
    assert found is not None
    assert found.path == "/contacts/nobody"
    assert {name: found.body[name] for name in PEOPLE} == PEOPLE
    assert "planted-secret-of-an-app" not in json.dumps(found.body)
    assert b"Zebedee" not in bytes(row.request_sealed or b"")
    other = Call(at=row.at + timedelta(seconds=1), app=row.app, resource_id=location, request_sealed=row.request_sealed)
    assert sent_request.opened(other) is None, "it opens in its own row alone"


def test_a_large_request_is_not_kept_and_a_lost_key_costs_no_call(
    call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sent_request, "LARGEST", 100)
    with pytest.raises(RequestRejected):
        call("contacts.update-contact", params={"contactId": "nobody"}, body=PEOPLE)
    monkeypatch.undo()
    with pytest.raises(RequestRejected):
        call("contacts.update-contact", params={"contactId": "nobody"}, body=PEOPLE)
    large, small = kept()
    assert large.request_sealed is None
    assert small.request_sealed is not None
    key_id = seal.key_id_of(small.request_sealed)
    assert sent_request.LostRequests().forget(key_id, actor="op") == {"requests of failed calls deleted": 1}
    assert sent_request.LostRequests().forget(key_id, actor="op") == {}
    assert [one.request_sealed for one in kept()] == [None, None]


def test_a_call_without_an_answer_is_kept(call: Caller, vendor: Vendor) -> None:
    vendor.fault("/locations", "lost")
    with pytest.raises(Unreachable):
        call()
    (row,) = kept()
    assert (row.status, row.code, row.response) == (None, "unreachable", None)


def test_a_slow_call_is_kept_though_it_succeeded(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_calls, "SLOW", 0.0)
    call()
    (row,) = kept()
    assert (row.slow, row.status, row.code, row.operation) == (True, 200, "", GET_LOCATION)


def test_a_good_call_is_not_kept(call: Caller) -> None:
    call()
    assert kept() == []


def test_nothing_personal_and_no_secret_is_kept(call: Caller, vendor: Vendor) -> None:
    vendor.fault("/contacts", "status", status=503)
    with pytest.raises(ServerFault):
        call("contacts.create-contact", body={**PEOPLE, "tags": ["vip"], "customFields": [{"id": "f1", "value": "B+"}]})
    (row,) = kept()
    text = json.dumps([row.path, row.query, row.body, row.response, row.message])
    assert set(row.body) >= set(PEOPLE), "the names say which field it was"
    for secret in ("Zebedee", "zebedee", "5125550147", "owes", "B+", "Bearer", "eyJ", "bakery", "91357", "8642", "vip"):
        assert secret not in text
    assert row.body["customFields"] == [{"id": "f1", "value": "‹2 characters›"}]


def test_an_answer_with_what_no_database_takes_is_kept(call: Caller, vendor: Vendor) -> None:
    """The vendor repeats the id it did not find."""
    with pytest.raises(RequestRejected):
        call("contacts.get-contact", params={"contactId": "a\0b"})
    (row,) = kept()
    assert row.path == "/contacts/…"
    assert "\0" not in json.dumps([row.message, row.response])


def test_one_that_the_database_does_not_take_costs_no_other(call: Caller) -> None:
    for contact in ("one", "two", "three"):
        with pytest.raises(RequestRejected):
            call("contacts.get-contact", params={"contactId": contact})
    list(kept_calls.waiting._values.values())[1].message = "\0"
    assert [row.path for row in kept()] == ["/contacts/one", "/contacts/three"]


def test_a_storm_keeps_only_its_first(call: Caller, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_calls, "MOST_OF_A_KIND", 3)
    vendor.fault("/locations", "status", times=None, status=503)
    for _ in range(6):
        with pytest.raises(ServerFault):
            call()
    with pytest.raises(RequestRejected):
        call("contacts.get-contact", params={"contactId": "nobody"})
    assert [row.code for row in kept()] == ["server_fault"] * 3 + ["request_rejected"], "another kind has its own room"
    assert Usage.objects.get(code="server_fault").calls == 6, "but all are counted"


def test_old_calls_go_and_the_table_has_a_bound(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        with pytest.raises(RequestRejected):
            call("contacts.get-contact", params={"contactId": "nobody"})
    first, *_, last = kept()
    Call.objects.filter(pk=first.pk).update(at=clock.now() - timedelta(days=15))
    upkeep.expire(clock.now())
    assert Call.objects.count() == 3
    monkeypatch.setattr(upkeep, "MOST_CALLS", 1)
    upkeep.expire(clock.now())
    assert list(Call.objects.values_list("pk", flat=True)) == [last.pk]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"locationId": "ve9EPM428h8vShlRW1KT"}, {"locationId": "ve9EPM428h8vShlRW1KT"}),
        ({"status": "open", "order": "ASC"}, {"status": "open", "order": "ASC"}),
        ({"contact": "Smith"}, {"contact": "‹5 characters›"}),
        ({"dateAdded": "2026-01-02T03:04:05.678Z"}, {"dateAdded": "2026-01-02T03:04:05.678Z"}),
        ({"dateOfBirth": "1970-01-02"}, {"dateOfBirth": "‹10 characters›"}),
        ({"limit": 100, "active": True}, {"limit": 100, "active": True}),
        ({"phone": 15125550147, "other": 15125550147}, {"phone": "…", "other": "…"}),
        ({"startAfter": 1_700_000_000_000}, {"startAfter": 1_700_000_000_000}),
        ({"access_token": "abc"}, {"access_token": "‹3 characters›"}),
        ({"id": "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9xyz"}, {"id": "‹39 characters›"}),
        ({"id": "123e4567-e89b-12d3-a456-426614174000"}, {"id": "123e4567-e89b-12d3-a456-426614174000"}),
        ({"traceId": "0af7651916cd43dd8448eb211c80319c"}, {"traceId": "0af7651916cd43dd8448eb211c80319c"}),
        ({"smsId": "5550100999"}, {"smsId": "‹10 characters›"}),
        ({"externalId": "555-010-0999"}, {"externalId": "‹12 characters›"}),
        ({"ann@example.com": 1}, {"…": "…"}),
        ({"pin": "4321", "code": "123456"}, {"pin": "‹4 characters›", "code": "‹6 characters›"}),
        ({"pin": 4321, "salary": 90_000, "rate": 0.5}, {"pin": "…", "salary": "…", "rate": "…"}),
        ({"tags": ["vip"], "company": "acme"}, {"tags": ["‹3 characters›"], "company": "‹4 characters›"}),
        ({"status": "4321987"}, {"status": "4321987"}),
        ({"status": "Ann Lee", "total": 12.5}, {"status": "‹7 characters›", "total": "…"}),
        ({"searchAfter": [1_700_000_000_000, "smith"]}, {"searchAfter": [1_700_000_000_000, "‹5 characters›"]}),
        (
            {"customFields": [{"id": "f1", "value": "blue", "type": "sick", "active": True}]},
            {"customFields": [{"id": "f1", "value": "‹4 characters›", "type": "‹4 characters›", "active": "…"}]},
        ),
        (
            {"properties": {"insured": True, "ownerId": "smith"}},
            {"properties": {"insured": "…", "ownerId": "‹5 characters›"}},
        ),
        ({"message": "Hi Ann, it was benign"}, {"message": "‹21 characters›"}),
        ({"ids": ["a", "b", "c", "d", "e", "f"]}, {"ids": ["a", "b", "c", "d", "e", "… 1 more"]}),
        (b"raw", "‹bytes›"),
    ],
)
def test_what_is_kept_of_a_body(value: Any, expected: Any) -> None:
    assert anonymize.kept(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("call ann@example.com or +1 512 555 0147 or 555-0147", "call … or … or …"),
        ("the key was refused: Bearer abcd1234", "the key was refused: …"),
        ("secret=shh12345 is wrong", "… is wrong"),
        ("eyJhbGciOiJIUzI1NiIsInR5cCI6 has expired", "… has expired"),
        ("the bearer token is invalid", "the bearer token is invalid"),
        ("a\0b\ud800", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_what_is_kept_of_a_refusals_words(text: str, expected: str) -> None:
    assert anonymize.kept({"message": text}, prose=anonymize.clean) == {"message": expected}


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    written = anonymize.words(
        {"firstName": "Ann", "status": "open"}, {"customFields": [{"id": "f1", "value": "O+"}, 4711]}
    )
    assert written("ann cannot be open: Ann (4711) is there") == "… cannot be open: … (…) is there"


def test_a_path_is_kept_with_its_ids_alone() -> None:
    uuid = "123e4567-e89b-12d3-a456-426614174000"
    kept = f"/contacts/{uuid}/ve9EPM428h8vShlRW1KT/free-slots"
    assert anonymize.path(kept) == kept
    assert anonymize.path("/a/ann%40example.com/+15125550147/512.555.0147/a%00b") == "/a/…/…/…/…"


def test_a_large_body_is_reduced_to_its_names() -> None:
    large = {f"field{number}": [{"id": f"x{item}", "kind": "some_kind"} for item in range(5)] for number in range(60)}
    assert anonymize.bounded(large) == {f"field{number}": "…" for number in range(60)}


def test_a_deep_body_ends() -> None:
    deep: Any = {}
    for _ in range(50):
        deep = {"a": deep}
    assert "…" in json.dumps(anonymize.kept(deep), ensure_ascii=False)


def test_an_answer_that_is_no_json_is_kept_as_its_words() -> None:
    page = b"<html><h1>502 Bad Gateway</h1>\n<p>ask ann@example.com</p></html>"
    assert anonymize.answer(None, page, "text/html", anonymize.clean) == "502 Bad Gateway ask …"
    assert anonymize.answer(None, page, "text/html") == "‹text/html, 64 bytes›", (
        "only a refusal's words are the vendor's"
    )
    assert anonymize.answer(None, b"\x00\x01", "image/png") == "‹image/png, 2 bytes›"
    assert anonymize.answer(None, b"", "") is None


def test_files_are_named_and_not_kept() -> None:
    form = {"fileAttachment": "x", "limit": "5"}
    assert anonymize.body(None, form, {"file": ("ann.png", b"secret", "image/png")}) == {
        "fileAttachment": "‹1 characters›",
        "limit": "5",
        "file": "‹6 characters›",
    }
