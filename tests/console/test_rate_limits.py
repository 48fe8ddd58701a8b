"""Rate limits of `/embed/session` and of signing in: beyond them 429 with Retry-After, and only for that client."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import Settings

from integrations.console import embed_limits
from integrations.core.client_address import client_address
from integrations.core.errors import TooManyRequests
from integrations.operators.sign_in import back_off
from integrations.quota.request_limits import RequestLimit
from integrations.tenants.models import App, Installation
from tests.console.conftest import Sso

pytestmark = pytest.mark.usefixtures("clean_redis")


@pytest.fixture(autouse=True)
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed_limits, "EMBED_REQUESTS", RequestLimit("embed-address", 3))
    monkeypatch.setattr(embed_limits, "EMBED_EXCHANGES", RequestLimit("embed-app", 5))


def end_windows(store: redis.Redis) -> None:
    """Let the minute of every client pass, as Redis sees it: the counts expire."""
    for key in store.keys("*:limits:*"):
        store.pexpire(key, 0)


def exchange(client: Client, sso: Sso, address: str = "203.0.113.1", **more: Any) -> HttpResponse:
    body = json.dumps({"payload": sso(), **more})
    headers = {"accept": "application/json"}
    return client.post("/embed/session", body, content_type="application/json", headers=headers, REMOTE_ADDR=address)


@pytest.fixture(autouse=True)
def _no_proxy(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = 0


def statuses(client: Client, sso: Sso, *addresses: str) -> list[int]:
    return [exchange(client, sso, address).status_code for address in addresses]


def test_an_address_is_refused_for_the_rest_of_its_minute(
    client: Client, agency: Installation, sso: Sso, clean_redis: redis.Redis
) -> None:
    assert statuses(client, sso, *["203.0.113.1"] * 3) == [200] * 3
    answer = exchange(client, sso)
    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert json.loads(answer.content)["error"]["code"] == "too_many_requests"
    assert statuses(client, sso, "203.0.113.2") == [200]
    end_windows(clean_redis)
    assert exchange(client, sso).status_code == 200


def test_garbage_and_tickets_count_too(client: Client, agency: Installation, sso: Sso) -> None:
    answers = [
        client.post("/embed/session", b"garbage", content_type="application/json"),
        client.get("/embed/session"),
        client.get("/embed/session", headers={"authorization": "Bearer x"}),
        client.get("/embed/session"),
    ]
    assert [answer.status_code for answer in answers] == [400, 401, 401, 429]


def test_what_strangers_send_does_not_count_against_the_app(client: Client, agency: Installation, sso: Sso) -> None:
    for number in range(9):
        body = json.dumps({"payload": "a stranger's"})
        client.post("/embed/session", body, content_type="application/json", REMOTE_ADDR=f"198.51.100.{number}")
    assert statuses(client, sso, "203.0.113.1") == [200]


def test_in_a_flood_of_payloads_only_addresses_that_take_part_wait(
    client: Client, agency: Installation, sso: Sso, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed_limits, "EMBED_REQUESTS", RequestLimit("embed-address", 100))
    monkeypatch.setattr(embed_limits, "FAILED_BY_ALL", RequestLimit("embed-failures", 4))
    monkeypatch.setattr(embed_limits, "FAILED_IN_FLOOD", RequestLimit("embed-failures-address", 2))

    def junk(number: int) -> int:
        body = json.dumps({"payload": "a stranger's"})
        address = f"198.51.100.{number}"
        return client.post("/embed/session", body, "application/json", REMOTE_ADDR=address).status_code

    assert [junk(1) for _ in range(6)] == [401] * 4 + [429] * 2, "no address waits before all together are many"
    assert [junk(2) for _ in range(3)] == [401, 401, 429], "a new address is judged, and then part of the flood"
    assert statuses(client, sso, *["203.0.113.1"] * 3) == [200] * 3, "who decrypts is never part of it"


def test_one_apps_flood_leaves_the_others_alone(
    client: Client, agency: Installation, second_app: App, sso: Sso
) -> None:
    addresses = [f"203.0.113.{number}" for number in range(6)]
    ticket = exchange(client, sso, "198.51.100.1").json()["ticket"]  # type: ignore[attr-defined]
    assert statuses(client, sso, *addresses) == [200] * 4 + [429] * 2
    assert (
        exchange(client, sso, "198.51.100.2", app=second_app.client_id).status_code == 401
    )  # judged, and not throttled
    known = client.get("/embed/session", headers={"authorization": f"Bearer {ticket}"}, REMOTE_ADDR="198.51.100.1")
    assert known.status_code == 200


def test_while_redis_is_away_no_request_is_refused(
    client: Client, agency: Installation, sso: Sso, store_unavailable: Callable[..., None]
) -> None:
    store_unavailable()
    assert statuses(client, sso, *["203.0.113.1"] * 5) == [200] * 5


@pytest.mark.parametrize(
    ("proxies", "remote", "forwarded", "expected"),
    [
        (0, "203.0.113.9", None, "203.0.113.9"),
        (0, "203.0.113.9", "198.51.100.1", "203.0.113.9"),  # without a proxy it is the client's own invention
        (1, "10.0.0.1", "198.51.100.1", "198.51.100.1"),
        (1, "10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),  # what it invented stands further left
        (2, "10.0.0.2", "6.6.6.6, 198.51.100.1, 10.0.0.1", "198.51.100.1"),
        (1, "10.0.0.1", None, "10.0.0.1"),
        (1, "10.0.0.1", " , ", "10.0.0.1"),
        (1, "", "198.51.100.1:51234", "198.51.100.1"),
        (1, "", "[2001:db8:1:2::3]:443", "2001:db8:1:2::/64"),
        (0, "2001:db8:1:2:ffff::1", None, "2001:db8:1:2::/64"),
        (0, "fe80::1%eth0", None, "fe80::/64"),
        (0, "::ffff:203.0.113.9", None, "203.0.113.9"),
        (1, "10.0.0.1", "nonsense", "unknown"),
        (0, "", None, "unknown"),
    ],
)
def test_whose_address_counts(
    settings: Settings, proxies: int, remote: str, forwarded: str | None, expected: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    headers = {"X-Forwarded-For": forwarded} if forwarded is not None else {}
    assert client_address(RequestFactory().get("/", headers=headers, REMOTE_ADDR=remote)) == expected


def test_every_count_expires(clean_redis: redis.Redis) -> None:
    limit = RequestLimit("page", 2)
    limit.check("me")
    limit.count("me")
    limit.note("me")
    for question in (limit.check, limit.count):
        with pytest.raises(TooManyRequests) as refused:
            question("me")
        assert 1 <= (refused.value.retry_after or 0) <= 60
    limit.count("another")
    RequestLimit("other page", 2).count("me")
    lives = [clean_redis.ttl(key) for key in clean_redis.keys("*:limits:*")]
    assert len(lives) == 3
    assert all(0 < seconds <= 60 for seconds in lives)


def test_a_silent_redis_is_not_asked_again_at_once(
    store_unavailable: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """It takes connections and never answers, so each question would cost a request thread the whole time-out."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store_unavailable(f"redis://127.0.0.1:{silent.getsockname()[1]}/0?socket_timeout=0.05")
        for _ in range(5):
            RequestLimit("page", 2).count("me")
    assert caplog.text.count("rate_limit.not_counted") == 1
    assert "TimeoutError" in caplog.text


@pytest.mark.django_db
@pytest.mark.filterwarnings("ignore:No directory at:UserWarning")  # the tests collect no static files
def test_passwords_are_not_guessed_at_will(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(back_off, "SIGN_INS", RequestLimit("sign-in", 2))
    User.objects.create_superuser("op", password="a long enough password")

    def sign_in(password: str, address: str = "203.0.113.1") -> HttpResponse:
        form = {"username": "op", "password": password}
        return client.post(reverse("admin:login"), form, REMOTE_ADDR=address, secure=True)

    assert [sign_in("guess").status_code for _ in range(3)] == [200, 200, 429]
    assert sign_in("a long enough password").status_code == 429
    assert client.get(reverse("admin:login"), secure=True).status_code == 200, "the page itself is shown"
    assert sign_in("a long enough password", "203.0.113.2").status_code == 302
