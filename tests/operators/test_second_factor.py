"""The second factor: enrolment, sign-in, removal, reset; and that no secret is in the database in the clear."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from integrations.core.errors import SealBroken
from integrations.core.models import AuditEntry
from integrations.operators.models import OperatorSession, Passkey, RecoveryCode, SignInAttempts, TotpSecret
from integrations.operators.second_factor import factors, recovery_codes, totp
from integrations.vault import columns, keys
from tests.operators.conftest import SignIn

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at:UserWarning")]

PASSWORD = "a long enough password"
PAGE, CHECK = "/admin/second-factor/", "/admin/login/second-factor/"
START = datetime(2026, 11, 29, 12, tzinfo=UTC)


def code(secret: str, at: datetime) -> str:
    return TOTP(base64.b32decode(secret), 6, SHA1(), 30).generate(int(at.timestamp())).decode()


def password(name: str = "the-viewer", client: Client | None = None, then: str = "") -> tuple[Client, HttpResponse]:
    client = client or Client()
    form = {"username": name, "password": PASSWORD, "next": then}
    return client, client.post("/admin/login/", form)  # type: ignore[return-value]


def enrol(client: Client, at: datetime) -> tuple[str, list[str]]:
    """Set up an authenticator app. Returns its secret and the recovery codes."""
    client.post(PAGE, {"do": "begin-app"})
    page = client.get(PAGE).content.decode()
    secret = re.search(r'factor-key">([A-Z2-7 ]+)<', page)
    assert secret
    text = secret[1].replace(" ", "")
    shown = client.post(PAGE, {"do": "confirm-app", "code": code(text, at)}).content.decode()
    return text, re.findall(r"<code>([a-z2-7-]{19})</code>", shown)


@pytest.mark.slow
def test_an_authenticator_app_is_set_up_asked_for_and_removed(sign_in: SignIn) -> None:
    with time_machine.travel(START, tick=False) as traveller:
        client, other = sign_in("viewer"), Client()
        other.force_login(User.objects.get(username="the-viewer"))
        secret, codes = enrol(client, START)
        assert len(set(codes)) == recovery_codes.NUMBER
        assert other.get("/admin/").status_code == 302, "sessions without the factor have ended"
        assert client.get("/admin/").status_code == 200

        browser, answer = password(then="/admin/sync/run/")
        assert (answer.status_code, answer["Location"]) == (302, CHECK)
        assert browser.get("/admin/").status_code == 302, "the password alone opens nothing"
        assert browser.get(PAGE).status_code == 302
        used = browser.post(CHECK, {"code": code(secret, START)})
        assert (used.status_code, "not accepted" in used.content.decode()) == (200, True), "a code works once"
        traveller.shift(timedelta(seconds=30))
        for wrong in ("", "123", "abcdef", "١٢٣٤٥٦", codes[0][:-1]):
            browser = password()[0]
            assert browser.post(CHECK, {"code": wrong}).status_code == 200
            assert browser.get("/admin/").status_code == 302
            factor_row().delete()
        browser, _ = password(then="/admin/sync/run/")
        done = browser.post(CHECK, {"code": code(secret, START + timedelta(seconds=30))})
        assert (done.status_code, done["Location"]) == (302, "/admin/sync/run/")
        assert browser.get("/admin/").status_code == 200
        assert browser.get(CHECK)["Location"] == "/admin/login/"

        browser, _ = password()
        assert browser.post(CHECK, {"code": codes[0].upper()}).status_code == 302
        browser, _ = password()
        assert browser.post(CHECK, {"code": codes[0]}).status_code == 200, "a recovery code works once"

        page = client.get(PAGE).content.decode()
        assert "9 left" in page
        assert secret not in page.replace(" ", "")
        client.post(PAGE, {"do": "remove-app", "password": "wrong"})
        assert TotpSecret.objects.exists()
        renewed = client.post(PAGE, {"do": "new-codes", "password": PASSWORD}).content.decode()
        assert codes[1] not in renewed
        client.post(PAGE, {"do": "remove-app", "password": PASSWORD})
        assert not TotpSecret.objects.exists()
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert [action for action in actions if action.startswith("second_factor")] == [
        "second_factor.added",
        "second_factor.recovery_codes_made",
        *["second_factor.failed"] * 7,
        "second_factor.recovery_codes_made",
        "second_factor.removed",
    ]
    details = str(list(AuditEntry.objects.values_list("detail", flat=True)))
    assert not [one for one in (secret, *codes, PASSWORD) if one in details]


def factor_row() -> Any:
    return SignInAttempts.objects.filter(key__startswith="code:")


@pytest.mark.slow
def test_the_second_step_ends_is_slowed_and_stays_with_its_password(sign_in: SignIn) -> None:
    with time_machine.travel(START, tick=False) as traveller:
        secret, _ = enrol(sign_in("viewer"), START)
        traveller.shift(timedelta(minutes=1))
        now = START + timedelta(minutes=1)
        browser, _ = password()
        assert [browser.post(CHECK, {"code": "000000"}).status_code for _ in range(7)] == [200] * 5 + [429] * 2
        assert browser.post(CHECK, {"code": code(secret, now)})["Retry-After"] == "1"
        factor_row().delete()
        traveller.shift(timedelta(minutes=11))
        assert browser.post(CHECK, {"code": code(secret, now)})["Location"] == "/admin/login/", "too late"
        browser, _ = password()
        user = User.objects.get(username="the-viewer")
        user.set_password("another long password")
        user.save()
        assert browser.get(CHECK)["Location"] == "/admin/login/", "the password is another one"
        user.set_password(PASSWORD)
        user.save()
        browser, _ = password()
        User.objects.update(is_active=False)
        assert browser.get(CHECK)["Location"] == "/admin/login/"


@pytest.mark.slow
def test_secrets_are_sealed_rotate_and_can_be_given_up(sign_in: SignIn) -> None:
    with time_machine.travel(START, tick=False):
        secret, codes = enrol(sign_in("viewer"), START)
        enrol(sign_in("support"), START)
    with connection.cursor() as cursor:
        for table in ("operators_totpsecret", "operators_recoverycode", "operators_operatorsession"):
            cursor.execute(f"SELECT string_agg(t::text, ' ') FROM {table} t")
            dump = cursor.fetchone()[0]
            raw = base64.b32decode(secret).hex()
            assert not [one for one in (secret, raw, secret.encode().hex(), *codes) if one in dump], table
    (column,) = [one for one in columns.registered() if one.model is TotpSecret]
    rows = list(column.rows())
    assert len(rows) == 2
    first, second = TotpSecret.objects.order_by("pk")
    moved = TotpSecret(pk=first.pk, user=first.user, created_at=first.created_at, secret_sealed=second.secret_sealed)
    with pytest.raises(SealBroken):
        totp.secret(moved)
    lost = totp.LostTotpSecrets().forget(keys.ring().newest, actor="command line")
    assert lost == {"removed": 2}
    assert not TotpSecret.objects.exists()
    assert factors.of(first.user).any, "recovery codes are still asked for"
    assert AuditEntry.objects.filter(action="second_factor.key_lost").count() == 2


@pytest.mark.slow
def test_required_lets_in_nobody_without_one(sign_in: SignIn, settings: Settings) -> None:
    settings.OPERATOR_SECOND_FACTOR = "required"
    with time_machine.travel(START, tick=False):
        sign_in("viewer")
        client, answer = password()
        assert answer["Location"] == "/admin/"
        for path in ("/admin/", "/admin/sync/run/", "/admin/password_change/", "/admin/search/?s=a"):
            assert (client.get(path).status_code, client.get(path)["Location"]) == (302, PAGE), path
        assert client.get("/metrics").status_code == 401
        assert "This console needs a second factor" in client.get(PAGE).content.decode()
        enrol(client, START)
        assert client.get("/admin/").status_code == 200
        assert client.get("/metrics").status_code == 200
        assert Client().get(PAGE)["Location"].startswith("/admin/login/")


@pytest.mark.slow
def test_an_owner_and_the_command_line_reset_it(sign_in: SignIn) -> None:
    owner = sign_in("owner")
    for number, reset in enumerate(("owner", "command line")):
        with time_machine.travel(START + timedelta(minutes=number), tick=False):
            User.objects.filter(username="the-viewer").delete()
            client = sign_in("viewer")
            enrol(client, START + timedelta(minutes=number))
        user = User.objects.get(username="the-viewer")
        address = reverse("admin:auth_user_reset_second_factor", args=[user.pk])
        assert client.post(address, {"_form_submitted": "True"}).status_code == 403
        assert factors.of(user).any
        if reset == "owner":
            owner.post(address, {"_form_submitted": "True"})
        else:
            call_command("operators", "reset-second-factor", "the-viewer", stdout=StringIO())
        assert not factors.of(user).any
        assert client.get("/admin/").status_code == 302
        assert password()[1]["Location"] == "/admin/"
    assert list(
        AuditEntry.objects.filter(action="second_factor.reset").order_by("id").values_list("actor", flat=True)
    ) == [
        "operator the-owner",
        "command line",
    ]


@pytest.mark.slow
def test_garbage_is_no_passkey(sign_in: SignIn) -> None:
    client = sign_in("viewer")
    user = User.objects.get(username="the-viewer")
    for answer in (
        "",
        "no json",
        "[]",
        "{}",
        json.dumps({"id": "x", "rawId": "eA", "type": "public-key", "response": {}}),
    ):
        client.get(PAGE)
        page = client.post(PAGE, {"do": "add-passkey", "name": "x", "passkey": answer}, follow=True).content.decode()
        assert "passkey was not accepted" in page, answer
    assert not factors.of(user).any
    recovery_codes.renew(user)
    Passkey.objects.create(user=user, name="k", credential_id=b"x", credential=bytes(55), created_at=START)
    assert RecoveryCode.objects.count() == 10
    assert OperatorSession.objects.count() == 1
