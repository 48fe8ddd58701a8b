"""The call explorer: any operation by hand, writes only after a second look, and once."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from integrations.core import clock, redaction
from integrations.core.errors import RequestRejected
from integrations.core.models import AuditEntry
from integrations.core.tenant import UserType
from integrations.gateway import client
from integrations.gateway.explorer import admin_views, explorer
from integrations.gateway.models import Call, Usage
from integrations.gateway.stats import usage_counter
from integrations.highlevel.catalogue import catalogue
from integrations.installs.entered import connection
from integrations.tenants.models import App, Installation
from integrations.tokens import store
from tests.gateway_usage.conftest import GET_LOCATION
from tests.plugin.vendor import Vendor, company_grant

# The tests collect no static files, which whitenoise remarks on.
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:No directory at:UserWarning"),
]

CREATE, UPDATE = "contacts.create-contact", "contacts.update-contact"
MINT = "oauth.get-location-access-token"


@pytest.fixture
def operator(app: App, location: str) -> Client:
    now = clock.now()
    Installation.objects.create(
        app=app,
        user_type=UserType.LOCATION,
        resource_id=location,
        status=Installation.Status.INSTALLED,
        origin=Installation.Origin.APP,
        status_at=now,
        created_at=now,
    )
    return signed_in(User.objects.create_superuser("op", password="a long enough password"))


def signed_in(user: User) -> Client:
    client = Client(HTTP_HOST="app.example.com")
    client.force_login(user)
    return client


def url(key: str = "") -> str:
    return reverse("admin:gateway_explore_operation", args=[key]) if key else reverse("admin:gateway_explore")


def get(client: Client, path: str, **query: str) -> str:
    answer = client.get(path, query, secure=True)
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def post(client: Client, key: str, **fields: Any) -> str:
    answer = client.post(url(key), fields, secure=True, HTTP_REFERER="https://app.example.com/")
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def test_operations_are_found_by_words_of_their_key_path_and_tag(operator: Client) -> None:
    assert GET_LOCATION in get(operator, url(), q="get location /locations")
    assert "0 operations" in get(operator, url(), q="no such thing")
    assert f"{len(catalogue('v2'))} operations" in get(operator, url())


def test_every_operation_of_both_dialects_has_a_form(operator: Client, app: App) -> None:
    """Of each shape (parameters, body) one is rendered; the forms' fields are made for all."""
    shapes = {}
    for dialect in ("v2", "v3"):
        for operation in catalogue(dialect).operations():  # type: ignore[arg-type]
            made = explorer.fields(operation, {}, {})
            assert {field.name for field in made} == {parameter.name for parameter in operation.params}
            assert explorer.example(operation) == "" or operation.body is not None
            if dialect == "v2":
                body = operation.body
                shape = (bool(operation.params), body and (body.content, body.is_array, bool(body.needs)))
                shapes[shape] = operation.key
    assert len(shapes) > 5
    for key in shapes.values():
        assert key in get(operator, url(key))


def test_a_read_is_sent_at_once_and_everything_is_shown(operator: Client, location: str, vendor: Vendor) -> None:
    page = post(operator, GET_LOCATION, tenant=location)
    assert '<span class="gate-ok">200</span>' in page
    assert f"GET /locations/{location}" in page
    assert "Authorization: the token of location" in page
    assert "eyJ" not in page
    assert "Bearer" not in page
    assert re.search(r"\d+ ms", page)
    assert re.search(r"1 call; \d+ of \d+ free now, [\d,]+ of [\d,]+ left today", page)
    assert '"location": {' in page
    usage = Usage.objects.get()
    assert (usage.operation, usage.lane, usage.job) == (GET_LOCATION, "interactive", "")
    assert not AuditEntry.objects.filter(action__startswith="api.").exists()


def test_an_error_is_shown_with_its_trace_id_and_kept(operator: Client, location: str) -> None:
    page = post(operator, "contacts.get-contact", tenant=location, **{"value.contactId": "nobody"})
    call = Call.objects.get()
    assert call.code in page
    assert call.trace_id in page
    assert call.trace_id
    assert "1 call;" in page


@pytest.mark.parametrize(
    ("key", "fields", "mistake"),
    [
        ("contacts.get-contact", {}, "contacts.get-contact needs contactId"),
        (GET_LOCATION, {"tenant": "elsewhere"}, "the app is not installed on 'elsewhere'"),
        (GET_LOCATION, {"tenant": ""}, "choose a tenant"),
        (CREATE, {"body": "{no json"}, "the body is not JSON"),
        (CREATE, {"body": r'{"firstName": "\ud83d"}'}, "the body is not JSON"),
        (CREATE, {"body": '{"firstName": NaN}'}, "the body is not JSON"),
        (CREATE, {"body": "[" * 100_000}, "the body is not JSON"),
        ("contacts.add-tags", {"value.contactId": "c1", "body": '{"tags": "<array>"}'}, "still to be filled in: tags"),
    ],
)
def test_a_mistake_is_reported_before_anything_is_sent(
    operator: Client, location: str, key: str, fields: dict[str, str], mistake: str
) -> None:
    page = post(operator, key, **{"tenant": location, **fields})
    assert mistake in page
    assert not Usage.objects.exists()
    for name, value in fields.items():
        assert value in page, f"{name} is still in the form"


def test_what_the_files_have_against_a_call_is_shown_before_it_is_sent(operator: Client, location: str) -> None:
    page = post(operator, "contacts.add-tags", tenant=location, **{"value.contactId": "c1", "body": "{}"})
    assert "documented as required, and missing in the body: tags" in page
    assert "Send it" in page
    assert not Usage.objects.exists()
    page = post(operator, "contacts.get-contacts", tenant=location, **{"value.limit": "many"})
    assert "the value does not fit what is documented: limit (query, number)" in page
    assert Usage.objects.get().calls == 1, "a read is sent at once"


def test_the_form_takes_what_the_files_lack(operator: Client, location: str, vendor: Vendor) -> None:
    """A value that is none of an enum, parameters and a body that the operation lacks, a token of the other level."""
    form = get(operator, url("opportunities.search-opportunity"))
    assert 'name="value.status" value="" list="choices-' in form, "suggestions, not limits"
    others = {"value.status": "paused", "query": "colour=red\ncolour=blue"}
    page = post(operator, "opportunities.search-opportunity", tenant=location, **others)
    assert "status = paused" in page
    assert "& colour = blue" in page
    assert "not documented, sent in the query: colour" in page
    page = post(operator, "contacts.delete-contact", tenant=location, body='{"a": 1}', **{"value.contactId": "c1"})
    assert "no body is documented for this operation" in page
    assert '"a": 1' in page.partition("Authorization:")[2]
    page = post(operator, "oauth.get-installed-location", tenant=location, **{"value.appId": "a"})
    assert "documented for the token of a company, not of a location" in page
    assert "another kind of credential" in page, "HighLevel's own answer"


def confirm(operator: Client, location: str, **fields: Any) -> tuple[str, dict[str, str]]:
    """The confirmation page, and the form on it."""
    page = post(operator, CREATE, tenant=location, **fields)
    assert "Send this?" in page
    number = re.search(r'name="confirmed" value="([^"]+)"', page)
    assert number is not None
    return page, {"tenant": location, **fields, "confirmed": number[1]}


def contacts(vendor: Vendor, location: str) -> int:
    return int(vendor.state()["quota"].get(location, {}).get("requests", 0))


def test_a_write_is_looked_at_sent_once_and_put_down(operator: Client, location: str, vendor: Vendor) -> None:
    page, form = confirm(operator, location, body='{"firstName": "Zebedee", "email": "z@example.com"}')
    assert f'"locationId": "{location}"' in page, "it is shown as it is sent"
    assert contacts(vendor, location) == 0
    assert not AuditEntry.objects.filter(action__startswith="api.").exists()

    page = post(operator, CREATE, **form)
    assert '<span class="gate-ok">201</span>' in page
    before, after = AuditEntry.objects.filter(action__startswith="api.").order_by("id")
    assert (before.action, before.actor, before.subject) == (
        "api.called_by_hand",
        "operator op",
        f"Location:{location}",
    )
    assert (after.detail["status"], after.detail["operation"]) == (201, CREATE)
    assert before.detail["fields"] == ["email", "firstName"]
    assert "Zebedee" not in str([before.detail, after.detail]), "names of fields, not people"

    again = post(operator, CREATE, **form)
    assert "Send this?" in again, "the same form once more is looked at once more"
    assert contacts(vendor, location) == 1


def test_any_path_is_called_in_any_version(operator: Client, location: str, vendor: Vendor) -> None:
    """Of API 2.0, of v3, and what no catalogue lists; the sandbox answers the last with its 404."""
    chosen = reverse("admin:gateway_explore_path")
    assert get(operator, url(), version="v3").count(f"{len(catalogue('v3'))} operations of v3") == 1
    assert "0 operations of 1.0" in get(operator, url(), version="1.0")
    blank = operator.get(chosen, {"method": "POST", "path": "/contacts/{contactId}/badges"}, secure=True)
    form = html.unescape(blank.content.decode())
    assert "not in the catalogue" in form
    assert 'name="value.contactId"' in form
    assert 'name="query"' in form

    def sent(**fields: str) -> str:
        answer = operator.post(
            chosen, {"tenant": location, **fields}, secure=True, HTTP_REFERER="https://app.example.com/"
        )
        return html.unescape(answer.content.decode())

    listed = sent(method="GET", path="/locations/{locationId}", version="v3")
    assert '<span class="gate-ok">200</span>' in listed
    assert "Version: v3" in listed
    unknown = sent(method="GET", path="/badges/{id}", query="limit=5\ntag=a\ntag=b", **{"value.id": "b1"})
    assert "GET /badges/b1" in unknown
    assert "& tag = b" in unknown
    assert '<span class="gate-bad">404' in unknown
    looked = sent(method="PUT", path="/badges/b1", body='{"a": 1}', version="2023-02-21")
    assert "Send this?" in looked
    number = re.search(r'name="confirmed" value="([^"]+)"', looked)
    assert number is not None
    again = {"method": "PUT", "path": "/badges/b1", "body": '{"a": 1}', "confirmed": number[1]}
    assert "Send this?" in sent(**again), "in another version it is another request"
    number = re.search(r'name="confirmed" value="([^"]+)"', sent(**again, version="2023-02-21"))
    assert '<span class="gate-bad">404' in sent(**(again | {"confirmed": number[1]}), version="2023-02-21")  # type: ignore[index]
    assert AuditEntry.objects.filter(action="api.answered_by_hand").get().detail["version"] == "2023-02-21"
    assert "the path must not have the segments" in sent(method="GET", path="/a/%2e%2e/b")
    assert "is no version of the API" in sent(method="GET", path="/a", version="v9")
    assert "a line for each parameter" in sent(method="GET", path="/a", query="limit")


def test_api_1_is_called_by_path_with_the_accounts_key(
    operator: Client, app: App, location: str, vendor: Vendor, settings: Settings
) -> None:
    settings.HIGHLEVEL_API_1_URL = f"{vendor.url}/v1"
    settings.HIGHLEVEL_ALLOWED_HOSTS = ["127.0.0.1"]
    chosen, refused_by = reverse("admin:gateway_explore_path"), "has no API 1.0 key"

    def sent(path: str, **fields: str) -> str:
        given = {"tenant": location, "method": "GET", "path": path, "version": "1.0", **fields}
        answer = operator.post(chosen, given, secure=True, HTTP_REFERER="https://app.example.com/")
        return html.unescape(answer.content.decode())

    assert refused_by in sent("/tags/"), "its OAuth token opens nothing there"
    key = vendor.post("/sandbox/tokens", {"kind": "key", "account": location})["token"]
    connection.connect(store.location(app, location), key, kind="key", actor="operator op")
    listed = sent("/tags/")
    assert '<span class="gate-ok">200</span>' in listed
    assert '"tags": [' in listed
    one = sent("/contacts/", query="limit=1")
    assert '"contacts": [' in one
    missing = sent("/contacts/{contactId}", **{"value.contactId": "nobody"})
    assert '<span class="gate-bad">404' in missing
    assert "Contact not found" in missing
    assert "support-report" in missing, "what to do, and a report to copy"
    for page in (listed, one, missing):
        assert key not in page


def test_a_minted_token_is_not_shown(operator: Client, app: App, location: str, vendor: Vendor) -> None:
    """An operation hands out tokens like any other answer; the page says that they came, and how long they are."""
    installation = Installation.objects.get()
    Installation.objects.filter(pk=installation.pk).update(user_type=UserType.COMPANY, resource_id=vendor.company)
    store.save_grant(store.company(app, vendor.company), company_grant(vendor, app), now=clock.now())
    form = {"tenant": vendor.company, "body": json.dumps({"companyId": vendor.company, "locationId": location})}
    number = re.search(r'name="confirmed" value="([^"]+)"', post(operator, MINT, **form))
    assert number is not None
    page = post(operator, MINT, **form, confirmed=number[1])
    assert '<span class="gate-ok">201</span>' in page or '<span class="gate-ok">200</span>' in page
    shown = json.loads(re.findall(r'<pre class="gate-code" tabindex="0">(.*?)</pre>', page, re.DOTALL)[0])
    assert shown["locationId"] == location
    assert {shown["access_token"][0], shown["refresh_token"][0]} == {"‹"}
    assert "eyJ" not in page


@pytest.mark.parametrize(
    ("came", "shown"),
    [
        ({"accessToken": "abc", "nextPageToken": "abc"}, {"accessToken": "‹3 characters›", "nextPageToken": "abc"}),
        ({"keys": {"apiKey": ["k1", "k2"], "x": 1}}, {"keys": {"apiKey": ["‹2 characters›"] * 2, "x": 1}}),
        ([{"note": "use pit-0123456789abcdef"}, None], [{"note": "use …"}, None]),
        ("Bearer eyJhbGciOi.eyJzdWIi.c2ln", "Bearer …"),
    ],
)
def test_secrets_are_hidden_by_name_and_by_shape(came: Any, shown: Any) -> None:
    assert redaction.without_secrets(came) == shown


def test_a_search_by_post_is_a_read(operator: Client, location: str, vendor: Vendor) -> None:
    key = "contacts.search-contacts-advanced"
    assert ">Send</button>" in get(operator, url(key))
    assert ">Send</button>" not in get(operator, url(CREATE))
    page = post(operator, key, tenant=location, body='{"pageLimit": 1}')
    assert '<span class="gate-ok">2' in page, "sent at once"
    assert contacts(vendor, location) == 1
    assert not AuditEntry.objects.filter(action__startswith="api.").exists()


def test_what_was_looked_at_is_what_is_sent(operator: Client, location: str, vendor: Vendor) -> None:
    _, form = confirm(operator, location, body='{"firstName": "Ann"}')
    page = post(operator, CREATE, **{**form, "body": '{"firstName": "Ben"}'})
    assert "Send this?" in page
    assert contacts(vendor, location) == 0


def test_only_who_may_explore_can(operator: Client, location: str) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_call", content_type__app_label="gateway"))
    client = signed_in(viewer)
    assert client.get(reverse("admin:gateway_call_changelist"), secure=True).status_code == 200
    for path in (url(), url(GET_LOCATION)):
        assert client.get(path, secure=True).status_code == 403
        assert Client(HTTP_HOST="app.example.com").get(path, secure=True).status_code == 302
    assert client.post(url(GET_LOCATION), {"tenant": location}, secure=True).status_code == 403
    assert "Call explorer" not in client.get(reverse("admin:index"), secure=True).content.decode()
    viewer.user_permissions.add(Permission.objects.get(codename="explore"))
    assert signed_in(User.objects.get(pk=viewer.pk)).get(url(), secure=True).status_code == 403, (
        "answers are not masked"
    )
    viewer.user_permissions.add(Permission.objects.get(codename="view_personal_data"))
    client = signed_in(User.objects.get(pk=viewer.pk))
    assert client.get(url(), secure=True).status_code == 200


def test_no_such_operation_is_404_on_the_explorers_own_page(operator: Client) -> None:
    answer = operator.get(url("contacts.get-contacts-by"), secure=True)
    assert answer.status_code == 404
    page = html.unescape(answer.content.decode())
    assert "contacts.get-contacts-by" in page
    assert 'name="q"' in page, "the next search is at hand"


def test_what_the_tenant_gives_need_not_be_given(operator: Client) -> None:
    page = get(operator, url("contacts.search-contacts-advanced"))
    assert '"pageLimit": "<number>"' in page
    assert "<b>pageLimit</b>" in page
    assert "<b>locationId</b>" not in page
    assert "<dt>locationId</dt><dd>string: id of the location</dd>" in page


def test_lists_and_text_become_what_the_catalogue_wants() -> None:
    operation = catalogue("v2").operation("contacts.get-contact")
    array = next(
        (p for o in catalogue("v2").operations() for p in o.params if p.type == "array"),
        operation.params[0],
    )
    assert explorer._given(array, "a, b\nc,") == ["a", "b", "c"]
    assert explorer._given(operation.params[0], "a, b") == "a, b"


def test_a_large_answer_is_cut() -> None:
    text = explorer._text({"a": "x" * 200_000}, b"", "application/json")
    assert len(text) < explorer.LARGEST_SHOWN + 100
    assert text.endswith("more")
    assert explorer._text(None, b"\x00" * 5, "image/png") == "5 bytes of image/png"


def test_a_failed_call_opens_with_the_very_parameters_and_body(operator: Client, app: App, location: str) -> None:
    body = {"email": "zebedee@example.com", "apiKey": "planted-secret-of-an-app"}
    with pytest.raises(RequestRejected):
        client.call(UPDATE, app=app, location=location, params={"contactId": "nobody"}, body=body)
    usage_counter.flush()
    row = Call.objects.get()
    text = html.unescape(operator.get(admin_views.url_of(row), secure=True).content.decode())
    assert 'name="value.contactId" value="nobody"' in text
    assert '"email": "zebedee@example.com"' in text
    assert "As it was sent at" in text
    assert "planted-secret-of-an-app" not in text
    Call.objects.update(request_sealed=None)
    text = html.unescape(operator.get(admin_views.url_of(row), secure=True).content.decode())
    assert "was not kept: fill in what stands in" in text
    assert "zebedee" not in text
    for number in ("", "x", "99999999", str(2**64)):
        assert "As it was sent" not in get(operator, url(UPDATE), call=number)


def test_the_query_of_a_failed_call_is_filled_in_listed_or_not(operator: Client, app: App, location: str) -> None:
    wanted = {
        "method": "GET",
        "path": "/contacts/",
        "resource_id": location,
        "app": app,
        "took_ms": 1,
        "at": clock.now(),
    }
    query = [["query", "ann"], ["limit", "5"], ["locationId", location]]
    row = Call.objects.create(operation="contacts.get-contacts", query=query, **wanted)
    text = html.unescape(operator.get(admin_views.url_of(row), secure=True).content.decode())
    assert 'name="value.query" value="ann"' in text
    assert f'value="{location}" placeholder' not in text, "the tenant's own id is filled in by itself"
    wanted["path"] = "/contacts/of/ours"
    row = Call.objects.create(operation="GET /contacts/of/ours", query=query, **wanted)
    text = html.unescape(operator.get(admin_views.url_of(row), secure=True).content.decode())
    assert f"query=ann\nlimit=5\nlocationId={location}</textarea>" in text
