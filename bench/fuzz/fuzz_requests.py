"""Random requests to the public endpoints: `make fuzz`, 15 minutes unless ARGS="--minutes N" is given.

A real gunicorn, two real Celery workers and beat run on servers of their own, with the sandbox as the vendor. Threads
send mutated requests: paths, queries, headers and bodies; webhooks that are signed with the vendor's key, so that their
content reaches the handlers; user data of the page inside HighLevel that is encrypted with the app's secret; calls of
modules with the app's key and forms of operators (`fuzz_signed_in`); and bytes that are no HTTP. Fails when a response
is a 5xx, when a path of the URLconf is hardly answered but by 429, when a page or a log has a traceback, when a handler
raises a foreign exception, when a row cannot be read any more, or when the web is not ready in the end. A signed event
that no handler can take, because it names no tenant, is poisoned as `payload_anomalous`: that is its right end, and any
other poisoned event is a fault.
"""

from __future__ import annotations

import argparse
import base64
import functools
import hashlib
import http.client
import json
import os
import random
import re
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from bench.chaos_webhooks.deployment import CLIENT_ID, CLIENT_SECRET, PORT, VENDOR, asked, deployed, wait_for_web
from bench.fuzz.fuzz_signed_in import Proofs
from bench.fuzz.fuzz_values import TEXTS, Sent, junk, mutated, text_of
from hlapp.supervisor.programs import Program

SHARED_SECRET = "fuzz-shared-secret"
SANDBOX = 8766
# What stands for the parts of a path that vary, each in a path of its own.
PARTS: tuple[dict[str, str], ...] = (
    {"app_name": CLIENT_ID, "segment": "action", "name": "say"},
    {"app_name": "other", "segment": "options", "name": "x"},
)
LEAST = 1.0  # answers other than 429 of each path in a minute: a limit that answers everything tests nothing
QUERIES = ("app", "state", "code", "error", "error_description", "go", "companyId", "locationId", "next", "signed")
METHODS = ("GET", "GET", "GET", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW")
HEADERS = (
    "Cookie",
    "Authorization",
    "Content-Type",
    "Accept",
    "Accept-Language",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "Referer",
    "Origin",
    "Range",
    "If-Modified-Since",
    "X-GHL-Signature",
    "X-WH-Signature",
    "X-Request-Id",
    "Expect",
)
EVENTS: tuple[dict[str, Any], ...] = (
    {"type": "INSTALL", "appId": CLIENT_ID, "companyId": "agency1", "installType": "Company"},
    {"type": "INSTALL", "appId": CLIENT_ID, "locationId": "place1", "companyId": "agency1", "planId": "p1"},
    {
        "type": "UPDATE",
        "appId": CLIENT_ID,
        "locationId": "place1",
        "companyId": "agency1",
        "trial": {"onTrial": True, "trialDuration": 10, "trialStartDate": "2026-03-30T00:00:00.000Z"},
        "whitelabelDetails": {"domain": "app.example.com", "logoUrl": "https://x/l.png"},
    },
    {"type": "UNINSTALL", "appId": CLIENT_ID, "locationId": "place1", "companyId": "agency1"},
    {"type": "UPDATE", "appId": CLIENT_ID, "locationId": "place1", "versionId": "v2", "previousVersionId": "v1"},
    {"type": "PLAN_CHANGE", "appId": CLIENT_ID, "locationId": "place1", "currentPlanId": "a", "newPlanId": "b"},
    {"type": "APP_PAYMENT_STATUS", "appId": CLIENT_ID, "locationId": "place1", "status": "FAILED"},
    {"type": "EXTERNAL_AUTH_CONNECTED", "appId": CLIENT_ID, "locationId": "place1", "authType": "oauth2"},
    {"type": "LocationCreate", "id": "place2", "companyId": "agency1", "name": "Two", "email": "a@example.com"},
    {"type": "LocationUpdate", "id": "place1", "companyId": "agency2", "name": "One"},
    {
        "type": "ContactCreate",
        "locationId": "place1",
        "id": "c1",
        "firstName": "Ann",
        "dateAdded": "2026-11-01T10:00:00Z",
    },
    {
        "type": "ContactUpdate",
        "locationId": "place1",
        "id": "c1",
        "tags": ["a"],
        "customFields": [{"id": "f", "value": 1}],
    },
    {"type": "ContactDelete", "locationId": "place1", "id": "c1"},
    {"type": "OpportunityUpdate", "locationId": "place1", "id": "o1", "pipelineId": "p", "monetaryValue": 1.5},
    {
        "type": "UserCreate",
        "companyId": "agency1",
        "id": "u1",
        "locations": ["place1", "place2"],
        "roles": {"type": "account"},
    },
    {"type": "InboundMessage", "locationId": "place1", "conversationId": "v1", "body": "hello", "attachments": []},
    {
        "contactId": "c1",
        "locationId": "place1",
        "messageId": "m1",
        "type": "SMS",
        "phone": "+15551234567",
        "message": "hi",
    },
)
USER: dict[str, Any] = {
    "userId": "u1",
    "companyId": "agency1",
    "role": "admin",
    "type": "agency",
    "activeLocation": "place1",
    "email": "a@b.c",
}


def encrypted(plain: bytes) -> str:
    """CryptoJS.AES.encrypt with the app's shared secret."""
    salt, secret = os.urandom(8), SHARED_SECRET.encode()
    digests = [hashlib.md5(secret + salt, usedforsecurity=False).digest()]
    for _ in range(2):
        digests.append(hashlib.md5(digests[-1] + secret + salt, usedforsecurity=False).digest())
    short = 16 - len(plain) % 16
    encryptor = Cipher(algorithms.AES(b"".join(digests[:2])), modes.CBC(digests[2])).encryptor()
    sealed = encryptor.update(plain + bytes([short]) * short) + encryptor.finalize()
    return base64.b64encode(b"Salted__" + salt + sealed).decode()


def _header(text: str) -> str:
    return "".join(char for char in text if char.isprintable() and ord(char) < 256)


@functools.cache
def paths() -> tuple[str, ...]:
    """The paths of the URLconf, and two more. Of the admin, which strangers do not get into, the first page alone."""
    from django.urls import URLResolver, get_resolver  # noqa: PLC0415 - Django is set up by now

    found: list[str] = []

    def walk(resolver: URLResolver, prefix: str) -> None:
        for one in resolver.url_patterns:
            route = prefix + str(one.pattern)
            if isinstance(one, URLResolver) and one.namespace != "admin":
                walk(one, route)
            else:
                found.extend(_filled(route, parts) for parts in PARTS)

    walk(get_resolver(), "/")
    return (*dict.fromkeys(found), "/static/site/site.css", "/nowhere")


def _filled(route: str, parts: dict[str, str]) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda part: parts.get(part[1], "x"), route)


def hardly_answered(seen: Counter[str], minutes: float) -> list[str]:
    """The paths with fewer than `LEAST` answers a minute that are no 429, in words. `seen` counts `<path> <status>`."""
    answered: Counter[str] = Counter()
    for what, number in seen.items():
        path, _, status = what.rpartition(" ")
        answered[path] += number if status != "429" else 0
    return [f"{path}: {answered[path]} answers but 429" for path in paths() if answered[path] < LEAST * minutes]


def _endpoint(target: str) -> str:
    """The path without what was added to it, for the table."""
    path = target.partition("?")[0]
    return path if path in paths() else "others"


def any_request(dice: random.Random) -> Sent:
    """A request to one of the paths, with junk in query, headers and body."""
    path = dice.choice(paths())
    if dice.random() < 0.2:
        path += quote(dice.choice(TEXTS).encode("utf-8", "surrogatepass"), safe=dice.choice(("", "/%")))
    names = [dice.choice(QUERIES) for _ in range(dice.randrange(4))]
    query = "&".join(f"{name}={quote(dice.choice(TEXTS).encode('utf-8', 'surrogatepass'))}" for name in names)
    headers = {dice.choice(HEADERS): _header(dice.choice(TEXTS)) for _ in range(dice.randrange(4))}
    headers.pop("Expect", None)
    method = dice.choice(METHODS)
    body = (
        text_of(mutated({"payload": "x", "username": "a", "password": "b"}, dice), dice) if method == "POST" else None
    )
    return Sent(method, f"{path}?{query}" if query else path, headers, body)


def webhook(dice: random.Random) -> Sent:
    """A webhook with the vendor's signature, mostly over a payload that no vendor sends."""
    body = text_of(mutated(dice.choice(EVENTS), dice), dice)
    headers = {"Content-Type": "application/json", "X-GHL-Signature": base64.b64encode(VENDOR.sign(body)).decode()}
    return Sent("POST", dice.choice(("/webhooks/", f"/webhooks/{CLIENT_ID}/")), headers, body)


def embedded_user(dice: random.Random) -> Sent:
    """User data of the page inside HighLevel, encrypted with the right secret."""
    payload: Any = encrypted(text_of(mutated(USER, dice), dice))
    body = json.dumps({"payload": payload, "app": dice.choice((None, CLIENT_ID, junk(dice)))})
    return Sent("POST", "/embed/session", {"Content-Type": "application/json"}, body.encode())


PROOFS = Proofs()
KINDS: tuple[Callable[[random.Random], Sent], ...] = (
    *(any_request, any_request, webhook, webhook, embedded_user),
    *(PROOFS.module, PROOFS.module, PROOFS.form, PROOFS.form, PROOFS.form),
)
UNANSWERED = 501  # to a caller with the app's key: no function of an own app answers this module
NO_HTTP = (
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET",
    b"\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    b"POST /webhooks/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nHost: " + b"a" * 9_000 + b"\r\n\r\n",
)


def _address(dice: random.Random) -> str:
    return f"198.18.{dice.randrange(256)}.{dice.randrange(256)}"


class Fuzzer:
    """Threads that send until the time is over, and what they saw."""

    def __init__(self, seed: int, until: float) -> None:
        self.seed, self.until = seed, until
        self.seen: Counter[str] = Counter()
        self.faults: list[str] = []

    def run(self, number: int) -> None:
        """Send requests in this thread. A fault is kept with the request that caused it."""
        dice = random.Random(f"{self.seed}-{number}")
        line = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30.0)
        while time.monotonic() < self.until:
            if dice.random() < 0.02:
                self._send_bytes(dice)
                continue
            sent = dice.choice(KINDS)(dice)
            try:
                # As the proxy in front would send it: most requests come from addresses that sent few before.
                headers = {"Host": "127.0.0.1", "X-Forwarded-For": _address(dice), **sent.headers}
                line.request(sent.method, sent.target, sent.body, headers)
                answer = line.getresponse()
                said = answer.read()
            except (OSError, http.client.HTTPException, UnicodeError, ValueError) as error:
                self.seen[f"no answer ({type(error).__name__})"] += 1
                line.close()
                continue
            self.seen[f"{sent.endpoint or _endpoint(sent.target)} {answer.status}"] += 1
            if (answer.status >= 500 and answer.status != UNANSWERED) or b"Traceback (most recent" in said:
                self.faults.append(f"{answer.status}: {sent}"[:1_000])

    def _send_bytes(self, dice: random.Random) -> None:
        with socket.create_connection(("127.0.0.1", PORT), timeout=15) as line:
            line.sendall(dice.choice((*NO_HTTP, dice.randbytes(500))))
            line.shutdown(socket.SHUT_WR)
            said = line.recv(65536)
        self.seen[f"bytes {said[9:12].decode('latin-1') or 'closed'}"] += 1
        if said[9:10] == b"5":
            self.faults.append(f"bytes: {said[:200]!r}")


def install() -> None:
    """An agency and a location of it, with plans that keep contacts and opportunities."""
    from django.db import connection  # noqa: PLC0415 - Django is set up by now

    from bench.chaos_webhooks.chaos_effects import TABLES  # noqa: PLC0415
    from integrations.core import clock  # noqa: PLC0415
    from integrations.core.tenant import UserType  # noqa: PLC0415
    from integrations.sync.models import Plan  # noqa: PLC0415
    from integrations.sync.signed import plan_macs  # noqa: PLC0415
    from integrations.tenants import marketplace  # noqa: PLC0415
    from integrations.tenants.models import Company, Installation, Location  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute(TABLES)  # the workers of the chaos bench count effects there
    app, now = marketplace.default(), clock.now()
    company = Company.objects.create(id="agency1", created_at=now)
    location = Location.objects.create(id="place1", company=company, created_at=now)
    common = {"app": app, "company": company, "status_at": now, "created_at": now}
    common |= {"status": Installation.Status.INSTALLED, "origin": Installation.Origin.APP}
    Installation.objects.create(user_type=UserType.COMPANY, resource_id=company.pk, **common)
    Installation.objects.create(user_type=UserType.LOCATION, resource_id=location.pk, location=location, **common)
    for resource in ("contacts", "opportunities", "users"):
        plan_macs.signed(Plan(app=app, location_id=location.pk, resource=resource, created_at=now)).save()
    PROOFS.prepare(app)


def stored_faults() -> list[str]:
    """Events that a handler could not take, in words."""
    rows = asked(
        "SELECT type, status, error_code, error, count(*) FROM webhooks_event"
        " WHERE status = 'poisoned' AND error_code <> 'payload_anomalous' OR error_code = 'handler_bug'"
        " GROUP BY 1, 2, 3, 4"
    )
    return [f"event: {row}" for row in rows]


def unreadable_rows() -> list[str]:
    """Tables with a row that PostgreSQL keeps and nobody can read, such as a moment after the year 9999."""
    from django.apps import apps  # noqa: PLC0415 - as above
    from django.db import DataError  # noqa: PLC0415

    failed = []
    for model in apps.get_models():
        if not model._meta.managed:  # noqa: SLF001 - as above
            continue  # it has permissions and no table
        try:
            for _ in model._base_manager.iterator():  # noqa: SLF001 - documented by Django
                pass
        except (DataError, ValueError, OverflowError) as error:
            failed.append(f"rows of {model.__name__} cannot be read: {error}"[:300])
    return failed


def main() -> None:
    """Fuzz for so many minutes; exit with 1 on a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=4)
    options = parser.parse_args()
    os.environ.update(
        HIGHLEVEL_SHARED_SECRET=SHARED_SECRET,
        HIGHLEVEL_API_URL=f"http://127.0.0.1:{SANDBOX}",
        HIGHLEVEL_MARKETPLACE_URL=f"http://127.0.0.1:{SANDBOX}",
        HIGHLEVEL_ALLOWED_HOSTS="127.0.0.1",
        SSL_REDIRECT="false",
        TRUSTED_PROXIES="1",
    )
    with tempfile.TemporaryDirectory() as name, deployed(Path(name) / "hlapp") as deployment:
        client = ("--client-id", CLIENT_ID, "--client-secret", CLIENT_SECRET)
        argv = ("-m", "integrations.sandbox", "--port", str(SANDBOX), "--contacts", "5", *client)
        deployment.supervisor.run(Program("sandbox", argv))
        until = time.monotonic() + 60 * options.minutes
        fuzzer = Fuzzer(options.seed, until)
        threads = [
            threading.Thread(target=fuzzer.run, args=(number,), daemon=True) for number in range(options.threads)
        ]
        wait_for_web()
        install()
        paths()  # before the threads, which would read the URLconf at once
        for thread in threads:
            thread.start()
        deployment.watch_until(lambda: not any(thread.is_alive() for thread in threads), 60 * options.minutes + 60)
        faults = [*fuzzer.faults, *stored_faults(), *unreadable_rows()]
        faults += hardly_answered(fuzzer.seen, options.minutes)
        logs = sorted((deployment.directory / "logs").glob("*"))
        faults += [
            f"traceback in the log of {log.stem}" for log in logs if b"Traceback (most recent" in log.read_bytes()
        ]
        for log in logs:
            text = log.read_text(errors="replace")
            if (at := text.find("Traceback (most recent")) >= 0:
                sys.stdout.write(text[max(0, at - 500) : at + 3_000] + "\n")
        wait_for_web()
    total = sum(fuzzer.seen.values())
    sys.stdout.write(f"{total:,} requests in {options.minutes:g} minutes\n")
    for what, number in sorted(fuzzer.seen.items()):
        sys.stdout.write(f"  {what:<40}{number:>9,}\n")
    for fault in faults[:40]:
        sys.stdout.write(f"FAULT {fault}\n")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
