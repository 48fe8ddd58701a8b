"""Benchmark of webhooks, acceptance and handling, side by side with the bare work.

Acceptance: gunicorn as the README starts it, eight clients, `bare_webhooks` beside this project. Handling: events
of one mailbox through the handler of the synced copy, against a loop that writes the record and marks the event in one
transaction per event. Rounds are interleaved and medians count, so that other load on the machine hits all rows alike.
Each figure is events per second; the last column is the cost in bare works. Fails when an accepted or a handled event
costs more bare works than `MOST_ACCEPT` or `MOST_HANDLE`.
"""

from __future__ import annotations

from bench.setup import prepare

prepare()

import base64  # noqa: E402 - the settings of what follows are made by prepare()
import itertools  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import socket  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator, Sequence  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from urllib.parse import urlsplit, urlunsplit  # noqa: E402

import psycopg  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: E402
from django.db import connection  # noqa: E402

from bench.bench_webhooks import bare_webhooks  # noqa: E402
from bench.bounds import Bounds  # noqa: E402
from integrations.core import clock  # noqa: E402
from integrations.sync.models import Plan, Record  # noqa: E402
from integrations.sync.signed import plan_macs  # noqa: E402
from integrations.tenants import marketplace  # noqa: E402
from integrations.webhooks import event_mac, mailbox  # noqa: E402
from integrations.webhooks.models import Event, Mailbox  # noqa: E402

ROUNDS, PER_ROUND, CLIENTS = 7, 600, 8
HANDLED = 1_000
MOST_ACCEPT, MOST_HANDLE = 1.7, 2.0
VENDOR = Ed25519PrivateKey.generate()
PEM = VENDOR.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
BARE_ACCEPT, BARE_HANDLE = "bare: verify + one INSERT, no Django", "bare: upsert + mark, a transaction per event"
_GUNICORN = "--workers 1 --keep-alive 30 --log-level error"
_RECORD = """
CREATE TABLE bench_record (app int, location text, resource text, record_id text, payload jsonb, version_at timestamptz,
                           PRIMARY KEY (app, location, resource, record_id))
"""
_UPSERT = """
INSERT INTO bench_record VALUES (1, 'busy', 'contacts', %s, %s, %s)
ON CONFLICT (app, location, resource, record_id) DO UPDATE SET
    payload = bench_record.payload || EXCLUDED.payload, version_at = EXCLUDED.version_at
WHERE EXCLUDED.version_at >= bench_record.version_at
"""
_number = itertools.count()


@dataclass(frozen=True)
class Endpoint:
    """A running web server, and the path that takes its webhooks."""

    port: int
    path: str
    expected: bytes = b"200"

    def request(self, body: bytes, signature: str) -> bytes:
        """The bytes of one POST."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: app.example.com\r\nContent-Type: application/json\r\n"
            f"X-GHL-Signature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def event(tenant: str = "busy", number: int | None = None) -> tuple[bytes, str]:
    """A ContactUpdate of about 1.5 kB, the size of the vendor's own, and its signature."""
    number = next(_number) if number is None else number
    payload = {
        "type": "ContactUpdate",
        "locationId": tenant,
        "companyId": "bench",
        "webhookId": f"bench-{number}",
        "timestamp": "2026-03-30T05:57:15.000Z",
        "id": f"contact{number % 500}",
        "email": f"person{number}@example.com",
        "customFields": [{"id": f"field{index}", "value": "some text of a form"} for index in range(20)],
        "tags": ["customer", "newsletter"],
    }
    raw = json.dumps(payload).encode()
    return raw, base64.b64encode(VENDOR.sign(raw)).decode()


def database_url() -> str:
    """The URL of the benchmark's database."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))


@contextmanager
def served(application: str, path: str, ready: str, *options: str) -> Iterator[Endpoint]:
    """Run gunicorn with the application until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "HIGHLEVEL_WEBHOOK_KEYS": PEM,
        "BARE_DATABASE": database_url(),
        "BARE_KEY": PEM,
    }
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        application,
        "--bind",
        f"127.0.0.1:{port}",
        *_GUNICORN.split(),
        *options,
    ]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        endpoint = Endpoint(port, path)
        _wait_for(port)
        post(Endpoint(port, ready), [event("warm-up")] * 200)
        yield endpoint
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def post(endpoint: Endpoint, calls: Sequence[tuple[bytes, str]]) -> float:
    """Post all with `CLIENTS` kept-alive connections. Returns posts per second; RuntimeError for another status."""
    requests = [endpoint.request(*call) for call in calls]
    shares = [requests[index::CLIENTS] for index in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        started = time.perf_counter()
        for future in [pool.submit(_post_share, endpoint, share) for share in shares]:
            future.result()
        return len(calls) / (time.perf_counter() - started)


def _post_share(endpoint: Endpoint, requests: Sequence[bytes]) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=60) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in requests:
            line.sendall(request)
            answer = line.recv(65536)
            while b"}" not in answer and b"Content-Length: 0" not in answer:
                answer += line.recv(65536)
            if answer.split(b" ", 2)[1] != endpoint.expected:
                raise RuntimeError(f"{endpoint.path} answered {answer[:200]!r}")


def accept(bare: Endpoint, ours: Endpoint) -> dict[str, list[float]]:
    """Rates of the endpoint's kinds of deliveries, by row."""
    known = event()
    post(ours, [known])
    refused = Endpoint(ours.port, ours.path, b"401")
    works: dict[str, tuple[Endpoint, Callable[[int], tuple[bytes, str]]]] = {
        BARE_ACCEPT: (bare, lambda _: event()),
        "stored, of one tenant": (ours, lambda _: event()),
        "stored, of 500 tenants": (ours, lambda index: event(f"tenant{index % 500}")),
        "stored, of new tenants": (ours, lambda _: event(f"new{next(_number)}")),
        "known already": (ours, lambda _: known),
        "with a wrong signature": (refused, lambda _: (event()[0], known[1])),
    }
    rates: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, (endpoint, make) in works.items():
            rates[name].append(post(endpoint, [make(index) for index in range(PER_ROUND)]))
    return rates


def handle() -> dict[str, list[float]]:
    """Rates of handling the events of one mailbox, by row."""
    app = marketplace.default()
    plan_macs.signed(Plan(app=app, location_id="busy", resource="contacts", created_at=clock.now())).save()
    rates: dict[str, list[float]] = {BARE_HANDLE: [], "ContactUpdates of one mailbox": []}
    with psycopg.connect(database_url(), autocommit=True) as bare:
        bare.execute(_RECORD)
        for _ in range(ROUNDS):
            rates[BARE_HANDLE].append(_handle_bare(bare))
            rates["ContactUpdates of one mailbox"].append(_handle_ours(app.pk))
        bare.execute("DROP TABLE bench_record")
    return rates


def _handle_bare(bare: psycopg.Connection[tuple[object, ...]]) -> float:
    bare.execute("TRUNCATE bench_bare")
    texts = [event()[0].decode() for _ in range(HANDLED)]
    for text in texts:
        bare.execute(
            "INSERT INTO bench_bare (app, webhook_id, received_at, payload) VALUES (1, %s, now(), %s)",
            [json.loads(text)["webhookId"], text],
        )
    started = time.perf_counter()
    now = clock.now()
    pending = bare.execute("SELECT id, payload FROM bench_bare WHERE status = 'pending' ORDER BY id").fetchall()
    for row, payload in pending:
        assert isinstance(payload, dict)
        with bare.transaction():
            bare.execute(_UPSERT, [payload["id"], json.dumps(payload), now], prepare=True)
            bare.execute("UPDATE bench_bare SET status = 'done' WHERE id = %s", [row], prepare=True)
    return HANDLED / (time.perf_counter() - started)


def _handle_ours(app_id: int) -> float:
    Event.objects.all().delete()
    Mailbox.objects.all().delete()
    now = clock.now()
    box = Mailbox.objects.create(app_id=app_id, tenant="location:busy", due_at=now)
    fields = {"app_id": app_id, "mailbox": box, "type": "ContactUpdate", "received_at": now, "due_at": now}
    payloads = [json.loads(event()[0]) for _ in range(HANDLED)]
    event_mac.sign(
        Event.objects.bulk_create(
            Event(**fields, webhook_id=payload["webhookId"], occurred_at=now, payload=payload) for payload in payloads
        )
    )
    started, settled = time.perf_counter(), 0
    while settled < HANDLED:
        settled += mailbox.drain(box.pk)
    took = time.perf_counter() - started
    if Record.objects.count() != 500 or Event.objects.exclude(status="done").exists():
        raise RuntimeError("not every event was handled")
    return HANDLED / took


def show(title: str, rates: dict[str, list[float]], base: str) -> dict[str, float]:
    """Print the medians, each with its cost in bare works (1.00). Returns the costs by row."""
    medians = {name: statistics.median(found) for name, found in rates.items()}
    costs = {name: medians[base] / rate for name, rate in medians.items()}
    sys.stdout.write(f"\n{title}\n")
    for name, rate in medians.items():
        sys.stdout.write(f"  {name:<48}{rate:>10,.0f} /s{costs[name]:>8.2f}\n")
    return costs


def main() -> None:
    """Measure all rows, print both tables, and judge the costs."""
    with psycopg.connect(database_url(), autocommit=True) as bare:
        bare.execute(bare_webhooks.TABLE)
    with (
        served(f"{bare_webhooks.__name__}:application", "/", "/", "--worker-class", "gthread") as bare_endpoint,
        served("hlapp.wsgi", "/webhooks/", "/webhooks/") as ours,
    ):
        accepted = show("Webhooks accepted (gunicorn, 8 threads)", accept(bare_endpoint, ours), BARE_ACCEPT)
    if Event.objects.exclude(mailbox__tenant="location:warm-up").count() != 3 * ROUNDS * PER_ROUND + 1:
        raise RuntimeError("what is stored is not one event for each")
    handled = show("Webhooks handled (one worker thread)", handle(), BARE_HANDLE)
    bounds = Bounds()
    for costs, most in ((accepted, MOST_ACCEPT), (handled, MOST_HANDLE)):
        for name, cost in costs.items():
            bounds.judge(f"{name}, in bare works", cost, most)
    bounds.finish()


if __name__ == "__main__":
    main()
