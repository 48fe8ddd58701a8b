"""One call: the right token, checked before it costs a permit, and one HTTP attempt with a typed result or error."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import (
    BadRequest,
    GrantRevoked,
    InstallGone,
    IntegrationError,
    LocationInactive,
    QuotaExhausted,
    RequestRejected,
    ScopeMissing,
    ServerFault,
    StoreUnavailable,
    Unreachable,
    VendorThrottled,
)
from integrations.gateway import client
from integrations.highlevel.errors import AccessTokenRejected
from integrations.quota.permits import governor, queries, scripts, timings
from integrations.quota.permits.lanes import Lane
from integrations.quota.permits.permit import Permit
from integrations.tenants.models import App
from integrations.tokens.models import Credential
from tests.gateway.conftest import GET_LOCATION, Call, Counted
from tests.plugin.vendor import Vendor, move

BULK_LIMIT = 100


def used(row: Credential) -> int:
    return queries.snapshot(row.app.client_id, row.resource_id).day_used


def out(row: Credential) -> int:
    """Slots that are neither free nor will be within a window: calls on their way."""
    found = queries.snapshot(row.app.client_id, row.resource_id)
    slots, state = scripts.keys(f"{row.app.client_id}:{row.resource_id}")
    born = int(scripts.client().hget(state, "b") or 0)
    soon = (clock.now().timestamp() + governor.START_WINDOW + timings.SLACK + 0.5) * 1e6 - born
    return found.limit - int(scripts.client().zcount(slots, "-inf", soon))


def test_a_location_by_its_own_token(call: Call, location: Credential, counted: Counted) -> None:
    result = call()
    assert (result.status, result.operation) == (200, GET_LOCATION)
    assert result.json["location"]["id"] == location.resource_id
    assert result.trace_id
    assert (counted.calls, used(location), out(location)) == (1, 1, 0)


def test_a_company_by_its_own_token(app: App, company: Credential, vendor: Vendor) -> None:
    params = {"appId": app.highlevel_id, "isInstalled": True}
    result = client.call("oauth.get-installed-location", app=app, company=company.resource_id, params=params)
    assert {row["_id"] for row in result.json["locations"]} == set(vendor.locations)


def test_a_write(call: Call, vendor: Vendor) -> None:
    body = {"firstName": "Ada", "email": "ada@example.com"}
    made = call("contacts.create-contact", body=body)
    assert made.status == 201
    contact = made.json["contact"]
    assert contact["locationId"] == vendor.locations[0]
    assert call("contacts.get-contact", params={"contactId": contact["id"]}).json["contact"]["firstName"] == "Ada"


def test_an_operation_by_method_and_path(call: Call) -> None:
    assert call("GET /locations/{locationId}").operation == GET_LOCATION


@pytest.mark.parametrize(
    ("operation", "how", "message"),
    [
        (GET_LOCATION, {"company": "c1"}, "either a location or a company"),
        (GET_LOCATION, {"location": None}, "either a location or a company"),
        (GET_LOCATION, {"location": ""}, "either a location or a company"),
        ("contacts.get-contakt", {}, "contakt"),
        ("contacts.get-contact", {}, "contactId"),
        ("contacts.get-contact", {"params": {"contactId": "x", "colour": {"red": 1}}}, "colour"),
        ("oauth.get-location-access-token", {"location": None, "company": "c1", "body": ["L"]}, "form"),
    ],
)
def test_a_mistake_of_the_caller_costs_nothing(
    call: Call, location: Credential, counted: Counted, operation: str, how: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadRequest, match=message):
        call(operation, **how)
    assert (counted.calls, used(location)) == (0, 0)


def test_a_scope_that_the_files_want_is_missing_only_if_highlevel_says_so(
    call: Call, location: Credential, vendor: Vendor, counted: Counted
) -> None:
    Credential.objects.filter(pk=location.pk).update(scopes="contacts.readonly users.readonly")
    assert call().status == 200
    vendor.fault("/locations", "unauthorized", message="The token is not authorized for this scope.")
    with pytest.raises(ScopeMissing, match=r"locations\.readonly") as refused:
        call()
    assert refused.value.context["missing"] == ["locations.readonly"]
    assert counted.refreshes == 0


def test_a_grant_that_names_no_scopes_is_tried(call: Call, location: Credential) -> None:
    Credential.objects.filter(pk=location.pk).update(scopes="")
    assert call().status == 200


def test_a_refused_connection(app: App, vendor: Vendor) -> None:
    with pytest.raises(InstallGone):
        client.call(GET_LOCATION, app=app, location="stranger")


@pytest.mark.parametrize(
    ("state", "error"),
    [("revoked", InstallGone), ("needs_reconnect", GrantRevoked), ("suspended", LocationInactive)],
)
def test_a_credential_that_is_not_active_is_not_tried(
    call: Call, location: Credential, counted: Counted, state: str, error: type[IntegrationError]
) -> None:
    tokens = {"access_sealed": None, "refresh_sealed": None} if state == "revoked" else {}
    Credential.objects.filter(pk=location.pk).update(state=state, reason="a test", **tokens)
    with pytest.raises(error):
        call()
    assert (counted.calls, used(location)) == (0, 0)


def test_a_paused_location(call: Call, location: Credential, vendor: Vendor) -> None:
    vendor.post(f"/sandbox/locations/{location.resource_id}/pause")
    with pytest.raises(LocationInactive):
        call()
    assert out(location) == 0


# What the vendor or the way to it does, the error, and whether a slot is free again at once.
ENDS: list[tuple[str, dict[str, Any], type[IntegrationError], dict[str, Any]]] = [
    ("status", {"status": 500}, ServerFault, {"status": 500}),
    ("status", {"status": 503}, ServerFault, {"status": 503}),
    ("status", {"status": 404}, RequestRejected, {"status": 404, "reason": "not_found"}),
    ("status", {"status": 422, "body": {"message": ["no"]}}, RequestRejected, {"reason": "validation"}),
    ("status", {"status": 403}, RequestRejected, {"status": 403}),
    ("quota", {}, VendorThrottled, {"window": "burst"}),
    ("quota", {"daily": True}, VendorThrottled, {"window": "day"}),
    ("quota", {"daily": True, "overdrawn": 3}, VendorThrottled, {"window": "day"}),
    ("garbage", {}, Unreachable, {"sent": True}),
    ("truncated", {}, Unreachable, {"sent": True}),
    ("close", {}, Unreachable, {"sent": True}),
    ("lost", {}, Unreachable, {"sent": True}),
]


@pytest.mark.parametrize(
    ("kind", "params", "error", "context"), ENDS, ids=[f"{kind}{p.get('status', '')}" for kind, p, _, _ in ENDS]
)
def test_every_other_end_is_a_typed_one_and_settles_its_permit(
    call: Call,
    location: Credential,
    vendor: Vendor,
    counted: Counted,
    kind: str,
    params: dict[str, Any],
    error: type[IntegrationError],
    context: dict[str, Any],
) -> None:
    call()
    vendor.fault("/locations", kind, **params)
    before = counted.requests
    with pytest.raises(error) as raised:
        call(lane=Lane.BULK)
    assert type(raised.value) is error
    assert context.items() <= raised.value.context.items()
    assert raised.value.context["operation"] == GET_LOCATION
    assert counted.requests == before + 1, "one attempt, whatever comes"
    assert counted.refreshes == 0
    assert (used(location), out(location)) == (2, 0)
    # A burst that is refused says that the vendor has counted what we do not know of: nothing goes for a window.
    free = 0 if context.get("window") == "burst" else BULK_LIMIT - 2
    assert queries.snapshot(location.app.client_id, location.resource_id).free == free, "both are cooling"


def test_a_429_says_when_to_come_back(call: Call, vendor: Vendor) -> None:
    vendor.fault("/locations", "quota")
    with pytest.raises(QuotaExhausted) as refused:
        call()
    assert refused.value.retry_after == 10.0


@pytest.mark.parametrize("overdrawn", [0, 3])
def test_a_spent_day_is_shared_between_processes(call: Call, vendor: Vendor, counted: Counted, overdrawn: int) -> None:
    vendor.fault("/locations", "quota", daily=True, overdrawn=overdrawn)
    with pytest.raises(QuotaExhausted):
        call()
    with pytest.raises(QuotaExhausted, match="today's quota") as refused:
        call(lane=Lane.INTERACTIVE)
    assert refused.value.retry_after == pytest.approx(86_400, abs=5)
    assert counted.calls == 0, "the fault stood before the API, and the second call was never sent"


def test_a_request_that_never_left_gives_its_permit_back(call: Call, location: Credential, app: App) -> None:
    call()
    move(app, "http://127.0.0.1:1")
    with pytest.raises(Unreachable) as raised:
        call(app=app)
    assert raised.value.context["sent"] is False
    assert queries.snapshot(app.client_id, location.resource_id).free == BULK_LIMIT - 1, "only the first is cooling"


def test_a_request_that_cannot_be_written_gives_its_permit_back(call: Call, location: Credential) -> None:
    call()
    with pytest.raises(BadRequest):
        call("contacts.create-contact", body={"firstName": object()})
    assert queries.snapshot(location.app.client_id, location.resource_id).free == BULK_LIMIT - 1


def test_a_permit_that_came_too_late_is_not_used(
    call: Call, location: Credential, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = governor.acquire

    def late(*arguments: Any, **named: Any) -> Permit:
        permit = real(*arguments, **named)
        return Permit(permit.key, permit.epoch, permit.slot, permit.deadline, clock.monotonic() - 0.001)

    monkeypatch.setattr(governor, "acquire", late)
    with pytest.raises(Unreachable, match="was suspended") as raised:
        call()
    assert (raised.value.retry_after, counted.calls, out(location)) == (0.0, 0, 0)


def test_redis_failing_during_a_call_keeps_the_response(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    real = scripts.run_all

    def dies(calls: list[Any]) -> list[Any]:
        if any(request["want"] == 0 for _, request in calls):
            return [StoreUnavailable("gone") for _ in calls]
        return real(calls)

    with monkeypatch.context() as patched:
        patched.setattr(scripts, "run_all", dies)
        assert call().status == 200


def test_without_the_store_nothing_is_sent(call: Call, counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "run_all", lambda calls: [StoreUnavailable("gone") for _ in calls])
    with pytest.raises(StoreUnavailable) as refused:
        call()
    assert refused.value.context["resource"], "so that its task can be parked"
    assert counted.calls == 0


def test_a_deadline_is_kept(call: Call, vendor: Vendor) -> None:
    call()
    vendor.fault("/locations", "latency", ms=30_000)
    began = clock.monotonic()
    with pytest.raises(Unreachable):
        call(deadline=0.3)
    assert clock.monotonic() - began < 20


def test_no_token_is_in_an_error_or_a_result(call: Call, vendor: Vendor, location: Credential) -> None:
    from_vendor = call()
    vendor.fault("/locations", "unauthorized", times=None)
    with pytest.raises(AccessTokenRejected) as raised:
        call()
    text = repr(from_vendor) + repr(raised.value) + str(raised.value.context)
    assert "eyJ" not in text, "a JWT begins so"


def test_an_error_carries_all_that_the_vendor_said(call: Call, vendor: Vendor, location: Credential) -> None:
    """In Python as attributes: status, words, parsed body with its codes, trace id, headers of the quota."""
    vendor.fault("/contacts/", "status", status=400, body=DUPLICATE)
    with pytest.raises(RequestRejected) as refused:
        call("contacts.get-contacts")
    said = refused.value.vendor
    assert (said.status, said.trace_id) == (400, "trace-1")
    assert said.message == f"{DUPLICATE['message']}; {DUPLICATE['code']}"
    assert said.body["meta"] == DUPLICATE["meta"]
    assert said.body["code"] == "LOCATION_DOES_NOT_ALLOW_DUPLICATED_CONTACTS"
    with pytest.raises(RequestRejected) as real:
        call("contacts.get-contact", params={"contactId": "nobody"})
    assert real.value.vendor.headers["x-ratelimit-max"] == "100"
    assert real.value.vendor.record()["headers"] == real.value.vendor.headers


DUPLICATE: dict[str, Any] = {
    "statusCode": 400,
    "message": "This location does not allow duplicated contacts.",
    "code": "LOCATION_DOES_NOT_ALLOW_DUPLICATED_CONTACTS",
    "meta": {"contactId": "ocQHyuzHvysMo5N5VsXc", "matchingField": "email"},
    "traceId": "trace-1",
}
