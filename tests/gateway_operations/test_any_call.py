"""Calls of what the catalogue does not list, in any version of the API, with token, permit, statistics and errors."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from integrations.core.errors import BadRequest, RequestRejected
from integrations.gateway import client, media, target
from integrations.gateway.facade import v2, v3
from integrations.gateway.models import Call, Usage
from integrations.gateway.stats import kept_calls, usage_counter
from integrations.highlevel.catalogue import catalogue
from integrations.highlevel.catalogue.unlisted import unlisted
from integrations.highlevel.http import transport
from integrations.quota.permits import queries
from integrations.tenants.models import App
from integrations.tokens.models import Credential
from tests.gateway_operations.conftest import COMPANY, LOCATION, credential
from tests.gateway_operations.scripted import RATE, Scripted, status

pytestmark = pytest.mark.django_db
Sent = tuple[str, str | None, str, str]  # method and raw path, Version, token, body
V3_ONLY = next(o for o in catalogue("v3").operations() if catalogue("v2").find(f"{o.method} {o.path}") is None)


@pytest.fixture
def sent(scripted: Scripted) -> list[Sent]:
    """What reached the vendor, which answers 200."""
    seen: list[Sent] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        line = f"{request.method} {request.raw_path}"
        seen.append((line, request.headers.get("Version"), token, await request.text()))
        return web.json_response({"ok": True}, headers=RATE)

    scripted.plan(*[answer] * 20)
    return seen


@pytest.fixture
def call(app: App, sent: list[Sent]) -> Callable[..., client.Result]:
    credential(app, "location")

    def call(operation: str, **how: Any) -> client.Result:
        return client.call(operation, app=app, location=LOCATION, **how)

    return call


@pytest.mark.parametrize(
    ("operation", "how", "line", "version"),
    [
        ("GET /badges/{badgeId}/x", {"params": {"badgeId": "a/b c"}}, "GET /badges/a%2Fb%20c/x", "2021-07-28"),
        ("get /badges/", {"params": {"limit": 5, "tag": ["a", "b"]}}, "GET /badges/?limit=5&tag=a&tag=b", "2021-07-28"),
        ("DELETE /badges/b1", {"version": "2023-02-21"}, "DELETE /badges/b1", "2023-02-21"),
        ("GET /badges", {"version": "v3"}, "GET /badges", "v3"),
        ("GET /badges", {"version": "legacy"}, "GET /badges", "legacy"),
        ("GET /locations/{locationId}/badges", {}, f"GET /locations/{LOCATION}/badges", "2021-07-28"),
        ("GET /calendars/badges", {}, "GET /calendars/badges", "2021-04-15"),
        ("contacts.get-contact", {"params": {"contactId": "C"}, "version": "v3"}, "GET /contacts/C", "v3"),
        (
            "contacts.get-contact",
            {"params": {"contactId": "C"}, "version": "2023-02-21"},
            "GET /contacts/C",
            "2023-02-21",
        ),
    ],
)
def test_it_is_sent_as_it_is_named(
    call: Callable[..., client.Result], sent: list[Sent], operation: str, how: dict[str, Any], line: str, version: str
) -> None:
    assert call(operation, **how).json == {"ok": True}
    assert sent == [(line, version, "the-location-token", "")]


@pytest.mark.parametrize("body", [{"name": "x", "list": [1, None]}, ["a", {"b": 1}], {}, []])
def test_a_body_is_sent_as_it_is(call: Callable[..., client.Result], sent: list[Sent], body: Any) -> None:
    call("PATCH /badges/{id}", params={"id": "b1", "dry": True}, body=body)
    assert (sent[0][0], json.loads(sent[0][3])) == ("PATCH /badges/b1?dry=true", body)


def test_a_file_goes_into_a_multipart_body(app: App, sent: list[Sent], tmp_path: Any) -> None:
    credential(app, "location")
    (tmp_path / "a.txt").write_bytes(b"what is in it")
    media.upload("POST /badges/upload", tmp_path / "a.txt", body={"title": "t"}, app=app, location=LOCATION)
    assert "what is in it" in sent[0][3]
    assert 'name="title"' in sent[0][3]


def test_an_operation_that_only_the_other_dialect_has(call: Callable[..., client.Result], sent: list[Sent]) -> None:
    params = {p.name: "x" for p in V3_ONLY.params if p.required and p.name not in ("locationId", "companyId")}
    for name in (V3_ONLY.key, f"{V3_ONLY.method} {V3_ONLY.path}"):
        with pytest.raises(BadRequest, match=r"only v3 has .*: give the version v3"):
            call(name, params=params)
    assert sent == []


def test_a_v3_app_calls_what_only_v2_has(app: App, sent: list[Sent]) -> None:
    App.objects.filter(pk=app.pk).update(dialect="v3")
    app.refresh_from_db()
    credential(app, "location")
    assert v2.Api(app, location=LOCATION).contacts.get_contacts(limit=1).status == 200
    assert v3.Api(app, location=LOCATION).contacts.get_contact(contactId="C").status == 200
    assert [(line, version) for line, version, *_ in sent] == [
        (f"GET /contacts/?locationId={LOCATION}&limit=1", "2021-07-28"),
        ("GET /contacts/C", "v3"),
    ]
    with pytest.raises(BadRequest, match=r"only v2 has 'contacts\.get-contacts'"):
        client.call("contacts.get-contacts", app=app, location=LOCATION)


def test_a_v2_app_pages_in_v3(app: App, scripted: Scripted) -> None:
    credential(app, "company")
    seen: list[tuple[str, str | None]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append((request.path, request.headers.get("Version")))
        more = len(seen) == 1
        page = {"hasNextPage": more, "nextPageToken": "t" if more else None}
        return web.json_response({"items": [{"_id": f"L{len(seen)}"}], "pagination": page}, headers=RATE)

    scripted.plan(answer, answer)
    pages = v3.Api(app, company=COMPANY).oauth.get_installed_location_pages(appId="A")
    assert [row["_id"] for page in pages for row in page.items] == ["L1", "L2"]
    assert seen == [("/oauth/installed-locations", "v3")] * 2


OUTSIDE = [
    "https://example.com/contacts",
    "//example.com/contacts",
    "/\\example.com/x",
    "contacts/",
    "/contacts/../oauth/token",
    "/contacts/./x",
    "/..",
    "/contacts/%2e%2e/oauth",
    "/contacts/.%2E/oauth",
    "/contacts/%252e%252e/oauth",
    "/contacts/%25252e./oauth",
    "/contacts/..;a=b/oauth",
    "/contacts/..%2Foauth",
    "/contacts/..%5coauth",
    "/contacts%2f..%2f..%2foauth",
    "/%2fexample.com/x",
    "/%5c%5cexample.com/x",
    "/contacts//x",
    "/contacts/%c0%ae%c0%ae/x",
    "/contacts/%ef%bc%8e%ef%bc%8e/x",
    "/contacts/．．/x",
    "/contacts/x%0d%0aHost:%20example.com",
    "/contacts/x\r\nHost: example.com",
    "/contacts/%00",
    "/contacts/x y",
    "/contacts?limit=5",
    "/contacts#x",
    "/@example.com:x\\y",
    "/http://example.com",
    "/contacts/{}",
    "/contacts/{a",
]


def test_a_path_outside_the_api_is_refused(call: Callable[..., Any], sent: list[Sent]) -> None:
    for path in OUTSIDE:
        for version in (None, "v3", "1.0"):
            with pytest.raises(BadRequest) as refused:
                call(f"GET {path}", version=version)
            assert refused.value.never_sent, path
    assert sent == []


@given(
    st.lists(
        st.sampled_from(["..", ".", "/", "\\", "%2e", "%2F", "%5C", "%25", "2e", "a", ";", "．", "//"]), max_size=7
    )
)
def test_no_combination_leads_out(parts: list[str]) -> None:
    """A path that is let through has the segments that it shows, however often somebody decodes it."""
    path = "/v1/" + "".join(parts)
    try:
        unlisted("GET", path, version="")
    except BadRequest:
        return
    for _ in range(5):
        assert not {".", ".."} & {segment.partition(";")[0] for segment in path.replace("\\", "/").split("/")}
        assert "//" not in path
        path = unquote(path)


def test_a_parameter_leads_nowhere_else(call: Callable[..., Any], sent: list[Sent]) -> None:
    for value in ("..", ".", "../x", "a/../../b", "..\\b", "%2e%2e", "%2e%2e%2fx", "%252e%252e/"):
        for operation, name in (("GET /badges/{id}/x", "id"), ("contacts.get-contact", "contactId")):
            with pytest.raises(BadRequest, match="cannot be"):
                call(operation, params={name: value})
    assert sent == []


@pytest.mark.parametrize(
    ("operation", "how", "words"),
    [
        ("badges.get", {}, "there is no operation 'badges.get'"),
        ("badges.get", {"version": "1.0"}, "API 1.0 has no catalogue: name method and path"),
        ("BREW /badges", {}, "the method has to be one of GET, POST"),
        ("GET /badges", {"version": "v9"}, "'v9' is no version of the API: use one such as v2, v3"),
        ("GET /badges", {"version": "2021-7-28"}, "is no version of the API"),
        ("GET /badges/{id}", {}, "GET /badges/{id} needs id"),
        ("GET /badges/{id}", {"params": {"id": ""}}, "'' cannot be id"),
    ],
)
def test_a_mistake_is_told_before_it_is_sent(
    call: Callable[..., Any], sent: list[Sent], operation: str, how: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        call(operation, **how)
    assert words in str(refused.value)
    assert sent == []


def test_it_pages_only_where_its_pages_are_known(app: App) -> None:
    with pytest.raises(BadRequest, match="the catalogue does not list it, so its pagination is unknown"):
        client.page("GET /badges", app=app, location=LOCATION)


@pytest.mark.django_db(transaction=True)  # statistics are not written inside a transaction
def test_it_costs_a_permit_and_is_counted_without_ids(app: App, call: Callable[..., Any], scripted: Scripted) -> None:
    kept_calls.reset()
    before = queries.snapshot(app.client_id, LOCATION).day_used
    call("GET /contacts/ocQHyuzHvysMo5N5VsXc/badges", params={"email": "ann@example.com"})
    call("GET /contacts/ann@example.com/badges")
    scripted.planned = [status(404, "Cannot GET /contacts/x/badges")]
    with pytest.raises(RequestRejected) as refused:
        call("GET /contacts/{contactId}/badges", params={"contactId": "ocQHyuzHvysMo5N5VsXd"})
    assert (refused.value.vendor.status, refused.value.vendor.message) == (404, "Cannot GET /contacts/x/badges")
    usage_counter.flush()
    kept_calls.waiting.flush()
    assert {(u.operation, u.calls) for u in Usage.objects.all()} == {
        ("GET /contacts/{id}/badges", 2),
        ("GET /contacts/{contactId}/badges", 1),
    }
    kept = Call.objects.get()
    assert (kept.status, kept.path) == (404, "/contacts/ocQHyuzHvysMo5N5VsXd/badges")
    assert queries.snapshot(app.client_id, LOCATION).day_used == before + 3


def test_a_key_of_any_length_can_be_counted(app: App) -> None:
    found = target.find(f"GET /{'/'.join(['segment'] * 60)}", app)
    assert len(found.operation.key) == Usage._meta.get_field("operation").max_length


class TestApi1:
    """API 1.0: the tenant's key, the same call."""

    @pytest.fixture(autouse=True)
    def _address(self, app: App, scripted: Scripted, settings: Any) -> Iterator[None]:
        settings.HIGHLEVEL_API_1_URL = f"{scripted.url}/v1"
        credential(app, "location", kind=Credential.Kind.KEY)
        credential(app, "location")
        yield
        transport.shared(settings.HIGHLEVEL_API_1_URL).close()

    @pytest.mark.django_db(transaction=True)
    def test_from_the_facade(self, app: App, sent: list[Sent]) -> None:
        api = v2.Api(app, location=LOCATION)
        api.call("GET /contacts/{id}", {"id": "c1"}, version="1.0")
        api.call("POST /contacts/", body={"email": "a@example.com"}, version="1.0")
        assert [line for line, *_ in sent] == ["GET /v1/contacts/c1", "POST /v1/contacts/"]
        assert {version for _, version, *_ in sent} == {None}
        usage_counter.flush()
        assert {u.operation for u in Usage.objects.all()} == {"api1 GET /contacts/{id}", "api1 POST /contacts/"}

    def test_from_the_command(self, app: App, sent: list[Sent]) -> None:
        out = io.StringIO()
        arguments = ["GET /contacts/", "--version", "1.0", "--location", LOCATION, "--app", app.highlevel_id]
        call_command("call", *arguments, "--param", "limit=5", stdout=out)
        assert json.loads(out.getvalue()) == {"ok": True}
        assert sent[0][0] == "GET /v1/contacts/?limit=5"


def test_the_command_takes_any_path_and_version(app: App, call: Callable[..., Any], sent: list[Sent]) -> None:
    shared = ("--location", LOCATION, "--app", app.highlevel_id)
    call_command("call", "GET /badges/{id}", "--version", "v3", "--param", "id=b1", *shared, stdout=io.StringIO())
    assert sent[0][:2] == ("GET /badges/b1", "v3")
    with pytest.raises(CommandError, match=r"bad_request: GET /a/\.\./b: the path must not have"):
        call_command("call", "GET /a/../b", *shared)
    with pytest.raises(CommandError, match=f"only v3 has '{V3_ONLY.key}': give the version v3"):
        call_command("call", V3_ONLY.key, *shared)
