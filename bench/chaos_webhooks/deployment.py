"""A web, two workers and beat on servers of their own, the stream of webhooks they get, and the harm done to them."""

from __future__ import annotations

import base64
import http.client
import json
import os
import queue
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import redis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hlapp import development, embedded
from hlapp.embedded.home import private_directory
from hlapp.supervisor.programs import Program

VENDOR = Ed25519PrivateKey.generate()
CLIENT_ID, CLIENT_SECRET = "66a0419a0dffa47fb5f8b22f-chaos001", "chaos-client-secret"
PORT = 8765
SENDERS = 16
BUSY_SHARE, DUPLICATES, SHUFFLED = 0.30, 0.20, 60.0
EVENTS_A_SECOND = 500  # of the vendor's time: how many deliveries lie within the shuffled minute
SLACK = 5.0  # seconds between a worker's look at the next events and the beginning of the transaction that handles them
FROZEN = 25.0  # seconds
WORKERS, THREADS = ("worker-killed", "worker-frozen"), 8
STARTED = datetime(2026, 5, 1, tzinfo=UTC)

Json = dict[str, Any]


@dataclass
class World:
    """What the vendor sends, in the order of its sending, and the truth it leaves behind."""

    bodies: list[bytes] = field(default_factory=list)
    distinct: int = 0
    truth: dict[tuple[str, str], Json | None] = field(default_factory=dict)  # None: deleted


def make(deliveries: int, tenants: int, dice: random.Random) -> World:
    """Draw the events of contacts: a creation, updates, and for some a deletion at the end."""
    world, stream = World(), []
    alive: dict[str, list[str]] = {}
    distinct = round(deliveries * (1 - DUPLICATES))
    for number in range(distinct):
        tenant = "busy" if dice.random() < BUSY_SHARE else f"location{dice.randrange(tenants - 1)}"
        contacts = alive.setdefault(tenant, [])
        at = STARTED + timedelta(seconds=number / EVENTS_A_SECOND)
        if not contacts or dice.random() < 0.2:
            contacts.append(f"{tenant}-{len(contacts)}-{number}")
            kind, contact = "ContactCreate", contacts[-1]
        else:
            contact = dice.choice(contacts)
            kind = "ContactDelete" if dice.random() < 0.05 else "ContactUpdate"
        fields = {"id": contact, "firstName": f"name {number}", "email": f"{number}@example.com", "tags": [str(number)]}
        if kind == "ContactDelete":
            contacts.remove(contact)
        world.truth[tenant, contact] = None if kind == "ContactDelete" else {**fields, "locationId": tenant}
        stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body = {"type": kind, "locationId": tenant, "webhookId": f"chaos-{number}", "timestamp": stamp, **fields}
        stream.append((number / EVENTS_A_SECOND, json.dumps(body).encode()))
    again = dice.choices(stream, k=deliveries - distinct)
    shuffled = sorted((at + dice.uniform(0, SHUFFLED), body) for at, body in [*stream, *again])
    world.bodies, world.distinct = [body for _, body in shuffled], distinct
    return world


class Sender:
    """Posts all bodies as fast as the web takes them. An answer of 429, or none, is repeated, as the vendor does.

    With several hosts each thread posts to one, and after no answer to the next, as a load balancer does. A thread
    waits for `pause` seconds before each delivery.
    """

    def __init__(
        self, world: World, hosts: Sequence[str] = ("127.0.0.1",), *, timeout: float = 30.0, pause: float = 0.0
    ) -> None:
        self.answers: Counter[str] = Counter()
        self._hosts, self._timeout, self._pause = hosts, timeout, pause
        self._left: queue.SimpleQueue[tuple[bytes, str]] = queue.SimpleQueue()
        for body in world.bodies:
            self._left.put((body, base64.b64encode(VENDOR.sign(body)).decode()))
        self._threads = [threading.Thread(target=self._send, args=(n,), daemon=True) for n in range(SENDERS)]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    @property
    def done(self) -> bool:
        """Whether all is sent."""
        return not any(thread.is_alive() for thread in self._threads)

    def _send(self, number: int) -> None:
        lines = [http.client.HTTPConnection(host, PORT, timeout=self._timeout) for host in self._hosts]
        with suppress(queue.Empty):
            while True:
                body, signature = self._left.get_nowait()
                time.sleep(self._pause)
                while (status := self._post(lines[number % len(lines)], body, signature)) in ("429", "no answer"):
                    number += 1
                    time.sleep(0.5)
                if status != "200":
                    sys.stdout.write(f"REFUSED with {status}: {body[:120]!r}\n")

    def _post(self, line: http.client.HTTPConnection, body: bytes, signature: str) -> str:
        try:
            line.request("POST", "/webhooks/", body, {"X-GHL-Signature": signature, "Content-Type": "application/json"})
            answer = line.getresponse()
            answer.read()
            status = str(answer.status)
        except (OSError, http.client.HTTPException):
            line.close()
            status = "no answer"
        self.answers[status] += 1
        return status


@dataclass
class Deployment:
    """The processes, their servers and what was seen of them. `chaos` runs until `ended` is set."""

    services: embedded.Services
    supervisor: Any
    directory: Path
    ended: threading.Event = field(default_factory=threading.Event)
    done: Counter[str] = field(default_factory=Counter)
    depths: list[int] = field(default_factory=list)
    memory: dict[str, list[int]] = field(default_factory=dict)

    def chaos(self, every: float, dice: random.Random) -> None:
        """Do harm every `every` seconds."""
        harms: list[Callable[[], None]] = [self._kill, self._freeze, self._restart_postgres, self._restart_valkey]
        while not self.ended.wait(every):
            harm = dice.choice(harms)
            harm()
            self.done[harm.__name__.strip("_").replace("_", " ")] += 1

    def watch_until(self, reached: Callable[[], bool], timeout: float) -> float:
        """Every second: start again what has ended, count messages in the broker, and weigh the processes.

        Returns the seconds until `reached`, or `timeout`. In the main thread, because the servers end with the thread
        that starts them.
        """
        began = time.monotonic()
        while not reached() and time.monotonic() - began < timeout:
            time.sleep(1.0)
            self.supervisor.look()
            with suppress(redis.RedisError):
                broker: Any = redis.Redis.from_url(os.environ["REDIS_URL"])
                names = [name for name in broker.keys("*:celery:*") if broker.type(name) in (b"list", b"hash")]
                queues = [name for name in names if name.endswith((b"urgent", b"api"))]
                self.depths.append(sum(int(broker.llen(name)) for name in queues))
            for name, process in self.supervisor.keepers.items():
                with suppress(Exception):
                    self.memory.setdefault(name, []).append(process.memory())
        return time.monotonic() - began

    def _kill(self) -> None:
        with suppress(ProcessLookupError, LookupError):
            os.kill(self.supervisor.keepers["worker-killed"].pid, signal.SIGKILL)

    def _freeze(self) -> None:
        with suppress(ProcessLookupError, LookupError):
            pid = self.supervisor.keepers["worker-frozen"].pid
            os.kill(pid, signal.SIGSTOP)
            threading.Thread(target=self._thaw, args=(pid,)).start()

    def _thaw(self, pid: int) -> None:
        self.ended.wait(FROZEN)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def _restart_postgres(self) -> None:
        lines = (self.directory / "postgres" / "data" / "postmaster.pid").read_text().splitlines()
        os.kill(int(lines[0]), signal.SIGINT)  # a fast shutdown; `watch_until` starts it again

    def _restart_valkey(self) -> None:
        with suppress(redis.RedisError):
            redis.Redis.from_url(os.environ["REDIS_URL"]).shutdown(nosave=True)


@contextmanager
def prepared(directory: Path, *hosts: str) -> Iterator[embedded.Services]:
    """A database with the tables, and the environment of the processes. `hosts` are the names of the web."""
    pem = VENDOR.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    os.environ.update(
        DJANGO_SETTINGS_MODULE="hlapp.settings",
        HIGHLEVEL_CLIENT_ID=CLIENT_ID,
        HIGHLEVEL_CLIENT_SECRET=CLIENT_SECRET,
        HIGHLEVEL_WEBHOOK_KEYS=pem,
        PUBLIC_URL="https://app.example.com",
        ALLOWED_HOSTS=",".join(hosts),
        LOG_LEVEL="ERROR",
    )
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)
    private_directory(directory)
    services = development.prepare(directory)
    assert services is not None
    os.environ["DEBUG"] = "false"
    import django  # noqa: PLC0415 - settings read the environment made above

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    call_command("migrate", verbosity=0, interactive=False)
    try:
        yield services
    finally:
        services.stop()


@contextmanager
def deployed(directory: Path) -> Iterator[Deployment]:
    """Web, workers and beat on a database with the tables."""
    from hlapp.supervisor import programs  # noqa: PLC0415
    from hlapp.supervisor.outputs import LogFiles  # noqa: PLC0415
    from hlapp.supervisor.supervisor import Supervisor  # noqa: PLC0415

    with prepared(directory, "127.0.0.1") as services:
        supervisor = Supervisor(dict(os.environ), LogFiles(directory / "logs"))
        supervisor.run(programs.web(f"127.0.0.1:{PORT}", processes=2))
        for name in WORKERS:
            supervisor.run(noting(programs.worker(name, "urgent,api", threads=THREADS)))
        supervisor.run(programs.beat(directory / "schedule"))
        try:
            yield Deployment(services, supervisor, directory)
        finally:
            supervisor.stop()


def noting(worker: Program) -> Program:
    """The worker with the handler that counts effects."""
    return replace(worker, argv=(*worker.argv, "-I", "bench.chaos_webhooks.chaos_effects"))


def prepare_tenants(world: World) -> None:
    """The table of effects; and each location is installed and has a plan without runs, so that contacts are kept."""
    from django.db import connection  # noqa: PLC0415

    from bench.chaos_webhooks.chaos_effects import TABLES  # noqa: PLC0415
    from integrations.core import clock  # noqa: PLC0415
    from integrations.core.tenant import UserType  # noqa: PLC0415
    from integrations.sync.models import Plan  # noqa: PLC0415
    from integrations.sync.signed import plan_macs  # noqa: PLC0415
    from integrations.tenants import marketplace  # noqa: PLC0415
    from integrations.tenants.models import Installation  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute(TABLES)
    app, now = marketplace.default(), clock.now()
    locations = {tenant for tenant, _ in world.truth}
    installed = {"status": Installation.Status.INSTALLED, "origin": Installation.Origin.APP}
    Installation.objects.bulk_create(
        Installation(app=app, user_type=UserType.LOCATION, resource_id=name, status_at=now, created_at=now, **installed)
        for name in sorted(locations)
    )
    Plan.objects.bulk_create(
        plan_macs.signed(Plan(app=app, location_id=name, resource="contacts", created_at=now))
        for name in sorted(locations)
    )
    connection.close()


def asked(statement: str) -> list[Any]:
    """The rows of a statement, when all harm is done."""
    with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5) as database:
        return database.execute(statement).fetchall()


def all_handled(distinct: int) -> bool:
    """Whether all events are stored and none is pending. False while the database is unavailable."""
    statement = "SELECT count(*), count(*) FILTER (WHERE status = 'pending') FROM webhooks_event"
    with suppress(psycopg.OperationalError), psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5) as database:
        return database.execute(statement).fetchone() == (distinct, 0)
    return False


def faults(world: World) -> Iterator[str]:
    """Everything that is wrong after the last event, in words."""
    [(stored, done)] = asked("SELECT count(*), count(*) FILTER (WHERE status = 'done') FROM webhooks_event")
    if (stored, done) != (world.distinct, world.distinct):
        yield f"{world.distinct:,} distinct events: {stored:,} stored, {done:,} done"
        yield from (
            str(row)
            for row in asked(
                "SELECT status, error_code, error, count(*) FROM webhooks_event WHERE status <> 'done' GROUP BY 1, 2, 3"
            )
        )
    many = asked(
        "SELECT e.webhook_id, count(x.event_id) FROM webhooks_event e LEFT JOIN chaos_effect x ON x.event_id = e.id"
        " GROUP BY 1 HAVING count(x.event_id) <> 1"
    )
    if many:
        yield f"{len(many):,} events without exactly one effect, such as {many[:3]}"
    inverted = asked(
        "WITH handled AS (SELECT payload->>'id' AS record, occurred_at, began, x.at, s.at AS stored_at"
        " FROM webhooks_event e JOIN chaos_effect x ON x.event_id = e.id JOIN chaos_stored s ON s.event_id = e.id)"
        " SELECT record, later.began - earlier.stored_at FROM handled AS earlier JOIN handled AS later USING (record)"
        " WHERE earlier.occurred_at < later.occurred_at AND earlier.at > later.at"
        f" AND earlier.stored_at < later.began - interval '{SLACK} s'"
    )
    if inverted:
        yield f"{len(inverted):,} events handled after a later one of the same record, such as {inverted[:3]}"
    copy = {
        (location, record): None if deleted else payload
        for location, record, payload, deleted in asked(
            "SELECT location_id, record_id, payload, deleted_at IS NOT NULL FROM sync_record"
        )
    }
    wrong = [key for key in world.truth.keys() | copy.keys() if world.truth.get(key, "none") != copy.get(key, "none")]
    if wrong:
        first = wrong[0]
        yield f"{len(wrong):,} of {len(world.truth):,} records differ, such as {first}:"
        yield f"  truth {world.truth.get(first, 'none')}\n  copy  {copy.get(first, 'none')}"


def wait_for_web(host: str = "127.0.0.1") -> None:
    """Until the web answers its readiness check."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(OSError, http.client.HTTPException):
            line = http.client.HTTPConnection(host, PORT, timeout=5.0)
            line.request("GET", "/readyz")
            if line.getresponse().status == 200:
                return
        time.sleep(0.2)
    raise SystemExit("the web does not come up: see its log")
