"""Sign-in through an identity provider, against one that the test runs: a real HTTP server with keys of its own."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import redis
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from pytest_django import Settings
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations.core.models import AuditEntry
from integrations.operators import accounts
from integrations.operators.models import OpenIdIdentity, OperatorSession
from integrations.operators.openid import provider
from integrations.operators.sign_in import back_off
from integrations.quota import thread_budgets
from integrations.quota.request_limits import RequestLimit

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at:UserWarning")]

CLIENT, SECRET = "console-3f9a", "kE8vQ2mZr4T1xW7uYp0bNc5d"
BEGIN, CALLBACK = "/admin/login/openid/", "/admin/login/openid/callback/"


@dataclass
class StandIn:
    """An identity provider. `claims` and `key` are what the next ID token has; a code works once, with its verifier."""

    issuer: str
    key: Any = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1"}))
    algorithm: str = "RS256"
    claims: dict[str, Any] = field(default_factory=dict)
    published: Any = None
    challenges: dict[str, str] = field(default_factory=dict)
    nonce: str = ""

    def __post_init__(self) -> None:
        self.published = self.key

    def discovery(self, request: Request) -> Response:
        return _json(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            }
        )

    def keys(self, request: Request) -> Response:
        return _json({"keys": [self.published.as_dict(private=False)]})

    def token(self, request: Request) -> Response:
        login = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        verifier = hashlib.sha256(request.form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if (
            request.headers["Authorization"] != f"Basic {login}"
            or self.challenges.pop(request.form["code"], "") != challenge
        ):
            return _json({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "sub": "s1", "iat": now, "exp": now + 300, "nonce": self.nonce}
        claims |= {"preferred_username": "ann", "email": "ann@example.com", "groups": ["hl-support"]} | self.claims
        kept = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "kid": "k1"}
        id_token = jwt.encode(header, kept, self.key, algorithms=[self.algorithm])
        return _json({"access_token": "at", "token_type": "Bearer", "expires_in": 60, "id_token": id_token})

    def sign_in(self, client: Client, code: str = "code-1", then: str = "") -> HttpResponse:
        """What browser and provider do. Returns the answer of our callback."""
        away = client.get(BEGIN, {"next": then})
        assert away.status_code == 302
        asked = {name: values[0] for name, values in parse_qs(urlsplit(away["Location"]).query).items()}
        assert (asked["client_id"], asked["response_type"], asked["code_challenge_method"]) == (CLIENT, "code", "S256")
        assert asked["redirect_uri"] == f"https://app.example.com{CALLBACK}"
        assert len(asked["state"]) > 40
        self.challenges[code], self.nonce = asked["code_challenge"], asked["nonce"]
        return client.get(CALLBACK, {"code": code, "state": asked["state"]})  # type: ignore[return-value]


def _json(body: Any, *, status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")


@pytest.fixture
def op(httpserver: HTTPServer, settings: Settings) -> Iterator[StandIn]:
    found = StandIn(httpserver.url_for("").rstrip("/"))
    httpserver.expect_request("/.well-known/openid-configuration").respond_with_handler(found.discovery)
    httpserver.expect_request("/keys").respond_with_handler(found.keys)
    httpserver.expect_request("/token").respond_with_handler(found.token)
    settings.OPERATOR_OIDC_ISSUER = found.issuer
    settings.OPERATOR_OIDC_CLIENT_ID, settings.OPERATOR_OIDC_CLIENT_SECRET = CLIENT, SECRET
    settings.OPERATOR_OIDC_ROLES = {"hl-support": "support", "hl-admins": "owner"}
    settings.OPERATOR_SECOND_FACTOR = "required"
    provider._discovered.cache_clear()
    yield found
    provider._discovered.cache_clear()


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


@pytest.mark.slow
def test_the_first_sign_in_makes_the_account_and_the_groups_give_its_role(op: StandIn) -> None:
    assert "Sign in with localhost" in Client().get("/admin/login/").content.decode()
    client = Client()
    answer = op.sign_in(client, then="/admin/sync/run/")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/sync/run/")
    assert is_in(client), "the provider answers for the second factor"
    ann = User.objects.get(username="ann")
    assert (accounts.role_of(ann), ann.has_usable_password(), ann.is_superuser) == ("support", False, False)
    op.claims = {"preferred_username": "ann.renamed", "groups": ["hl-support", "hl-admins"]}
    assert op.sign_in(Client(), then="https://evil.example")["Location"] == "/admin/"
    assert accounts.role_of(User.objects.get(pk=ann.pk)) == "owner"
    assert not is_in(client), "sessions with the old role have ended"
    op.claims = {"groups": ["others"]}
    client = Client()
    assert "no group of this account gives a role" in refused(op, client).lower()
    assert accounts.role_of(User.objects.get(pk=ann.pk)) == ""
    actions = AuditEntry.objects.exclude(actor="system").order_by("id").values_list("action", flat=True)
    assert list(actions) == [
        "user.added",
        "user.linked",
        "user.role_changed",
        "sign_in.succeeded",
        "user.role_changed",
        "sign_in.succeeded",
        "user.role_changed",
        "sign_in.failed",
    ]


def test_a_sign_in_that_is_begun_keeps_its_row_for_minutes_and_a_session_for_its_time(op: StandIn) -> None:
    client = Client()
    client.get(BEGIN)
    assert client.session.get_expiry_age() <= 600
    assert op.sign_in(client)["Location"] == "/admin/"
    assert client.session.get_expiry_age() > 86_400


def refused(op: StandIn, client: Client, code: str = "code-1") -> str:
    answer = op.sign_in(client, code)
    assert (answer.status_code, answer["Location"]) == (302, "/admin/login/")
    assert not is_in(client)
    return client.get("/admin/login/").content.decode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another-client"},
        {"iss": "https://evil.example"},
        {"exp": 1_700_000_000},
        {"sub": None},
    ],
    ids=str,
)
def test_an_id_token_that_is_not_for_this_sign_in_is_refused(op: StandIn, wrong: dict[str, Any]) -> None:
    op.claims = wrong
    assert "answer is not valid" in refused(op, Client())
    assert not User.objects.exists()


@pytest.mark.slow
def test_signatures_of_other_keys_and_weak_algorithms_are_refused(op: StandIn) -> None:
    good = op.key
    op.key = RSAKey.generate_key(2048, {"kid": "k1"})
    assert "answer is not valid" in refused(op, Client())
    op.algorithm, op.key = "HS256", OctKey.import_key(SECRET + "x" * 16)
    assert "answer is not valid" in refused(op, Client())
    op.algorithm, op.key = "RS256", good
    assert op.sign_in(Client())["Location"] == "/admin/"


def test_state_codes_and_the_verifier_belong_to_one_browser_and_work_once(op: StandIn) -> None:
    client, thief = Client(), Client()
    assert op.sign_in(client).status_code == 302
    assert client.get(CALLBACK, {"code": "code-1", "state": "x"})["Location"] == "/admin/login/"
    stranger = Client()
    assert stranger.get(CALLBACK, {"code": "code-1", "state": "x"})["Location"] == "/admin/login/"
    away = parse_qs(urlsplit(Client().get(BEGIN)["Location"]).query)
    op.challenges["theirs"] = away["code_challenge"][0]
    own = parse_qs(urlsplit(thief.get(BEGIN)["Location"]).query)
    assert thief.get(CALLBACK, {"code": "theirs", "state": away["state"][0]})["Location"] == "/admin/login/"
    own = parse_qs(urlsplit(thief.get(BEGIN)["Location"]).query)
    op.challenges["theirs"] = away["code_challenge"][0]
    thief.get(CALLBACK, {"code": "theirs", "state": own["state"][0]})
    assert not is_in(thief), "a code that was injected lacks this browser's verifier"
    assert Client().get(CALLBACK, {"error": "access_denied", "state": "x"})["Location"] == "/admin/login/"


@pytest.mark.slow
def test_a_local_account_is_not_taken_over_by_its_name(op: StandIn) -> None:
    ann = User.objects.create_superuser("ann", password="a long enough password")
    assert "exists already" in refused(op, Client())
    assert not OpenIdIdentity.objects.exists()
    ann.set_unusable_password()
    ann.save()
    client = Client()
    op.sign_in(client)
    assert is_in(client)
    op.claims = {"sub": "another", "preferred_username": "ann"}
    assert "exists already" in refused(op, Client(), "code-2")
    User.objects.update(is_active=False)
    op.claims = {}
    assert "deactivated here" in refused(op, Client(), "code-3")


def test_a_provider_that_does_not_answer_is_named(op: StandIn, settings: Settings) -> None:
    settings.OPERATOR_OIDC_ISSUER = "http://127.0.0.1:1"
    assert Client().get(BEGIN).status_code == 503
    settings.OPERATOR_OIDC_ISSUER = op.issuer + "/other"
    assert Client().get(BEGIN).status_code == 503


@pytest.mark.slow
def test_rights_that_were_written_into_the_database_are_not_sealed_by_a_sign_in(op: StandIn) -> None:
    op.sign_in(Client())
    ann = User.objects.get(username="ann")
    permission = Permission.objects.get(codename="view_user")
    with connection.cursor() as cursor:
        row = [ann.pk, permission.pk]
        cursor.execute("INSERT INTO auth_user_user_permissions (user_id, permission_id) VALUES (%s, %s)", row)
    op.claims = {"groups": ["hl-admins"]}
    assert "rights of this account are not the sealed ones" in refused(op, Client(), "code-2")
    ann.user_permissions.clear()
    User.objects.filter(username="ann").update(is_superuser=True)
    assert "rights of this account are not the sealed ones" in refused(op, Client(), "code-3")


@pytest.mark.django_db(transaction=True)
def test_while_the_provider_is_slow_most_threads_stay_free_and_who_is_refused_keeps_the_state(
    op: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Client()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(browser.get(BEGIN)["Location"]).query).items()}
    op.challenges["code-1"], op.nonce = asked["code_challenge"], asked["nonce"]
    back = {"code": "code-1", "state": asked["state"]}
    entered, release, statuses = threading.Semaphore(0), threading.Event(), list[int]()
    fetched = provider._fetched

    def slow(url: str) -> dict[str, Any]:
        entered.release()
        release.wait(60)
        return fetched(url)

    def begin() -> None:
        try:
            statuses.append(Client().get(BEGIN).status_code)
        finally:
            connection.close()

    def hold() -> None:
        with thread_budgets.OUTBOUND.one(is_known=True):
            entered.release()
            release.wait(60)

    monkeypatch.setattr(provider, "_fetched", slow)
    provider._discovered.cache_clear()
    threads = [threading.Thread(target=begin) for _ in range(thread_budgets.OF_STRANGERS)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert entered.acquire(timeout=60)
    assert Client().get(BEGIN).status_code == 429
    assert Client().get(CALLBACK, {"code": "x", "state": "x"}).status_code == 429
    threads.append(threading.Thread(target=hold))
    threads[-1].start()
    assert entered.acquire(timeout=60)
    refused = browser.get(CALLBACK, back)
    assert (refused.status_code, refused["Retry-After"]) == (429, "2")
    release.set()
    for thread in threads:
        thread.join(60)
    assert statuses == [302] * thread_budgets.OF_STRANGERS
    assert browser.get(CALLBACK, back)["Location"] == "/admin/"
    assert is_in(browser)


@pytest.mark.slow
def test_strangers_who_begin_fill_no_table_and_stop_no_browser_that_has_signed_in(
    op: StandIn, clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(back_off, "OPENID_OF_STRANGERS", RequestLimit("openid", 3))
    browser = Client()
    assert op.sign_in(browser)["Location"] == "/admin/"
    browser.post("/admin/logout/")
    before = OperatorSession.objects.count()
    answers = [Client().get(BEGIN, headers={"X-Forwarded-For": f"203.0.113.{number}"}) for number in range(9)]
    assert [answer.status_code for answer in answers] == [302] * 2 + [429] * 7, "the browser was a stranger at first"
    assert OperatorSession.objects.count() == before + 2
    assert op.sign_in(browser, "code-2")["Location"] == "/admin/"
