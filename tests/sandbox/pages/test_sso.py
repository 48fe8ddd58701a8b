"""The user context for an app's page, sealed as CryptoJS does, and the page that hands it over."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC

from integrations.sandbox.pages import sso
from tests.sandbox.journey import DEFAULTS, Journey

SECRET = "a shared secret"


def decrypted(payload: str, secret: str) -> Any:
    """Written from the format's description, not from sso.py: EVP_BytesToKey as D1 + D2 + D3."""
    raw = base64.b64decode(payload)
    assert raw[:8] == b"Salted__"
    seed = secret.encode() + raw[8:16]
    one = hashlib.md5(seed).digest()
    two = hashlib.md5(one + seed).digest()
    three = hashlib.md5(two + seed).digest()
    opener = Cipher(AES256(one + two), CBC(three)).decryptor()
    plain = opener.update(raw[16:]) + opener.finalize()
    return json.loads(plain[: -plain[-1]])


@pytest.mark.parametrize("text", ["", "short", "x" * 15, "x" * 16, "ünïcode " * 40])
def test_the_payload_opens_with_the_shared_secret(text: str) -> None:
    assert decrypted(sso.encrypted({"text": text}, SECRET), SECRET) == {"text": text}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is the independent witness here")
def test_openssl_opens_it_too() -> None:
    payload = sso.encrypted({"userId": "u1"}, SECRET)
    command = ["openssl", "enc", "-d", "-aes-256-cbc", "-md", "md5", "-a", "-A", "-pass", f"pass:{SECRET}"]
    done = subprocess.run(command, input=payload.encode(), capture_output=True, timeout=60, check=True)
    assert json.loads(done.stdout) == {"userId": "u1"}


def test_each_payload_has_a_salt_of_its_own() -> None:
    assert sso.encrypted({}, SECRET) != sso.encrypted({}, SECRET)
    assert sso.encrypted({}, SECRET, b"12345678") == sso.encrypted({}, SECRET, b"12345678")


def test_a_location_users_context(journey: Journey) -> None:
    answer = journey.http.get("/sandbox/sso", params={"location": journey.locations[1]}).json()
    user = decrypted(answer["payload"], DEFAULTS.shared_secret)
    assert user == answer["user"]
    assert user["activeLocation"] == journey.locations[1]
    assert user["companyId"] == journey.company
    assert user["type"] == "location"
    assert user["role"] in ("admin", "user")
    assert {"userId", "userName", "email", "isAgencyOwner", "versionId", "appStatus"} <= set(user)


def test_an_agency_users_context_in_and_outside_a_location(journey: Journey) -> None:
    outside = journey.http.get("/sandbox/sso").json()["user"]
    assert outside["type"] == "agency"
    assert "activeLocation" not in outside
    query = {"location": journey.locations[0], "user": outside["userId"]}
    inside = journey.http.get("/sandbox/sso", params=query).json()["user"]
    assert (inside["type"], inside["activeLocation"]) == ("agency", journey.locations[0])


def test_the_embedding_page_frames_the_app_and_asks_for_payloads(journey: Journey) -> None:
    query = {"location": journey.locations[0], "src": 'http://127.0.0.1:8000/embed/?a=1&b="><script>'}
    page = journey.http.get("/sandbox/embed", params=query).text
    assert '<iframe id="app" src="http://127.0.0.1:8000/embed/?a=1&amp;b=&quot;&gt;&lt;script&gt;"' in page
    source = json.loads(page.partition("const payloads = ")[2].partition(";")[0])
    first, second = (journey.http.get(source).json()["payload"] for _ in range(2))
    assert first != second
    assert decrypted(first, DEFAULTS.shared_secret)["activeLocation"] == journey.locations[0]


def test_the_embedding_page_leads_to_each_account_of_the_agency(journey: Journey) -> None:
    page = journey.http.get("/sandbox/embed", params={"src": "http://127.0.0.1:8000/shop/?a=1&b=2"}).text
    links = [html.unescape(link) for link in re.findall(r'<a href="(/sandbox/embed[?][^"]+)"', page)]
    shown = [journey.http.get(link).text for link in links]
    assert ["in the agency view" in one for one in shown] == [True] + [False] * len(journey.locations)
    for location in journey.locations:
        assert sum(f"location={location}" in link for link in links) == 1
    assert all('src="http://127.0.0.1:8000/shop/?a=1&amp;b=2"' in one for one in shown)


def test_the_apps_own_page_is_the_default(journey: Journey) -> None:
    assert 'src="http://127.0.0.1:8000/embed/"' in journey.http.get("/sandbox/embed").text


@pytest.mark.parametrize("query", [{"location": "none"}, {"user": "none"}, {"src": "javascript:alert(1)"}])
def test_what_does_not_exist_cannot_be_embedded(journey: Journey, query: dict[str, str]) -> None:
    assert journey.http.get("/sandbox/embed", params=query).status_code == 400
