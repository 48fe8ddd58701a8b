"""Benchmark of webhooks per second through the WSGI application, against the bare cost of the same work.

Bare is the unavoidable work: verifying the signature and one durable insert, without Django; and, for the other half, a
view that answers 200 and does nothing. Rounds of all rows are interleaved and the median counts, so that other load on
the machine hits all rows alike. One process, one thread; a real database and a real broker.
"""

from __future__ import annotations

from bench.setup import prepare, table

prepare()

import base64  # noqa: E402 - the settings of what follows are made by prepare()
import io  # noqa: E402
import itertools  # noqa: E402
import json  # noqa: E402
import logging  # noqa: E402
import statistics  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from typing import Any  # noqa: E402

import psycopg  # noqa: E402
from celery import current_app  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402

from integrations.highlevel.signatures import load_keys, verify_webhook  # noqa: E402
from integrations.webhooks.models import Event, Mailbox  # noqa: E402

ROUNDS, PER_ROUND = 7, 150
VENDOR = Ed25519PrivateKey.generate()
PEM = VENDOR.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
BARE = "bare: verify + one INSERT, psycopg alone"

Call = tuple[bytes, str]
_number = itertools.count()


@csrf_exempt
def nothing(request: HttpRequest) -> HttpResponse:
    """A view that reads the body and answers 200."""
    request.read()
    return HttpResponse("ok")


urlpatterns = [path("nothing/", nothing), path("webhooks/", include("integrations.webhooks.urls"))]


def event(tenant: str = "busy") -> Call:
    """A signed ContactUpdate of about 1.5 kB, the size of the vendor's own."""
    number = next(_number)
    payload = {
        "type": "ContactUpdate",
        "locationId": tenant,
        "companyId": "bench",
        "webhookId": f"bench-{number}",
        "timestamp": "2026-03-30T05:57:15.000Z",
        "id": f"contact{number}",
        "email": f"person{number}@example.com",
        "customFields": [{"id": f"field{index}", "value": "some text of a form"} for index in range(20)],
        "tags": ["customer", "newsletter"],
    }
    raw = json.dumps(payload).encode()
    return raw, base64.b64encode(VENDOR.sign(raw)).decode()


class Application:
    """Posts to the WSGI application as a server would, and checks the status."""

    def __init__(self) -> None:
        self.handler = WSGIHandler()

    def post(self, address: str, call: Call, expected: str = "200 OK") -> None:
        """Post one webhook. Raises RuntimeError for another status than `expected`."""
        raw, signature = call
        answered: list[str] = []

        def start_response(status: str, headers: Any, exc_info: Any = None, /) -> Callable[[bytes], object]:
            answered.append(status)
            return lambda data: None  # the old write(), which Django never calls

        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": address,
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(raw)),
            "HTTP_X_GHL_SIGNATURE": signature,
            "wsgi.input": io.BytesIO(raw),
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "https",
            "wsgi.multithread": True,
        }
        response: Any = self.handler(environ, start_response)
        b"".join(response)
        response.close()
        if answered != [expected]:
            raise RuntimeError(f"{address} answered {answered}, not {expected}")


@contextmanager
def bare_insert() -> Iterator[Callable[[Call], None]]:
    """A table and a connection; yields the work that verifies and inserts one webhook."""
    keys = load_keys([PEM], legacy=False)
    given = connection.get_connection_params()
    given = {key: given[key] for key in ("dbname", "user", "password", "host", "port") if key in given}
    with psycopg.connect(**given, autocommit=True) as bare:
        bare.execute(
            "CREATE TABLE bench_bare (id bigserial PRIMARY KEY, app int, webhook_id text, received_at timestamptz,"
            " payload jsonb, UNIQUE (app, webhook_id))"
        )

        def work(call: Call) -> None:
            raw, signature = call
            verify_webhook(raw, {"X-GHL-Signature": signature}, keys)
            text = raw.decode()
            bare.execute(
                "INSERT INTO bench_bare (app, webhook_id, received_at, payload) VALUES (1, %s, now(), %s)"
                " ON CONFLICT DO NOTHING",
                [json.loads(text)["webhookId"], text],
            )

        try:
            yield work
        finally:
            bare.execute("DROP TABLE bench_bare")


def rate(work: Callable[[Call], None], calls: list[Call]) -> float:
    """Webhooks per second."""
    start = time.perf_counter()
    for call in calls:
        work(call)
    return len(calls) / (time.perf_counter() - start)


def keep_to_ourselves() -> None:
    """Send messages to a queue that no worker of this machine reads and that we may purge; log no refusals."""
    current_app.conf.broker_transport_options["global_keyprefix"] = f"{settings.NAMESPACE}:celery:"
    logging.getLogger("django.request").setLevel(logging.ERROR)


def main() -> None:
    """Measure all rows in interleaved rounds, and print the table."""
    keep_to_ourselves()
    site, known = Application(), event()
    with (
        override_settings(ROOT_URLCONF=__name__, HIGHLEVEL_WEBHOOK_KEYS=[PEM]),
        bare_insert() as bare,
    ):
        site.post("/webhooks/", known)
        works: dict[str, tuple[Callable[[Call], None], Callable[[int], Call]]] = {
            BARE: (bare, lambda _: event()),
            "bare: Django, a view that does nothing": (lambda call: site.post("/nothing/", call), lambda _: event()),
            "webhook stored, its mailbox is due already": (
                lambda call: site.post("/webhooks/", call),
                lambda _: event(),
            ),
            "webhook stored, wakes its mailbox (one message)": (
                lambda call: site.post("/webhooks/", call),
                lambda index: event(f"tenant{index}-{next(_number)}"),
            ),
            "webhook known already": (lambda call: site.post("/webhooks/", call), lambda _: known),
            "webhook with a wrong signature": (
                lambda call: site.post("/webhooks/", call, "401 Unauthorized"),
                lambda _: (event()[0], known[1]),
            ),
        }
        rates: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(ROUNDS):
            for name, (work, make) in works.items():
                rates[name].append(rate(work, [make(index) for index in range(PER_ROUND)]))
    stored = Event.objects.count()
    if stored != 2 * ROUNDS * PER_ROUND + 1:
        raise RuntimeError(f"{stored} events are stored, which is not one for each")
    rows = [(name, statistics.median(found), "requests/s") for name, found in rates.items()]
    table("Webhook endpoint", rows, base=BARE)
    Event.objects.all().delete()
    Mailbox.objects.all().delete()
    current_app.control.purge()


if __name__ == "__main__":
    main()
