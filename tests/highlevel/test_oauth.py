"""Code exchange, refresh and minting against a real HTTP server, in both dialects."""

from __future__ import annotations

import logging
import pickle
import socket
import threading
from traceback import TracebackException
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request as ServerRequest
from werkzeug import Response as ServerResponse

from integrations.core import errors
from integrations.core.secret import Secret
from integrations.highlevel.errors import AccessTokenRejected, UnknownRefusal
from integrations.highlevel.oauth import client as oauth
from tests.highlevel.conftest import request_of

# FACTS 1.3: live fixture of a bulk install.
COMPANY = {
    "access_token": "company-access",
    "token_type": "Bearer",
    "expires_in": 86399,
    "refresh_token": "company-refresh",
    "scope": "contacts.readonly oauth.readonly oauth.write",
    "refreshTokenId": "67f0c0a1",
    "userType": "Company",
    "companyId": "COMP1",
    "isBulkInstallation": True,
    "userId": "USER1",
    "installToFutureLocations": False,
    "approveAllLocations": True,
}
LOCATION = {
    "access_token": "location-access",
    "token_type": "Bearer",
    "expires_in": 86399,
    "refresh_token": "location-refresh",
    "scope": "contacts.readonly",
    "userType": "Location",
    "companyId": "COMP1",
    "locationId": "LOC1",
    "isBulkInstallation": False,
    "userId": "USER1",
}
MINTED = {
    "access_token": "minted-access",
    "token_type": "Bearer",
    "expires_in": 86400,
    "refresh_token": "minted-refresh",
    "scope": "contacts.readonly oauth.write oauth.readonly",
    "userType": "Location",
    "companyId": "COMP1",
    "locationId": "LOC1",
    "userId": "USER1",
    "appId": "6578278e879ad2646715ba9c",
    "versionId": "V1",
    "traceId": "trace-mint",
}
_V3_NAMES = {
    "access_token": "accessToken",
    "token_type": "tokenType",
    "expires_in": "expiresIn",
    "refresh_token": "refreshToken",
}


def spoken(body: dict, dialect: str) -> dict:
    return body if dialect == "v2" else {_V3_NAMES.get(k, k): v for k, v in body.items()}


def sent_form(httpserver: HTTPServer) -> dict[str, str]:
    request, _ = httpserver.log[-1]
    pairs = parse_qsl(request.get_data(as_text=True), keep_blank_values=True, strict_parsing=True)
    assert len(pairs) == len(dict(pairs)), "a field was sent twice"
    return dict(pairs)


def test_the_install_link_has_every_parameter_and_no_plus(client, settings):
    settings.HIGHLEVEL_ALLOWED_HOSTS = [*settings.HIGHLEVEL_ALLOWED_HOSTS, "marketplace.gohighlevel.com"]
    url = oauth.authorize_url(
        client("v2"),
        marketplace_url="https://marketplace.gohighlevel.com/",
        scopes=["contacts.readonly", "oauth.write"],
        state="a+b/c=",
        version_id="6578278e879ad2646715ba9c",
    )
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.path) == (
        "https",
        "marketplace.gohighlevel.com",
        "/v2/oauth/chooselocation",
    )
    assert parse_qs(parts.query, strict_parsing=True) == {
        "response_type": ["code"],
        "client_id": ["6578278e879ad2646715ba9c-abc"],
        "redirect_uri": ["https://app.example/oauth/callback"],
        "scope": ["contacts.readonly oauth.write"],
        "state": ["a+b/c="],
        "version_id": ["6578278e879ad2646715ba9c"],
        "loginWindowOpenMode": ["self"],
    }
    assert "+" not in url
    assert "contacts.readonly%20oauth.write" in url
    assert "s&cr" not in url


@pytest.mark.parametrize(
    ("dialect", "version", "expected"),
    [
        (
            "v2",
            None,
            {
                "client_id": "6578278e879ad2646715ba9c-abc",
                "client_secret": "s&cr=t/+%",
                "grant_type": "authorization_code",
                "code": "co/de+1=",
                "user_type": "Company",
                "redirect_uri": "https://app.example/oauth/callback",
            },
        ),
        (
            "v3",
            "v3",
            {
                "clientId": "6578278e879ad2646715ba9c-abc",
                "clientSecret": "s&cr=t/+%",
                "grantType": "authorization_code",
                "code": "co/de+1=",
                "userType": "Company",
                "redirectUri": "https://app.example/oauth/callback",
            },
        ),
    ],
)
def test_a_code_is_exchanged_in_the_words_of_the_dialect(httpserver, client, dialect, version, expected):
    httpserver.expect_oneshot_request("/oauth/token", method="POST").respond_with_json(spoken(COMPANY, dialect))
    grant = oauth.exchange(client(dialect), "co/de+1=", user_type="Company")
    assert sent_form(httpserver) == expected
    request, _ = httpserver.log[-1]
    assert request.headers.get("Version") == version
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert "Authorization" not in request.headers
    assert (grant.user_type, grant.company_id, grant.location_id) == ("Company", "COMP1", None)
    assert grant.access_token.reveal() == "company-access"
    assert grant.refresh_token == Secret("company-refresh")
    assert grant.expires_in == 86399
    assert grant.scopes == {"contacts.readonly", "oauth.readonly", "oauth.write"}
    assert (grant.is_bulk, grant.install_to_future, grant.approve_all) == (True, False, True)


def test_the_user_type_is_the_vendors_not_ours(httpserver, client):
    """FACTS 1.2: an agency's bulk install answers Company although Location was asked for."""
    httpserver.expect_oneshot_request("/oauth/token").respond_with_json(COMPANY)
    assert oauth.exchange(client("v2"), "code", user_type="Location").user_type == "Company"


@pytest.mark.parametrize("dialect", ["v2", "v3"])
def test_a_refresh_brings_the_new_pair(httpserver, client, dialect):
    httpserver.expect_oneshot_request("/oauth/token").respond_with_json(spoken(LOCATION, dialect))
    grant = oauth.refresh(client(dialect), Secret("old"), user_type="Location", deadline_seconds=5)
    form = sent_form(httpserver)
    names = (
        ("refresh_token", "grant_type", "user_type") if dialect == "v2" else ("refreshToken", "grantType", "userType")
    )
    assert [form[name] for name in names] == ["old", "refresh_token", "Location"]
    assert grant.access_token.reveal() == "location-access"
    assert grant.refresh_token == Secret("location-refresh")
    assert (grant.location_id, grant.company_id) == ("LOC1", "COMP1")


def test_a_refresh_without_a_new_refresh_token_does_not_pretend(httpserver, client):
    """Authlib fills the old one in; the grant says that the answer had none."""
    httpserver.expect_oneshot_request("/oauth/token").respond_with_json({"access_token": "a", "userId": "u"})
    grant = oauth.refresh(client("v2"), Secret("old"), user_type="Location", deadline_seconds=5)
    assert grant.refresh_token is None
    assert grant.user_type == "Location"
    assert grant.expires_in is None


def test_an_empty_refresh_token_is_never_sent(httpserver, client):
    with pytest.raises(errors.GrantRevoked) as caught:
        oauth.refresh(client("v2"), Secret(""), user_type="Location", deadline_seconds=5)
    assert caught.value.context["reason"] == "refresh_token_missing"
    assert httpserver.log == []


@pytest.mark.parametrize(
    ("dialect", "path", "version"),
    [("v2", "/oauth/locationToken", "2021-07-28"), ("v3", "/oauth/location-token", "v3")],
)
def test_a_location_token_is_minted_from_the_company_token(httpserver, client, dialect, path, version):
    headers = {"X-RateLimit-Remaining": "99", "X-RateLimit-Max": "100"}
    httpserver.expect_oneshot_request(path, method="POST").respond_with_json(spoken(MINTED, dialect), headers=headers)
    grant = oauth.mint_location(client(dialect), Secret("company-access"), company_id="COMP1", location_id="LOC1")
    request, _ = httpserver.log[-1]
    assert request.headers["Authorization"] == "Bearer company-access"
    assert request.headers["Version"] == version
    assert sent_form(httpserver) == {"companyId": "COMP1", "locationId": "LOC1"}
    assert (grant.user_type, grant.location_id, grant.version_id) == ("Location", "LOC1", "V1")
    assert grant.trace_id == "trace-mint"
    assert grant.rate is not None
    assert grant.rate.remaining == 99


def test_minting_without_refresh_token_and_ids_keeps_what_was_asked(httpserver, client):
    httpserver.expect_oneshot_request("/oauth/locationToken").respond_with_json({"access_token": "m", "userId": "u"})
    grant = oauth.mint_location(client("v2"), Secret("c"), company_id="COMP1", location_id="LOC1")
    assert (grant.user_type, grant.location_id, grant.company_id) == ("Location", "LOC1", "COMP1")
    assert grant.refresh_token is None


@pytest.mark.parametrize(
    "wrong", [{"locationId": "LOC2"}, {"userType": "Company", "locationId": None}, {"companyId": "COMP2"}]
)
def test_a_token_minted_for_somebody_else_is_refused(httpserver, client, wrong):
    httpserver.expect_oneshot_request("/oauth/locationToken").respond_with_json({**MINTED, **wrong})
    with pytest.raises(errors.PayloadAnomalous):
        oauth.mint_location(client("v2"), Secret("c"), company_id="COMP1", location_id="LOC1")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"statusCode": 401, "message": "Invalid JWT"}, AccessTokenRejected),
        (
            401,
            {"statusCode": 401, "message": "The token is not authorized for this scope."},
            errors.ScopeMissing,
        ),
        (400, {"statusCode": 400, "message": "Location is not active"}, errors.LocationInactive),
        (429, {}, errors.QuotaExhausted),
    ],
)
def test_refused_minting_is_judged_like_any_api_call(httpserver, client, status, body, kind):
    httpserver.expect_oneshot_request("/oauth/locationToken").respond_with_json(body, status=status)
    with pytest.raises(kind) as caught:
        oauth.mint_location(client("v2"), Secret("c"), company_id="COMP1", location_id="LOC1")
    assert caught.value.context["operation"] == "oauth.mint_location"


@pytest.mark.parametrize("dialect", ["v2", "v3"])
@pytest.mark.parametrize("call", ["exchange", "refresh"])
def test_a_4xx_json_is_never_taken_for_a_token(httpserver, client, dialect, call):
    """DEPENDENCIES section 4: without hooks Authlib returns this body as the token."""
    body = {"statusCode": 401, "message": "Invalid refresh token", "traceId": "t-1"}
    httpserver.expect_oneshot_request("/oauth/token").respond_with_json(body, status=401)
    calls = {
        "exchange": lambda: oauth.exchange(client(dialect), "c0de", user_type="Location"),
        "refresh": lambda: oauth.refresh(client(dialect), Secret("old"), user_type="Location", deadline_seconds=5),
    }
    with pytest.raises(errors.GrantRevoked) as caught:
        calls[call]()
    assert caught.value.context["operation"] == f"oauth.{call}"
    assert caught.value.context["trace_id"] == "t-1"
    assert caught.value.context["status"] == 401


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("", errors.Unreachable),
        ("<html>ok</html>", errors.Unreachable),
        ("[]", errors.Unreachable),
        ("{}", errors.Unreachable),
        ('{"access_token": ""}', errors.Unreachable),
        ('{"access_token": 5}', errors.Unreachable),
        ('{"access_token": "a b", "locationId": "L"}', errors.PayloadAnomalous),
        ('{"access_token": "a\\r\\nX: y", "locationId": "L"}', errors.PayloadAnomalous),
        ('{"access_token": "a", "token_type": "MAC", "locationId": "L"}', errors.PayloadAnomalous),
        ('{"access_token": "a", "userType": "Robot", "locationId": "L"}', errors.PayloadAnomalous),
        (
            '{"access_token": "a", "userType": "Company", "companyId": "C", "locationId": "L"}',
            errors.PayloadAnomalous,
        ),
        ('{"access_token": "a", "userType": "Location", "companyId": "C"}', errors.PayloadAnomalous),
        ('{"access_token": "a", "userType": "Company"}', errors.PayloadAnomalous),
        ('{"access_token": "a"}', errors.PayloadAnomalous),
        ("[" * 100_000, errors.Unreachable),
    ],
)
def test_an_impossible_answer_is_no_half_grant(httpserver, client, body, kind):
    httpserver.expect_oneshot_request("/oauth/token").respond_with_data(body, content_type="application/json")
    with pytest.raises(kind) as caught:
        oauth.exchange(client("v2"), "c0de", user_type="Location")
    assert caught.value.context["operation"] == "oauth.exchange"
    if kind is errors.Unreachable:
        assert caught.value.context["sent"] is True


def test_odd_values_of_optional_fields_count_as_missing(httpserver, client):
    odd = {
        **LOCATION,
        "expires_in": "soon",
        "scope": None,
        "isBulkInstallation": "maybe",
        "planId": 7,
        "userType": None,
    }
    httpserver.expect_oneshot_request("/oauth/token").respond_with_json(odd)
    grant = oauth.exchange(client("v2"), "c0de", user_type="Company")
    assert grant.user_type == "Location"
    assert (grant.expires_in, grant.is_bulk, grant.plan_id, grant.scopes) == (None, None, None, frozenset())


@pytest.mark.parametrize(
    ("value", "expected"),
    [("86399", 86399), (86399.0, 86399), (0, None), (-1, None), (True, None), (1e300, None)],
)
def test_lifetimes_are_read_with_care(httpserver, client, value, expected):
    httpserver.expect_oneshot_request("/oauth/token").respond_with_json({**LOCATION, "expires_in": value})
    assert oauth.exchange(client("v2"), "c0de", user_type="Location").expires_in == expected


@pytest.mark.parametrize("code", ["", "a\x00b", "ü", "\ud800", "a\r\nb", "c" * 3000], ids=repr)
def test_a_code_nobody_issued_is_not_sent(httpserver, client, code):
    """The code comes from a browser, so it may be anything."""
    with pytest.raises(errors.PayloadAnomalous):
        oauth.exchange(client("v2"), code, user_type="Location")
    assert httpserver.log == []


def test_a_redirect_is_not_followed_and_not_believed(httpserver, client):
    httpserver.expect_request("/oauth/token").respond_with_data("", status=307, headers={"Location": "/elsewhere"})
    with pytest.raises(UnknownRefusal):
        oauth.exchange(client("v2"), "c0de", user_type="Location")
    assert len(httpserver.log) == 1


def test_an_answer_lost_after_sending_says_so(raw_server, client):
    url = raw_server(request_of)
    lost = oauth.ClientIdentity("id", Secret("s"), "https://app.example/cb", url, "v2")
    with pytest.raises(errors.Unreachable) as caught:
        oauth.refresh(lost, Secret("the-refresh-token"), user_type="Location", deadline_seconds=5)
    assert caught.value.context["sent"] is True
    assert caught.value.context["operation"] == "oauth.refresh"


def test_a_request_that_never_left_says_so():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    unreachable = oauth.ClientIdentity("id", Secret("s"), "https://app.example/cb", f"http://127.0.0.1:{port}", "v2")
    with pytest.raises(errors.Unreachable) as caught:
        oauth.refresh(unreachable, Secret("r"), user_type="Location", deadline_seconds=5)
    assert caught.value.context["sent"] is False


@pytest.mark.slow
def test_the_deadline_is_the_whole_calls(raw_server):
    """A server that sends a header byte now and then resets every per-read time-out, but not the deadline."""
    stop = threading.Event()

    def trickle(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not stop.wait(0.05):
            connection.sendall(b"z")

    slow = oauth.ClientIdentity("id", Secret("s"), "https://app.example/cb", raw_server(trickle), "v2")
    try:
        with pytest.raises(errors.Unreachable) as caught:
            oauth.refresh(slow, Secret("r"), user_type="Location", deadline_seconds=0.8)
    finally:
        stop.set()
    assert caught.value.context["cause"] == "ReadTimeout"
    assert caught.value.context["sent"] is True


def test_threads_never_get_each_others_tokens(httpserver, client):
    """Authlib's client keeps the last token as state; one per call keeps tenants apart."""

    def answer(request: ServerRequest) -> ServerResponse:
        spent = request.form["refresh_token"]
        return ServerResponse(
            f'{{"access_token": "access-of-{spent}", "refresh_token": "next-of-{spent}", "userId": "u"}}',
            content_type="application/json",
        )

    httpserver.expect_request("/oauth/token").respond_with_handler(answer)
    identity, wrong = client("v2"), []

    def refresh_some(name: str) -> None:
        for number in range(10):
            spent = f"{name}-{number}"
            grant = oauth.refresh(identity, Secret(spent), user_type="Location", deadline_seconds=10)
            if grant.access_token.reveal() != f"access-of-{spent}":
                wrong.append(spent)

    threads = [threading.Thread(target=refresh_some, args=(f"t{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(httpserver.log) == 60


def test_nothing_shows_a_token(httpserver, client, caplog):
    caplog.set_level(logging.DEBUG)
    httpserver.expect_oneshot_request("/oauth/token").respond_with_json(LOCATION)
    grant = oauth.refresh(client("v2"), Secret("old-refresh"), user_type="Location", deadline_seconds=5)
    echo = {"statusCode": 400, "message": "Invalid refresh token: " + "old-refresh-" * 8}
    httpserver.expect_oneshot_request("/oauth/token").respond_with_json(echo, status=400)
    with pytest.raises(errors.GrantRevoked) as caught:
        oauth.refresh(client("v2"), Secret("old-refresh-" * 8), user_type="Location", deadline_seconds=5)
    error = caught.value
    shown = " ".join([repr(grant), repr(client("v2")), str(error), repr(error), repr(error.context), caplog.text])
    for secret in ("location-access", "location-refresh", "old-refresh", "s&cr"):
        assert secret not in shown
    assert pickle.loads(pickle.dumps(error)).context == error.context
    assert error.__cause__ is None


def test_an_error_holds_no_frame_with_the_form_in_it(httpserver, client):
    httpserver.expect_request("/oauth/token").respond_with_json({"message": "no"}, status=500)
    known, token = client(), Secret("-".join(["the", "refresh", "token"]))
    with pytest.raises(errors.ServerFault) as caught:
        oauth.refresh(known, token, user_type="Location", deadline_seconds=5)
    trace = "".join(TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "refresh(" in trace, "the traceback names the function"
    assert "the-refresh-token" not in trace
    assert known.client_secret.reveal() not in trace
