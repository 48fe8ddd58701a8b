"""Who asks `/embed/session` or tries to sign in too often is told when to come back, and nobody else notices."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import Settings

from integrations.console.embed import rate_limits
from integrations.quota import visits
from integrations.tenants.models import App, Installation
from tests.console.conftest import Sso

pytestmark = pytest.mark.usefixtures("clean_redis")
NOW = datetime(2026, 4, 1, 12, 0, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[time_machine.Traveller]:
    monkeypatch.setattr(rate_limits, "PER_ADDRESS", 3)
    monkeypatch.setattr(rate_limits, "PER_APP", 5)
    monkeypatch.setattr(visits, "_ask_again_at", 0.0)
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def exchange(client: Client, sso: Sso, address: str = "203.0.113.1", **more: Any) -> HttpResponse:
    body = json.dumps({"payload": sso(), **more})
    headers = {"accept": "application/json"}
    return client.post("/embed/session", body, content_type="application/json", headers=headers, REMOTE_ADDR=address)


@pytest.fixture(autouse=True)
def _no_proxy(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = 0


def statuses(client: Client, sso: Sso, *addresses: str) -> list[int]:
    return [exchange(client, sso, address).status_code for address in addresses]


def test_an_address_is_told_when_to_come_back(client: Client, agency: Installation, sso: Sso, few: Any) -> None:
    assert statuses(client, sso, *["203.0.113.1"] * 3) == [200] * 3
    answer = exchange(client, sso)
    assert (answer.status_code, answer["Retry-After"]) == (429, "50")
    assert json.loads(answer.content)["error"]["code"] == "too_many_requests"
    assert statuses(client, sso, "203.0.113.2") == [200]
    few.shift(timedelta(seconds=50))
    assert exchange(client, sso).status_code == 200


def test_garbage_and_tickets_count_too(client: Client, agency: Installation, sso: Sso) -> None:
    answers = [
        client.post("/embed/session", b"garbage", content_type="application/json"),
        client.get("/embed/session"),
        client.get("/embed/session", headers={"authorization": "Bearer x"}),
        client.get("/embed/session"),
    ]
    assert [answer.status_code for answer in answers] == [400, 401, 401, 429]


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


def test_while_redis_is_away_nobody_is_turned_away(
    client: Client, agency: Installation, sso: Sso, store_away: Callable[[], None]
) -> None:
    store_away()
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
    assert rate_limits.address(RequestFactory().get("/", headers=headers, REMOTE_ADDR=remote)) == expected


def test_a_count_forgets_itself(clean_redis: Any) -> None:
    assert [visits.count("door", "me", NOW) for _ in range(2)] == [1, 2]
    (key,) = clean_redis.keys("*:visits:*")
    assert 0 < clean_redis.ttl(key) <= 2 * visits.WINDOW


@pytest.mark.django_db
@pytest.mark.filterwarnings("ignore:No directory at:UserWarning")  # the tests collect no static files
def test_passwords_are_not_guessed_at_will(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "SIGN_INS", 2)
    User.objects.create_superuser("op", password="a long enough password")

    def sign_in(password: str, address: str = "203.0.113.1") -> HttpResponse:
        form = {"username": "op", "password": password}
        return client.post(reverse("admin:login"), form, REMOTE_ADDR=address, secure=True)

    assert [sign_in("guess").status_code for _ in range(3)] == [200, 200, 429]
    refused = sign_in("a long enough password")
    assert (refused.status_code, refused["Retry-After"]) == (429, "50")
    assert client.get(reverse("admin:login"), secure=True).status_code == 200, "the page itself is shown"
    assert sign_in("a long enough password", "203.0.113.2").status_code == 302
