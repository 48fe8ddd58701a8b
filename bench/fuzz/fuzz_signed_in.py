"""Requests of `fuzz_requests` that carry a proof: calls of modules with the app's key, and forms of operators.

The operators have the role support: they may use most pages and actions, and cannot delete what the others need.
"""

from __future__ import annotations

import base64
import json
import random
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from bench.chaos_webhooks.deployment import CLIENT_ID, VENDOR
from bench.fuzz.fuzz_values import DIGITS, TEXTS, Sent, junk, mutated, text_of

PASSWORD = "a long enough password of nobody"
FORMS = "application/x-www-form-urlencoded"
_MODULES = ("action", "trigger", "auth", "options", "fields", "filters", "provider", "nothing")
_BODIES: tuple[dict[str, Any], ...] = (
    {
        "data": {"text": "hello"},
        "extras": {"locationId": "place1", "contactId": "c1", "workflowId": "w1"},
        "meta": {"key": "say", "version": "1.0"},
    },
    {
        "triggerData": {
            "id": "t1",
            "key": "paid",
            "filters": [{"field": "amount", "operator": ">", "value": 10}],
            "eventType": "CREATED",
            "targetUrl": "http://127.0.0.1:8766/workflows-marketplace/triggers/execute/place1/t1",
        },
        "meta": {"key": "paid", "version": "1.0"},
        "extras": {"locationId": "place1", "workflowId": "w1", "companyId": "agency1"},
    },
    {"companyId": "agency1", "locationId": ["place1"], "fields": {"key": "k"}, "approveAllLocations": False},
    {"contactId": "c1", "locationId": "place1", "messageId": "m1", "type": "SMS", "phone": "+1555", "message": "hi"},
)
_FIELDS = (
    *("action", "_selected_action", "select_across", "index", "confirmed", "number", "back", "q", "o", "p", "e"),
    *("do", "passkey", "name", "code", "password", "column", "form", "filter", "shared", "text", "delete", "until"),
    *("assignee", "locations", "resource", "repeat", "at", "day", "app", "location", "company", "id", "act", "every"),
    *("filters", "shortest", "longest", "calls", "enabled", "confirm", "tenant", "query", "body", "version", "_popup"),
)
# What chooses a branch. Without `end`: an operator who ends the own sessions is a stranger for the rest of the run.
_CHOICES = {
    "action": ("discard", "run_now", "pause", "go_on", "again", "cancel", "retry", "refresh_now", "take", "switch_on"),
    "do": ("begin-app", "confirm-app", "add-passkey", "remove-passkey", "new-codes", "download", "save", "forget"),
    "_selected_action": ("1", "2", "place1"),
    "select_across": ("1", "0"),
    "passkey": ('{"id": "eA", "rawId": "eA", "type": "public-key", "response": {"clientDataJSON": "e30"}}',),
    "act": ("on", "off", "delete"),
    "confirmed": ("yes",),
}
_PAGES = (
    "/admin/",
    "/admin/search/",
    "/admin/second-factor/",
    "/admin/login/second-factor/",
    "/admin/password_change/",
    "/admin/jsi18n/",
)
_BELOW = ("", "1/change/", "place1/change/", "export/", "add/", "1/delete/", "1/history/", "place1/note/", "1/again/")


@dataclass
class Proofs:
    """What the requests carry. `pages` are the addresses of the operators' lists."""

    module_key: str = field(default="", repr=False)
    cookies: list[str] = field(default_factory=list, repr=False)
    token: str = field(default="", repr=False)
    pages: list[str] = field(default_factory=list)

    def prepare(self, app: Any) -> None:
        """Make the app's key, and two operators: one is signed in, one has given the password only."""
        from django.conf import settings  # noqa: PLC0415 - Django is set up by now
        from django.contrib import admin  # noqa: PLC0415
        from django.contrib.auth import SESSION_KEY  # noqa: PLC0415
        from django.test import Client  # noqa: PLC0415

        from integrations.core import clock  # noqa: PLC0415
        from integrations.core.secret import Secret  # noqa: PLC0415
        from integrations.modules import module_keys  # noqa: PLC0415
        from integrations.operators import accounts  # noqa: PLC0415
        from integrations.operators.second_factor import pending  # noqa: PLC0415

        self.module_key = module_keys.make(app, now=clock.now(), by="the bench").reveal()
        signed_in, waiting = (accounts.create(name, "support", password=Secret(PASSWORD)) for name in ("ann", "bob"))
        client, halfway = Client(), Client()
        client.force_login(signed_in)
        assert SESSION_KEY in client.session
        session = halfway.session
        pending.begin(session, waiting, "/admin/", clock.now())
        session.save()
        keys = (client.session.session_key, session.session_key)
        self.cookies = [f"{settings.SESSION_COOKIE_NAME}={key}" for key in keys]
        self.token = secrets.token_hex(16)
        names = [model._meta for model in admin.site._registry]  # noqa: SLF001 - documented by Django
        self.pages = [f"/admin/{meta.app_label}/{meta.model_name}/" for meta in names]

    def module(self, dice: random.Random) -> Sent:
        """A call of a module, mostly with the key or the signature that it needs."""
        kind, body = dice.choice(_MODULES), text_of(mutated(dice.choice(_BODIES), dice), dice)
        key = self.module_key if dice.random() < 0.9 else dice.choice((*TEXTS, "x" * 43, self.module_key[:-1] + "~"))
        headers = {"Content-Type": "application/json", "X-Module-Key": key}
        if kind == "provider":
            headers["X-GHL-Signature"] = base64.b64encode(VENDOR.sign(body)).decode()
        name = dice.choice(("say", "x", "UPPER", "a" * 60, quote(dice.choice(TEXTS).encode("utf-8", "surrogatepass"))))
        path = f"/modules/{dice.choice((CLIENT_ID, CLIENT_ID, 'other'))}/{kind}/{name}/"
        endpoint = f"/modules/…/{kind}/"
        if kind == "options" and dice.random() < 0.7:
            return Sent("GET", f"{path}?{urlencode({'q': junk_text(dice)})[:3_500]}", headers, endpoint=endpoint)
        return Sent(dice.choice(("POST", "POST", "PUT", "PATCH", "DELETE")), path, headers, body, endpoint)

    def form(self, dice: random.Random) -> Sent:
        """A page or a form of an operator, with garbage in its fields."""
        path = dice.choice(_PAGES) if dice.random() < 0.4 else dice.choice(self.pages) + dice.choice(_BELOW)
        fields = [(name, _value(name, dice)) for name in dice.sample(_FIELDS, dice.randrange(1, 8))]
        headers = {"Cookie": f"{dice.choice(self.cookies)}; csrftoken={self.token}", "X-CSRFToken": self.token}
        if dice.random() < 0.3:
            return Sent("GET", f"{path}?{urlencode(fields)[:3_500]}", headers, endpoint=_endpoint(path))
        headers["Content-Type"] = FORMS
        return Sent("POST", path, headers, urlencode(fields).encode(), f"{_endpoint(path)} POST")


def _endpoint(path: str) -> str:
    return f"operator: {path if path in _PAGES else 'lists and rows'}"


def junk_text(dice: random.Random) -> str:
    """A text that no field expects, as form data can have it: without lone surrogates."""
    deep = ("[" * 50_000, json.dumps(junk(dice)), DIGITS)
    return dice.choice((*TEXTS, *deep)).encode("utf-8", "replace").decode()


def _value(name: str, dice: random.Random) -> str:
    known = _CHOICES.get(name)
    return dice.choice(known) if known and dice.random() < 0.7 else junk_text(dice)
