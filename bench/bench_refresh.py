"""Benchmark of refreshes: ten thousand due tokens, against bare httpx2 with the same requests and parallelism.

The token endpoint takes 50 ms and runs in a separate process. Bare is the unavoidable work: one POST with the same
form, the response parsed as JSON, on as many threads with a pool of as many connections. Ours is `refresh` as a worker
calls it: read, claim, unseal, call, seal, swap. `--tokens`, `--threads`.
"""

from __future__ import annotations

from bench.setup import prepare

prepare()

import argparse  # noqa: E402 - the settings of what follows are made by prepare()
import asyncio  # noqa: E402
import multiprocessing  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections import deque  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from functools import partial  # noqa: E402
from typing import Any  # noqa: E402

import httpx2  # noqa: E402
from aiohttp import web  # noqa: E402
from django.db import connection  # noqa: E402

from bench.setup import table  # noqa: E402
from integrations.core import clock  # noqa: E402
from integrations.core.secret import Secret  # noqa: E402
from integrations.highlevel.oauth.grants import Grant  # noqa: E402
from integrations.tenants import marketplace  # noqa: E402
from integrations.tenants.models import App  # noqa: E402
from integrations.tokens import store  # noqa: E402
from integrations.tokens.models import Credential  # noqa: E402
from integrations.tokens.refresh.claim_call_swap import refresh  # noqa: E402

LATENCY = 0.05
ROUNDS = 5  # of both in turn, so that other load on the machine hits both alike
TOKEN = "eyJhbGciOiJSUzI1NiJ9." + "x" * 900  # as long as the vendor's
BARE, OURS = "bare httpx2", "tokens.refresh"


def endpoint(port: Any) -> None:
    """A token endpoint in a forked process (a spawned one would run `prepare` again): answers late, and counts."""
    count = 0

    async def token(request: web.Request) -> web.Response:
        nonlocal count
        form = await request.post()
        await asyncio.sleep(LATENCY)
        count += 1
        return web.json_response(
            {
                "access_token": TOKEN,
                "token_type": "Bearer",
                "expires_in": 86_399,
                "refresh_token": str(form["refresh_token"])[:40] + f".{count}",
                "scope": "contacts.readonly contacts.write",
                "userType": "Location",
                "companyId": "company",
            }
        )

    async def show_count(_: web.Request) -> web.Response:
        return web.json_response(count)

    async def serve() -> None:
        app = web.Application()
        app.add_routes([web.post("/oauth/token", token), web.get("/count", show_count)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(serve())


@contextmanager
def vendor() -> Iterator[str]:
    """Run the token endpoint; yields its URL."""
    mine, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=endpoint, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{mine.recv()}"
    finally:
        process.kill()


def credentials(url: str, count: int) -> list[int]:
    """Create `count` due credentials of one app. Returns their ids."""
    app = App(name="bench", client_id="bench-1", highlevel_id="bench", api_url=url, created_at=clock.now())
    marketplace.set_secrets(app, client_secret=Secret("s"), shared_secret=None)
    app.save()
    now = clock.now()
    grant = Grant(Secret(TOKEN), Secret("first"), 86_399, frozenset(), "Location")
    rows = Credential.objects.bulk_create(
        Credential(app=app, user_type="Location", resource_id=f"location{n}", generation=0, created_at=now)
        for n in range(count)
    )
    for row in rows:
        store.replace_token_pair(row, grant, now=now)
    Credential.objects.update(refresh_due_at=now)
    return [row.pk for row in rows]


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall seconds and CPU seconds of this process."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - used


def peak() -> float:
    """The peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bare(client: httpx2.Client, url: str, count: int, pool: ThreadPoolExecutor) -> None:
    """Send `count` token requests with the bare client."""

    def post(_: int) -> None:
        form = {
            "grant_type": "refresh_token",
            "client_id": "bench-1",
            "client_secret": "s",
            "refresh_token": "first",
            "user_type": "Location",
        }
        answer = client.post(f"{url}/oauth/token", data=form)
        assert answer.json()["access_token"] == TOKEN

    deque(pool.map(post, range(count)), maxlen=0)


def ours(ids: list[int], pool: ThreadPoolExecutor) -> None:
    """Refresh the credentials as a worker does."""
    deque(pool.map(refresh, ids), maxlen=0)


def main() -> None:
    """Measure both, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=16)
    asked = parser.parse_args()
    with vendor() as url:
        ids = credentials(url, asked.tokens)
        before = peak()
        spent: dict[str, list[tuple[float, float]]] = {BARE: [], OURS: []}
        limits = httpx2.Limits(max_connections=asked.threads, max_keepalive_connections=asked.threads)
        with ThreadPoolExecutor(asked.threads) as pool, httpx2.Client(limits=limits) as client:
            for part in range(ROUNDS):
                share = ids[part::ROUNDS]
                spent[BARE].append(timed(partial(bare, client, url, len(share), pool)))
                spent[OURS].append(timed(partial(ours, share, pool)))
        requests = httpx2.get(f"{url}/count").json()
    refreshed = Credential.objects.filter(generation=2, failures=0, lease_until__isnull=True).count()
    if refreshed != asked.tokens or requests != 2 * asked.tokens:
        raise RuntimeError(f"{refreshed} refreshed by {requests - asked.tokens} requests, not {asked.tokens}")
    what = f"{asked.tokens:,} due tokens, endpoint of {LATENCY * 1000:.0f} ms, {asked.threads} threads"
    for title, index in (("time", 0), ("CPU of this process", 1)):
        rows = [(name, sum(pair[index] for pair in pairs) * 1000, "ms") for name, pairs in spent.items()]
        table(f"{what}: {title}", rows, base=BARE)
    sys.stdout.write(f"  one request for each token; peak memory {before:.0f} MB before, {peak():.0f} MB after\n")
    connection.close()


if __name__ == "__main__":
    main()
