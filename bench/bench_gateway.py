"""Benchmark of `gateway.call`: its cost over a bare httpx2 client with a pooled connection, and the vendor's SDK.

One caller sends one request after the other over one connection. All three call the same local server in the same run,
in interleaved rounds. Bare: the request, the response and its JSON. Gateway: the credential from PostgreSQL, unsealed;
a permit from Redis and its settlement; the checks; the statistics. The official SDK (`gohighlevel-api-client`,
asynchronous) is measured where `make fidelity` has installed it, or where GOHIGHLEVEL_SDK_PYTHON names an interpreter
that has it. It has a static token, its cheapest way: no storage, no refresh, no quota.

It runs against two servers. One answers at once, which shows the cost itself. The other takes 50 ms, still twice as
fast as any API across the Internet, which shows how much of the cost a caller would notice. Only there the CPU time is
judged, by the median of its rounds against that of the bare client.
"""

from __future__ import annotations

import asyncio
import json
import sys

ANSWER = json.dumps(
    {
        "contact": {
            "id": "ocQHyuzHvysMo5N5VsXc",
            "locationId": "ve9EPM428h8vShlRW1KT",
            "email": "ann@example.com",
            "customFields": [{"id": f"field{index}", "value": "some text of a form"} for index in range(20)],
            "tags": ["customer", "newsletter"],
        },
        "traceId": "c667b18d-8f5e-45c9-a914-aaaaaaaaaaaa",
    }
).encode()
HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-RateLimit-Max: 1000\r\nX-RateLimit-Remaining: 999\r\n"
    "X-RateLimit-Interval-Milliseconds: 1000\r\nX-RateLimit-Limit-Daily: 200000\r\n"
    f"X-RateLimit-Daily-Remaining: 199999\r\nContent-Length: {len(ANSWER)}\r\n\r\n"
).encode()


class Server(asyncio.Protocol):
    """HTTP server: gives every request without a body the same response, after a delay."""

    def __init__(self, delay: float) -> None:
        self.delay = delay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.received = transport, b""

    def data_received(self, data: bytes) -> None:
        """Send a response for every request in the data."""
        self.received += data
        while b"\r\n\r\n" in self.received:
            self.received = self.received.partition(b"\r\n\r\n")[2]
            if self.delay:
                asyncio.get_running_loop().call_later(self.delay, self.transport.write, HEAD + ANSWER)
            else:
                self.transport.write(HEAD + ANSWER)


async def serve(delay: float) -> None:
    """Serve until killed; print the URL first."""
    server = await asyncio.get_running_loop().create_server(lambda: Server(delay), "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


# The server runs in a separate process, which needs none of the imports below.
if __name__ == "__main__" and sys.argv[1:2] == ["serve"]:
    asyncio.run(serve(float(sys.argv[2])))

from bench.bounds import Bounds  # noqa: E402
from bench.setup import prepare  # noqa: E402

prepare()

import os  # noqa: E402 - the settings of what follows are made by prepare()
import statistics  # noqa: E402
import subprocess  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from contextlib import ExitStack, contextmanager  # noqa: E402
from dataclasses import dataclass, field  # noqa: E402
from pathlib import Path  # noqa: E402

import httpx2  # noqa: E402

from integrations.core import clock  # noqa: E402
from integrations.core.secret import Secret  # noqa: E402
from integrations.gateway import client  # noqa: E402
from integrations.highlevel.oauth.grants import Grant  # noqa: E402
from integrations.quota.permits.lanes import Lane  # noqa: E402
from integrations.tenants.models import App  # noqa: E402
from integrations.tokens import store  # noqa: E402

LOCATION, TOKEN = "ve9EPM428h8vShlRW1KT", "a-token-of-the-length-that-the-vendor's-have-" * 20
TOKEN = TOKEN.replace("'", "")
BARE, GATEWAY, SDK = "bare httpx2", "gateway.call", "official SDK"
ROUNDS = 7
MOST_CPU = 1.5  # times that of the bare client, at 50 ms

# Runs under another interpreter: reads a number of calls, writes their latencies and the CPU they took.
SDK_PROGRAM = """
import asyncio, json, sys, time
from highlevel import HighLevel
HighLevel.BASE_URL = sys.argv[1]

async def main():
    api = HighLevel(private_integration_token=sys.argv[2])
    for line in sys.stdin:
        latencies, cpu = [], time.process_time()
        for _ in range(int(line)):
            started = time.perf_counter()
            await api.contacts.get_contact("ocQHyuzHvysMo5N5VsXc")
            latencies.append(time.perf_counter() - started)
        print(json.dumps([latencies, time.process_time() - cpu]), flush=True)

asyncio.run(main())
"""

Round = tuple[list[float], float]  # latencies, and the CPU time of all calls, in seconds


@dataclass
class Seen:
    """The latencies and the CPU time of one client, over all rounds."""

    latencies: list[float] = field(default_factory=list)
    rounds: list[float] = field(default_factory=list)  # CPU time per call of each round, in seconds

    def add(self, latencies: list[float], cpu: float) -> None:
        """Add one round."""
        self.latencies += latencies
        self.rounds.append(cpu / len(latencies))

    @property
    def p50(self) -> float:
        """Median latency in milliseconds."""
        return statistics.median(self.latencies) * 1000

    @property
    def cpu_each(self) -> float:
        """CPU time per call in milliseconds: the median of the rounds, so that one with noise does not count."""
        return statistics.median(self.rounds) * 1000


@contextmanager
def serving(delay: float) -> Iterator[str]:
    """Run the server in another process; yields its URL."""
    command = [sys.executable, "-m", "bench.bench_gateway", "serve", str(delay)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def timed(work: Callable[[], object]) -> Callable[[int], Round]:
    """A function that runs `work` a number of times and measures each run."""

    def run(calls: int) -> Round:
        latencies, cpu = [], time.process_time()
        for _ in range(calls):
            started = time.perf_counter()
            work()
            latencies.append(time.perf_counter() - started)
        return latencies, time.process_time() - cpu

    return run


@contextmanager
def bare(url: str) -> Iterator[Callable[[int], Round]]:
    """The bare client; yields its measured call."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Version": "2021-07-28", "Accept": "application/json"}
    with httpx2.Client(headers=headers) as pooled:
        yield timed(lambda: pooled.get(f"{url}/contacts/ocQHyuzHvysMo5N5VsXc").json())


@contextmanager
def gateway(url: str) -> Iterator[Callable[[int], Round]]:
    """The gateway with one installed location; yields its measured call."""
    app = App.objects.create(
        name="bench",
        client_id=f"bench-{url}",
        highlevel_id="bench",
        api_url=url,
        marketplace_url=url,
        client_secret_sealed=b"-",
        created_at=clock.now(),
    )
    scopes = frozenset({"contacts.readonly", "contacts.write", "locations.readonly"})
    grant = Grant(Secret(TOKEN), Secret("refresh"), 86_399, scopes, "Location", location_id=LOCATION)
    store.save_grant(store.location(app, LOCATION), grant, now=clock.now())
    params = {"contactId": "ocQHyuzHvysMo5N5VsXc"}
    yield timed(
        lambda: (
            client.call("contacts.get-contact", app=app, location=LOCATION, params=params, lane=Lane.INTERACTIVE).json
        )
    )


def sdk_python() -> str:
    """The interpreter that has the official SDK; empty without one."""
    installed = Path(".hlapp/fidelity/python/bin/python").absolute()
    return os.environ.get("GOHIGHLEVEL_SDK_PYTHON") or (str(installed) if installed.exists() else "")


@contextmanager
def sdk(url: str, python: str) -> Iterator[Callable[[int], Round]]:
    """The official SDK in its own interpreter; yields its measured call."""
    process = subprocess.Popen(
        [python, "-c", SDK_PROGRAM, url, TOKEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def run(calls: int) -> Round:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{calls}\n")
        process.stdin.flush()
        latencies, cpu = json.loads(process.stdout.readline())
        return latencies, cpu

    try:
        yield run
    finally:
        process.kill()
        process.communicate()


def measure(delay: float, calls: int) -> dict[str, Seen]:
    """Run all clients in interleaved rounds of `calls` each, against a server with this delay."""
    with ExitStack() as stack:
        url = stack.enter_context(serving(delay))
        runs = {BARE: stack.enter_context(bare(url)), GATEWAY: stack.enter_context(gateway(url))}
        if python := sdk_python():
            runs[SDK] = stack.enter_context(sdk(url, python))
        for run in runs.values():
            run(10)  # connections, plans, imports, the governor's probe
        seen = {name: Seen() for name in runs}
        for _ in range(ROUNDS):
            for name, run in runs.items():
                seen[name].add(*run(calls))
    return seen


def report(title: str, seen: dict[str, Seen]) -> None:
    """Print a table with the ratio of each client to the bare one."""
    sys.stdout.write(f"\n{title}\n  {'':<20}{'p50':>10}{'':>8}{'CPU each':>12}\n")
    against = seen[BARE]
    for name, found in seen.items():
        sys.stdout.write(
            f"  {name:<20}{found.p50:>7.2f} ms{found.p50 / against.p50:>7.2f}"
            f"{found.cpu_each:>9.2f} ms{found.cpu_each / against.cpu_each:>7.2f}\n"
        )


def main() -> None:
    """Measure both delays, and judge the second."""
    report("Gateway, server answers at once", measure(0.0, calls=150))
    far = measure(0.05, calls=20)
    report("Gateway, server answers in 50 ms", far)
    if not sdk_python():
        sys.stdout.write(
            "  official SDK: not measured; `make fidelity` installs it, GOHIGHLEVEL_SDK_PYTHON names another one\n"
        )
    bounds = Bounds()
    bounds.judge("the CPU time of gateway.call over bare httpx2", far[GATEWAY].cpu_each / far[BARE].cpu_each, MOST_CPU)
    bounds.finish()


if __name__ == "__main__":
    main()
