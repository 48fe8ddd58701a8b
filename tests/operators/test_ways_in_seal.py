"""Who writes to the database gets in by no second factor, no link to a provider and no earlier row of an account."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
import time_machine
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import AttestedCredentialData, AuthenticatorData, CollectedClientData

from integrations.console.doctor import diagnostics
from integrations.core import audit
from integrations.core.audit import maintenance
from integrations.core.models import AuditEntry
from integrations.core.secret import Secret
from integrations.operators import accounts, sessions
from integrations.operators.models import OpenIdIdentity, Passkey, RecoveryCode, RightsSeal, TotpSecret
from integrations.operators.rights import rights_seal
from integrations.operators.roles import Role
from integrations.vault.seal import Binding, seal, unseal
from tests.operators.conftest import SignIn
from tests.operators.test_openid import StandIn, is_in, op, refused
from tests.operators.test_second_factor import CHECK, PAGE, PASSWORD, START, code, enrol, password

__all__ = ["op"]
pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at:UserWarning")]

TABLES = ("auth_user", "operators_rightsseal", "operators_totpsecret", "operators_passkey", "operators_recoverycode")


def sql(statement: str, *values: object) -> list[Any]:
    """What somebody does who writes to the database."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def rows_of(user: User) -> dict[str, list[str]]:
    """All rows of an account, as an attacker keeps them."""
    kept = {}
    for table in TABLES:
        column = "id" if table == "auth_user" else "user_id"
        kept[table] = [row[0] for row in sql(f"SELECT to_jsonb(t)::text FROM {table} t WHERE {column} = %s", user.pk)]
    return kept


def put_back(user: User, kept: dict[str, list[str]]) -> None:
    for table in reversed(TABLES[1:]):
        sql(f"DELETE FROM {table} WHERE user_id = %s", user.pk)
    for table, rows in kept.items():
        for row in rows:
            values = json.loads(row)
            if table == "auth_user":
                sets = "password, is_staff, is_active, is_superuser, username"
                sql(
                    f"UPDATE auth_user SET ({sets}) = (SELECT {sets} FROM jsonb_populate_record(NULL::auth_user, %s))"
                    " WHERE id = %s",
                    row,
                    values["id"],
                )
            else:
                sql(f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, %s)", row)


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


class Authenticator:
    """A passkey of the attacker, without a browser."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = b"passkey of the attacker"
        public = ES256.from_cryptography_key(self.key.public_key())
        self.credential = bytes(AttestedCredentialData.create(bytes(16), self.id, public))

    def answer(self, page: str) -> str:
        """What a browser sends for the challenge of the page."""
        challenge = page.partition("&quot;challenge&quot;: &quot;")[2].partition("&quot;")[0]
        challenge = challenge or page.partition('"challenge": "')[2].partition('"')[0]
        assert challenge
        client = CollectedClientData.create("webauthn.get", websafe_decode(challenge), "https://app.example.com")
        party = hashlib.sha256(b"app.example.com").digest()
        data = AuthenticatorData.create(party, AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.UV, 0)
        proof = self.key.sign(data + client.hash, ec.ECDSA(hashes.SHA256()))
        response = {"authenticatorData": data, "clientDataJSON": client, "signature": proof}
        encoded = {name: websafe_encode(value) for name, value in response.items()}
        own = websafe_encode(self.id)
        return json.dumps({"id": own, "rawId": own, "type": "public-key", "response": encoded})


def gets_in(**factor: str) -> bool:
    """Whether the password, and then the factor, open the console."""
    browser, _ = password()
    if factor:
        browser.post(CHECK, factor)
    return browser.get("/admin/").status_code == 200


@pytest.fixture
def victim(sign_in: SignIn, settings: Any) -> Iterator[User]:
    """An operator with an authenticator app, whose password the attacker knows."""
    settings.PUBLIC_URL = "https://app.example.com"
    sign_in("viewer")
    with time_machine.travel(START, tick=False):
        yield User.objects.get(username="the-viewer")


def passkey_added(user: User, device: Authenticator) -> None:
    columns = "(user_id, name, credential_id, credential, sign_count, created_at)"
    values = (user.pk, "x", device.id, device.credential, START)
    sql(f"INSERT INTO operators_passkey {columns} VALUES (%s, %s, %s, %s, 0, %s)", *values)


@pytest.mark.slow
def test_a_passkey_that_is_written_signs_nobody_in(victim: User) -> None:
    client, device = Client(), Authenticator()
    client.force_login(victim)
    enrol(client, START)
    passkey_added(victim, device)
    assert password()[1].status_code == 200, "refused with the password already"
    Passkey.objects.all().delete()
    browser, _ = password()
    passkey_added(victim, device)  # between password and factor
    with_rows = browser.get(CHECK)
    assert with_rows["Location"] == "/admin/login/"
    assert browser.get("/admin/").status_code == 302
    told = AuditEntry.objects.filter(action="sign_in.not_sealed", subject="user:the-viewer")
    assert {entry.detail["wrong"] for entry in told} == {"factors"}
    assert rights_seal.refused() == [victim]
    assert next(diagnostics.operators()).found.endswith("is not sealed: the-viewer (factors)")
    call_command("operators", "seal", "the-viewer", "--yes", stdout=io.StringIO(), stderr=io.StringIO())
    browser, _ = password()
    answer = device.answer(browser.get(CHECK).content.decode())
    assert browser.post(CHECK, {"passkey": answer}).status_code == 302
    assert browser.get("/admin/").status_code == 200, "the attack would have worked: the operator vouched for the row"


@pytest.mark.slow
def test_factors_that_are_removed_or_changed_end_in_a_refusal(victim: User) -> None:
    client = Client()
    client.force_login(victim)
    with time_machine.travel(START - timedelta(minutes=5), tick=False):
        old_secret, codes = enrol(client, START - timedelta(minutes=5))
        old = rows_of(victim)["operators_totpsecret"]
        client.post(PAGE, {"do": "remove-app", "password": PASSWORD})
    enrol(client, START)
    code_row = rows_of(victim)["operators_recoverycode"]
    assert gets_in(code=codes[0])
    used = [row for row in code_row if row not in rows_of(victim)["operators_recoverycode"]]
    assert len(used) == 1

    def earlier_app() -> None:
        sql("DELETE FROM operators_totpsecret")
        sql(
            "INSERT INTO operators_totpsecret SELECT * FROM jsonb_populate_record(NULL::operators_totpsecret, %s)",
            old[0],
        )

    def earlier_secret() -> None:
        sealed = json.loads(old[0])["secret_sealed"]
        sql("UPDATE operators_totpsecret SET secret_sealed = %s::bytea", sealed)

    def used_code() -> None:
        row = used[0]
        sql(
            "INSERT INTO operators_recoverycode SELECT * FROM jsonb_populate_record(NULL::operators_recoverycode, %s)",
            row,
        )

    def all_removed() -> None:
        for table in TABLES[2:]:
            sql(f"DELETE FROM {table}")

    attacks: dict[str, tuple[Callable[[], Any], dict[str, str]]] = {
        "all removed": (all_removed, {}),
        "not confirmed": (lambda: sql("UPDATE operators_totpsecret SET confirmed_at = NULL"), {"code": codes[1]}),
        "a used code": (used_code, {"code": codes[0]}),
        "the app of before": (earlier_app, {"code": code(old_secret, START)}),
        "the secret of before": (earlier_secret, {"code": code(old_secret, START)}),
        "the digest too": (lambda: (all_removed(), sql("UPDATE operators_rightsseal SET factors = ''")), {}),
    }
    for name, (attack, factor) in attacks.items():
        with undone():
            attack()
            assert not gets_in(**factor), name
    assert gets_in(code=codes[1])
    with undone():
        sql("DELETE FROM operators_totpsecret")
        page = client.post(PAGE, {"do": "new-codes", "password": PASSWORD}, follow=True).content.decode()
        assert "second factor" in page.lower()
        assert not rights_seal.fits(victim), "no change here seals what somebody wrote"
        accounts.reset_second_factor(victim)
        assert gets_in(), "a reset is the cure, and is in the trail"


@pytest.mark.slow
def test_a_link_that_is_moved_or_written_signs_nobody_in(op: StandIn) -> None:
    accounts.create("olga", Role.OWNER, password=Secret(PASSWORD))
    op.sign_in(Client())
    ann, olga = User.objects.get(username="ann"), User.objects.get(username="olga")
    attacks = {
        "moved": ("UPDATE operators_openididentity SET user_id = %s", olga.pk),
        "another subject": ("UPDATE operators_openididentity SET subject = %s", "s2"),
    }
    op.claims = {"groups": ["hl-admins"]}
    for name, (statement, value) in attacks.items():
        with undone():
            sql(statement, value)
            op.claims["sub"] = "s2" if value == "s2" else "s1"
            assert "are not the sealed ones" in refused(op, Client(), "code-2"), name
    with undone():
        new = "INSERT INTO operators_openididentity (user_id, issuer, subject) VALUES (%s, %s, %s)"
        sql(new, olga.pk, op.issuer, "s3")
        op.claims["sub"] = "s3"
        assert "are not the sealed ones" in refused(op, Client(), "code-3")
    op.claims["sub"] = "s1"
    client = Client()
    op.sign_in(client, "code-4")
    assert is_in(client)
    assert rights_seal.refused() == []
    assert OpenIdIdentity.objects.get().user == ann


@pytest.mark.slow
def test_an_earlier_row_with_its_seal_opens_nothing(sign_in: SignIn) -> None:
    owner, target = sign_in("owner"), accounts.create("carl", Role.OWNER, password=Secret(PASSWORD))
    kept = rows_of(target)
    session = Client()
    accounts.give_role(target, Role.VIEWER)
    session.force_login(target)
    assert session.get("/admin/auth/user/").status_code == 403
    put_back(target, kept)
    assert session.get("/admin/auth/user/").status_code == 302, "the session ends"
    assert password("carl")[1].status_code == 200, "refused"
    assert rights_seal.refused() == [target]
    put_back(target, kept)
    accounts.seal(target)
    assert password("carl")[1].status_code == 302

    # A deleted account does not come back, and pruning the trail brings nothing back.
    kept = rows_of(target)
    sessions.end_all(target)
    root = Client()
    root.force_login(User.objects.create_superuser("root", password=PASSWORD))
    assert root.post(f"/admin/auth/user/{target.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not User.objects.filter(username="carl").exists()
    sql("INSERT INTO auth_user SELECT * FROM jsonb_populate_record(NULL::auth_user, %s)", kept["auth_user"][0])
    put_back(target, kept)
    assert password("carl")[1].status_code == 200
    maintenance.prune(datetime(2100, 1, 1, tzinfo=UTC), actor="command line")
    assert not AuditEntry.objects.filter(action="user.seal_withdrawn").exists()
    assert password("carl")[1].status_code == 200
    assert owner.get("/admin/").status_code == 200, "others were sealed again"
    assert audit.verify() is None


@pytest.mark.slow
def test_accounts_of_the_release_before_are_sealed_as_they_are_found(victim: User) -> None:
    client = Client()
    client.force_login(victim)
    secret, _ = enrol(client, START)
    tampered = accounts.create("tom", Role.VIEWER, password=Secret(PASSWORD))
    app = TotpSecret.objects.get()
    old = Binding(owner=("operator", str(victim.pk)), field="totp", generation=1)
    TotpSecret.objects.update(secret_sealed=seal(unseal(app.secret_sealed, rights_seal.ways_in.totp_binding(app)), old))
    for user in User.objects.all():
        found = RightsSeal.objects.get(user=user)
        flags = [user.is_active, user.is_staff, user.is_superuser]
        content = json.dumps([user.pk, user.username, user.password, *flags, found.permissions])
        text = Secret(hashlib.sha256(content.encode()).hexdigest())
        bound = Binding(owner=("operator", str(user.pk)), field="rights", generation=0)
        RightsSeal.objects.filter(user=user).update(factors="", identity="", number=0, sealed=seal(text, bound))
    User.objects.filter(pk=tampered.pk).update(is_superuser=True)
    assert not rights_seal.fits(victim)
    import_module("integrations.operators.migrations.0005_sealed_ways_in").seal(apps, None)
    assert rights_seal.refused() == [tampered]
    with time_machine.travel(START + timedelta(minutes=1), tick=False):
        assert gets_in(code=code(secret, START + timedelta(minutes=1)))
    assert RecoveryCode.objects.filter(user=victim).count() == 10
