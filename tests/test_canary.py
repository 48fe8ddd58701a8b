"""Planted secrets are looked for in everything that is written while an agency lives through good and bad days."""

from __future__ import annotations

import io
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator

import httpx2
import pytest
import redis
from celery import current_app
from django.conf import settings as configuration
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.urls import NoReverseMatch, reverse
from pytest_django import Settings

from integrations.core import clock, redaction
from integrations.core.errors import IntegrationError
from integrations.core.tenant import UserType
from integrations.gateway import client as gateway
from integrations.gateway.models import Call
from integrations.gateway.stats import usage_counter
from integrations.highlevel.http import wire
from integrations.modules import module_keys
from integrations.operators.models import TotpSecret
from integrations.operators.rights import rights_seal
from integrations.operators.second_factor import recovery_codes, totp
from integrations.quota.permits.lanes import Lane
from integrations.sandbox.context import Platform
from integrations.sandbox.server.embedded import serve_in_thread
from integrations.tenants import marketplace
from integrations.tenants.models import App
from integrations.tokens import seals, store
from integrations.tokens.models import Credential
from tests.installs.conftest import Worker, set_up
from tests.installs.journey import Browser
from tests.plugin.dispatch import send_due
from tests.plugin.vendor import OPTIONS, Vendor
from tests.tokens.rows import enter

PASSWORD = "planted-password-1"
PRIVATE_TOKEN = "pit-7d1f0a52-9c3b-4e8e-8f11-3c5a6b7d8e9f"
LOCATION = "Kd81jsQ0cLpXz3VbNm5T"
# What people are, and the gateway must not keep of a refused call, whatever field it stands in.
PERSON = {
    "firstName": "Zebedee",
    "email": "zebedee@planted.example",
    "phone": "+15125550147",
    "companyName": "plantedbakery",
    "tags": ["plantedtag"],
    "customFields": [{"id": "f1", "value": "plantedanswer"}, {"id": "f2", "value": 86427531}],
    "message": "plantedwords",
    "salary": 91357264,
    "pin": "48159264",
}
PLANTED = (
    "zebedee",
    "plantedbakery",
    "plantedtag",
    "plantedanswer",
    "plantedwords",
    "5125550147",
    "86427531",
    "91357264",
    "48159264",
)


@pytest.fixture
def platform() -> Iterator[tuple[Vendor, Platform]]:
    with serve_in_thread(OPTIONS) as running:
        assert running.platform is not None
        yield Vendor(running.url, OPTIONS), running.platform
        wire.shared(running.url).close()


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Everything that any logger writes at DEBUG, formatted as in production."""
    current_app.loader.import_default_modules()  # sets Django up anew, logging too
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    handler.setFormatter(root.handlers[0].formatter)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


FAILURES: list[str] = []


def attempt(work: Callable[..., object], *arguments: object, **named: object) -> None:
    """Do it, and keep what is said when it fails, as it would travel to another process."""
    try:
        work(*arguments, **named)
    except IntegrationError as error:
        FAILURES.append(f"{error} {error!r} {error.context} {pickle.dumps(error)!r} {traceback.format_exc()}")


def run_everything(worker: Worker) -> None:
    """Work through all messages of all rooms; what fails has failed on purpose."""
    for _ in range(6):
        worker.sweep()
        send_due()
        worker.drain()
        messages, worker.kept = worker.kept, []
        for name, kwargs in [*messages, ("sync.sweep", {}), ("jobs.sweep", {}), ("jobs.update_schedules", {})]:
            attempt(current_app.tasks[name], **kwargs)


def bad_days(app: App, vendor: Vendor) -> None:
    """Every kind of failure, of a refresh and of a call."""
    rows = list(Credential.objects.filter(kind=Credential.Kind.OAUTH).select_related("app"))
    vendor.fault("/contacts", "status", times=None, status=500)
    for row in rows:
        if row.user_type == UserType.LOCATION:
            attempt(gateway.call, "contacts.create-contact", app=app, location=row.resource_id, body=PERSON)
    httpx2.delete(f"{vendor.url}/sandbox/faults")
    for kind, params in (("garbage", {}), ("truncated", {}), ("lost", {}), ("status", {"status": 500}), ("quota", {})):
        for path in ("/oauth/token", "/contacts"):
            vendor.fault(path, kind, **params)
        for row in rows[:2]:
            asked = {"app": app, "location": row.resource_id, "params": {"contactId": "none"}}
            attempt(current_app.tasks["tokens.repair"], credential_id=row.pk)
            attempt(gateway.call, "contacts.get-contact", **asked)
    httpx2.delete(f"{vendor.url}/sandbox/faults")
    for row in rows:
        Credential.objects.filter(pk=row.pk).order(Credential.Order.REFRESH)
        attempt(current_app.tasks["tokens.refresh"], credential_id=row.pk)


def pages(client: Client) -> Iterator[str]:
    """Every admin list and every row's page, and the pages for visitors and machines."""
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        addresses = [reverse(f"{name}_changelist"), *(_change(name, row.pk) for row in model.objects.all()[:3])]
        for address in filter(None, addresses):
            yield client.get(address).content.decode()
    for address in ("/admin/", "/", "/install/", "/metrics", "/readyz", "/embed/"):
        yield client.get(address).content.decode()


def _change(name: str, pk: object) -> str | None:
    try:
        return reverse(f"{name}_change", args=[pk])
    except NoReverseMatch:
        return None


def database() -> Iterator[str]:
    """Every row of every table as text; binary columns in hexadecimal."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            yield from (row[0] for row in cursor.fetchall())


def store_of(client: redis.Redis) -> Iterator[str]:
    """Every key and value, broker messages with their bodies as they are sent."""
    for key in client.scan_iter():
        yield f"{key!r} {client.dump(key)!r}"


def planted(platform: Platform) -> set[str]:
    tokens = {*platform.tokens.access, *platform.tokens.refresh, *platform.tokens.codes}
    keys = {entry.partition(":")[2] for entry in configuration.VAULT_KEYS}
    own = {PASSWORD, OPTIONS.client_secret, OPTIONS.shared_secret, PRIVATE_TOKEN, configuration.SECRET_KEY}
    return tokens | keys | own


def an_operators_bad_day() -> set[str]:
    """Somebody signs in with password, app and recovery code, mistypes each, and uses up one. Returns the secrets."""
    bob, now = get_user_model().objects.create_superuser("bob", password=PASSWORD), clock.now()
    row, codes = totp.begin(bob, now), [code.reveal() for code in recovery_codes.renew(bob)]
    secret = totp.secret(row).reveal()
    with rights_seal.changing(bob):
        TotpSecret.objects.filter(pk=row.pk).update(confirmed_at=now)
    client = Client()
    for password in (f"{PASSWORD}-mistyped", PASSWORD):
        client.post("/admin/login/", {"username": "bob", "password": password})
    for code in (secret, f"{codes[0]}x", codes[0]):  # what people paste into the wrong field
        answer = client.post("/admin/login/second-factor/", {"code": code})
    assert answer.status_code == 302
    return {secret, *codes, *(code.replace("-", "") for code in codes)}


def calls_of_a_module(app: App) -> set[str]:
    """HighLevel calls an action with the app's key, with the former key, and a wrong one. Returns the keys."""
    keys = [module_keys.make(app, now=clock.now(), by="operator root").reveal() for _ in range(2)]
    body = {"extras": {"locationId": LOCATION}, "data": {}}
    answers = [
        Client().post(
            f"/modules/{app.client_id}/action/say/", body, "application/json", headers={module_keys.HEADER: key}
        )
        for key in (*keys, keys[0][::-1])
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 401]
    return set(keys)


def pieces(secret: str) -> list[str]:
    """What gives a long one away although it was cut: its middle and its end."""
    middle = len(secret) // 2
    return [secret] if len(secret) < 60 else [secret[middle : middle + 24], secret[-24:]]


def hexed(piece: str) -> str:
    return piece.encode().hex()


def test_no_secret_is_written_anywhere(
    platform: tuple[Vendor, Platform],
    settings: Settings,
    transactional_db: None,
    clean_redis: redis.Redis,
    written: io.StringIO,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    vendor, sandbox = platform
    app, worker, browser = set_up(settings, vendor), Worker(clean_redis), Browser(client, vendor)
    browser.install()
    run_everything(worker)
    messages = json.dumps(worker.kept)
    enter(store.location(app, LOCATION), PRIVATE_TOKEN, kind=Credential.Kind.PRIVATE, actor="operator", tested=False)
    bad_days(app, vendor)
    run_everything(worker)
    replayed = client.get("/oauth/callback", {"code": next(iter(sandbox.tokens.codes), "x"), "state": "planted-state"})
    assert replayed.status_code == 400
    usage_counter.flush()
    others = an_operators_bad_day() | calls_of_a_module(app)
    client.force_login(get_user_model().objects.create_superuser("root", password=PASSWORD))
    shown = "".join(pages(client))
    held = Credential.objects.select_related("app").exclude(access_sealed=None)[0]
    things = [marketplace.identity(app), seals.access_token(held), held, settings.VAULT_KEYS and gateway.Lane]
    everything = {
        "logs": written.getvalue(),
        "terminal": "".join(capfd.readouterr()),
        "pages": shown + replayed.content.decode(),
        "database": "\n".join(database()),
        "store": "\n".join(store_of(clean_redis)),
        "messages": messages,
        "errors": "\n".join(FAILURES),
        "reprs": "\n".join(f"{thing!r} {thing!s}" for thing in things),
    }
    secrets = planted(sandbox) | others
    assert len(secrets) > 30
    sizes = {place: len(text) for place, text in everything.items()}
    assert all(sizes[place] > 100 for place in ("logs", "pages", "database", "store", "errors")), sizes
    for place, text in everything.items():
        leaked = [piece for secret in secrets for piece in pieces(secret) if piece in text or hexed(piece) in text]
        assert len(leaked) == 0, f"{len(leaked)} secrets stand in the {place}"
    assert Call.objects.filter(operation="contacts.create-contact", body__has_key="pin", status=500).exists()
    for place, text in everything.items():
        assert [word for word in PLANTED if word in text.lower()] == [], place
    assert "planted-state" not in everything["logs"]
    assert Lane.BULK.value in everything["database"]


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer eyJhbGciOi.eyJhdXRoQ2xhc3M.c2lnbmF0dXJl",
        "GET /oauth/callback?code=6e61f594f19e36c56ac0&state=wS-Z-5mzZqQciJ HTTP/1.1",
        '{"refresh_token": "a-refresh-token-of-some-length"}',
        "postgresql://hlapp:hunter2-secret@db:5432/hlapp",
        "pit-7d1f0a52-9c3b-4e8e-8f11-3c5a6b7d8e9f",
    ],
)
def test_the_log_filter_blanks_what_looks_like_a_token(line: str) -> None:
    shown = redaction.redact_log_value(line)
    assert redaction.BLANK in shown
    for secret in ("c2lnbmF0dXJl", "6e61f594", "wS-Z", "a-refresh-token", "hunter2", "7d1f0a52"):
        assert secret not in shown
