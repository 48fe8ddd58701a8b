"""An error reporter collects the local variables of every frame, and finds no secret in them.

Each case breaks one boundary deep inside with an exception that nobody foresaw, while secrets are there in plain text.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpcore2
import pytest
from django.contrib import admin
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.http import HttpRequest
from django.test import RequestFactory

from integrations.core import clock
from integrations.core.errors import IntegrationError, SealBroken
from integrations.core.secret import Secret
from integrations.core.sensitive import cleaned, sensitive
from integrations.highlevel import sso
from integrations.highlevel.http import transport, wire
from integrations.highlevel.oauth import client as oauth
from integrations.highlevel.oauth.client import ClientIdentity
from integrations.highlevel.oauth.grants import Grant
from integrations.installs.callback import Callback
from integrations.modules import module_endpoint, module_keys
from integrations.modules import views as module_views
from integrations.operators import accounts
from integrations.operators.second_factor import recovery_codes, totp
from integrations.operators.second_factor.pending import PendingSignIn
from integrations.operators.sign_in import enrolment_page, second_factor_page
from integrations.operators.sign_in import views as sign_in
from integrations.tenants.forms import AppForm
from integrations.tenants.models import App
from integrations.tokens.spool import serialization
from integrations.vault import keys
from integrations.vault.keys import KeyRing
from integrations.vault.seal import Binding, seal_under, unseal_with
from tests.support.processes import ROOT

CANARY = "canary-4d1f9b7c2e"
URL = "http://127.0.0.1:1"
HERE = Binding(owner=("row",), field="token", generation=1)


class Unforeseen(Exception):
    """What no code of ours expects."""


def broken(*args: Any, **kwargs: Any) -> Any:
    """A function that fails, with all that it was given in its frame."""
    raise Unforeseen("broken")


class BrokenCipher:
    """Stands for AESGCM, with the plain text in its frames as a Python implementation would have it."""

    encrypt = decrypt = broken


def identity() -> ClientIdentity:
    return ClientIdentity("id", Secret(f"{CANARY}-client-secret"), "https://app.example/cb", URL, "v2")


def token() -> Secret:
    return Secret(f"{CANARY}-token")


def reported(error: BaseException) -> str:
    """What a reporter with all local variables sends, but for the frames of this file."""
    found: list[str] = []
    chain: list[BaseException | None] = [error]
    while chain:
        one = chain.pop()
        if one is not None:
            walked = (frame for frame, _ in traceback.walk_tb(one.__traceback__))
            frames = [frame for frame in walked if frame.f_code.co_filename != __file__]
            found += [f"{name} = {value!r}" for frame in frames for name, value in frame.f_locals.items()]
            found += [str(one), repr(one), *getattr(one, "__notes__", ())]
            chain += [one.__cause__, one.__context__]
    return "\n".join(found)


def call_the_api() -> None:
    transport.shared(URL).send(transport.Request("GET", "/contacts", token=token(), timeout=1.0))


def refresh() -> None:
    oauth.refresh(identity(), token(), user_type="Location", deadline_seconds=1.0)


def exchange() -> None:
    oauth.exchange(identity(), token().reveal(), user_type="Location", deadline_seconds=1.0)


def mint() -> None:
    oauth.mint_location(identity(), token(), company_id="c", location_id="l", deadline_seconds=1.0)


@pytest.mark.parametrize("act", [call_the_api, refresh, exchange, mint], ids=lambda act: act.__name__)
@pytest.mark.parametrize("place", ["exchange", "_read", "_timeouts"])
def test_nothing_of_a_request_is_in_the_frames(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[], None], place: str
) -> None:
    if place == "_read":
        answer = httpcore2.Response(200, content=CANARY.encode())
        monkeypatch.setattr(wire._Pool, "exchange", lambda *_: answer)
        monkeypatch.setattr(wire.Wire, "_read", broken)
    else:
        monkeypatch.setattr(wire._Pool if place == "exchange" else wire.Wire, place, broken)
    with pytest.raises(Unforeseen) as raised:
        act()
    text = reported(raised.value)
    assert CANARY not in text
    assert "wire.py" in text, "a developer reads where it broke"


def test_an_answer_that_cannot_be_used_is_not_in_the_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps({"accessToken2": f"{CANARY}-access", "refresh_token": f"{CANARY}-refresh"}).encode()
    headers = [(b"Content-Type", b"application/json")]
    monkeypatch.setattr(wire._Pool, "exchange", lambda *_: httpcore2.Response(200, headers=headers, content=body))
    for act in (refresh, exchange, mint):
        with pytest.raises(IntegrationError) as raised:
            act()
        assert CANARY not in reported(raised.value), act.__name__


def seals() -> None:
    seal_under(KeyRing("k", {"k": BrokenCipher()}), "k", token(), HERE)  # type: ignore[dict-item]


def unseals() -> None:
    unseal_with(KeyRing("k", {"k": BrokenCipher()}), b"\x01\x01k" + bytes(40), HERE)  # type: ignore[dict-item]


def packs() -> None:
    serialization.packed(Grant(token(), token(), 60, "Location", frozenset()))


def unpacks() -> None:
    serialization.unpacked(Secret(f'{{"access_token": "{CANARY}", "refresh_token": 1, "scopes": [], "x'))


def opens_sso() -> None:
    sso.decrypt(base64.b64encode(b"Salted__" + bytes(24)).decode(), Secret(f"{CANARY}-shared"))


@pytest.mark.parametrize("act", [seals, unseals, packs, unpacks, opens_sso], ids=lambda act: act.__name__)
def test_nothing_that_is_sealed_or_opened_is_in_the_frames(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]
) -> None:
    monkeypatch.setattr(serialization, "_plain", broken)
    monkeypatch.setattr(sso, "_key_and_iv", broken)
    with pytest.raises((Unforeseen, ValueError)) as raised:
        act()
    assert CANARY not in reported(raised.value)


def posted(path: str, **form: str) -> HttpRequest:
    """A request with the secret in each field of its form, and in the header for modules."""
    request = RequestFactory().post(path, form, headers={"X-Module-Key": f"{CANARY}-key"})
    vars(request)["_dont_enforce_csrf_checks"] = True
    request.session = SessionStore()
    request.user = User.objects.get(username="ann")
    return request


def signs_in() -> None:
    request = posted("/admin/login/", username="ann", password=f"{CANARY}-password")
    request.user = AnonymousUser()
    sign_in.sign_in(request)


def changes_the_password() -> None:
    new = f"{CANARY}-password"
    sign_in.password_change(posted("/", old_password=new, new_password1=new, new_password2=new))


def gives_a_code() -> None:
    second_factor_page.check(posted("/", code=CANARY))


def shows_the_secret_of_an_app() -> None:
    request = posted("/")
    request.method = "GET"
    totp.begin(User.objects.get(username="ann"), clock.now())
    enrolment_page.enrolment(request)


def makes_an_account() -> None:
    accounts.create("bob", "viewer", password=Secret(f"{CANARY}-password"))


def edits_an_app() -> None:
    secrets = {"client_secret": f"{CANARY}-client", "shared_secret": f"{CANARY}-shared"}
    admin.site._registry[App].changeform_view(posted("/", name="a", client_id="a-b", api_url=URL, **secrets))


def calls_a_module() -> None:
    module_views.called(posted("/", apiKey=f"{CANARY}-credential"), "app", "auth", "verify")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("act", "place"),
    [
        (signs_in, (ModelBackend, "authenticate")),
        (changes_the_password, (User, "check_password")),
        (gives_a_code, (recovery_codes, "accepts")),
        (shows_the_secret_of_an_app, (enrolment_page, "render")),
        (makes_an_account, (accounts, "validate_password")),
        (edits_an_app, (AppForm, "_require_allowed")),
        (calls_a_module, (module_keys, "_SHAPE")),
        (calls_a_module, (module_endpoint, "_answer")),
    ],
    ids=lambda part: part.__name__ if callable(part) else part[1],
)
def test_nothing_that_is_typed_or_sent_to_a_page_is_in_the_frames(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[], None], place: tuple[Any, str]
) -> None:
    ann = User.objects.create_superuser("ann", password="a long enough password")
    monkeypatch.setattr(second_factor_page.pending, "read", lambda *_: PendingSignIn(ann, "/admin/"))
    monkeypatch.setattr(totp, "qr_code", lambda _: Secret(CANARY))
    monkeypatch.setattr(module_keys, "check", module_keys.check if place[1] == "_SHAPE" else lambda *_: App())
    monkeypatch.setattr(*place, SimpleNamespace(fullmatch=broken) if place[1] == "_SHAPE" else broken)
    with pytest.raises(Unforeseen) as raised:
        act()
    assert CANARY not in reported(raised.value)
    assert any("in broken" in note for note in raised.value.__notes__), "a developer reads where it broke"


def test_a_ring_that_is_refused_is_not_in_the_frames(settings: Any) -> None:
    encoded = base64.b64encode(f"{CANARY:#<32}".encode()).decode()
    settings.VAULT_KEYS = [f"k:{encoded}"]

    def refuse(ring: KeyRing) -> None:
        raise SealBroken("another key")

    proof = keys._proof
    keys.prove_with(refuse)
    try:
        with pytest.raises(SealBroken) as raised:
            keys.ring()
    finally:
        keys.prove_with(proof)
    assert encoded not in reported(raised.value)
    settings.VAULT_KEYS = [f"k:{encoded}x"]
    with pytest.raises(ValueError, match="not the base64") as malformed:
        keys.unproven()
    assert encoded not in reported(malformed.value)


def test_a_callback_shows_neither_code_nor_state() -> None:
    shown = repr(Callback(code=CANARY, state=CANARY, error=None, app="app", browser=CANARY))
    assert CANARY not in shown


def test_the_exception_stays_the_same_one() -> None:
    def fail() -> None:
        with sensitive():
            try:
                {}["cause"]
            except KeyError as cause:
                raise KeyError("id") from cause

    with pytest.raises(KeyError) as raised:
        fail()
    assert raised.value.args == ("id",)
    assert isinstance(raised.value.__cause__, KeyError)
    assert raised.value.__cause__.__traceback__ is None
    assert cleaned(raised.value) is raised.value


def test_a_token_in_the_text_of_a_foreign_exception_is_removed() -> None:
    with pytest.raises(ValueError, match="illegal header value") as raised, sensitive():
        raise ValueError(f"illegal header value Bearer {CANARY}0123")
    assert CANARY not in str(raised.value)


_CORE = """
import resource
from integrations.core.process import core_dumps
core_dumps.forbid()
print(resource.getrlimit(resource.RLIMIT_CORE)[1])
import ctypes
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel by prctl(2)")
def test_a_process_leaves_no_core_dump() -> None:
    done = subprocess.run([sys.executable, "-c", _CORE], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "0"]
    starts = [(ROOT / name).read_text() for name in ("hlapp/start.py", "hlapp/celery.py", "hlapp/command_line.py")]
    assert all("core_dumps.forbid()" in text for text in starts)
    assert os.getpid() > 0
