"""Benchmark of the operators' pages on a large deployment: milliseconds, queries and kilobytes of each page.

    python -m bench.bench_console                 a hundredth of the full size
    python -m bench.bench_console --size 1        3,000 tenants, 10 million records (`bench.data.console_data`); 15 GB
    python -m bench.bench_console --keep          the database stays, and the next `--keep` uses it again
    python -m bench.bench_console --keep sync/    only the pages whose addresses have this text

Each page is asked for as an operator's browser does, through all of Django in this process: every page of the URL
configuration (`bench.data.console_pages`), and lists with the filters and searches below. What a page can cost at
least is the first line: the same frame around an empty list.

At size 1 a page may take 300 ms at most, and the search 100 ms in SQL; another `--limit MILLISECONDS` is judged at any
size. A page above its bound ends the benchmark as a failure, once all are measured.
"""

from __future__ import annotations

import argparse
import os

from bench.setup import prepare, work_as_the_web_does


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.bench_console")
    parser.add_argument("only", nargs="?", default="", help="text of addresses")
    parser.add_argument("--size", type=float, default=0.01)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--limit", type=float, help="milliseconds; 300 at size 1 unless given, none at another size")
    parser.add_argument("--slowest", type=int, default=0, help="print so many of the slowest queries of each page")
    return parser.parse_args()


ARGUMENTS = _arguments()
IS_NEW = prepare("hlapp_bench_console", keep=ARGUMENTS.keep)

import statistics  # noqa: E402 - the settings of what follows are made by prepare()
import sys  # noqa: E402
import time  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from typing import Any  # noqa: E402

from django.contrib.auth.models import User  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from bench.bounds import Bounds  # noqa: E402
from bench.data import console_data, console_pages  # noqa: E402
from bench.data.console_data import Sizes, company, location  # noqa: E402
from bench.data.console_pages import ConsolePages  # noqa: E402
from integrations.operators.rights import rights_seal  # noqa: E402
from integrations.sync.models import Record, Run  # noqa: E402
from integrations.tenants import marketplace  # noqa: E402
from integrations.webhooks.models import Event  # noqa: E402

REPEATS = 5
MOST_MS, MOST_SEARCH_MS = 300.0, 100.0  # at size 1, on 2 cores
EMPTY = "core/bulkaction/"  # nobody has asked for an action over many rows
SEARCH = "search/?extended=1&s="
NAME = "benchmark"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one page took: the median of several requests, and its queries."""

    page: str
    ms: float
    database_ms: float
    queries: int
    kilobytes: float
    slowest: list[str]


SEARCHED = (
    "tenants/installation",
    "tokens/credential",
    "sync/plan",
    "sync/run",
    "sync/record",
    "jobs/run",
    "webhooks/event",
    "gateway/call",
)


def pages() -> ConsolePages:
    """Addresses below `/admin/`: every page, then lists as operators filter and search them."""
    place, agency = location(7), company(7)
    values = {
        "tenants_location_change": place,
        "tenants_company_change": agency,
        "quota_resource": f"{marketplace.default().client_id}:{place}",
        "gateway_explore_operation": "contacts.get-contact",
        "app_list": "tenants",
    }
    found = console_pages.find(values)
    texts = (place, "Studio+70", "john.deo.123@", "deo+123", "%2B10000000123", "webhook-77", "trace-5", "get-contact")
    found.addresses += [
        *(f"{name}/?q={place}" for name in SEARCHED),
        *(last_page(name) for name in ("sync/record", "sync/run", "webhooks/event")),
        "sync/run/?q=Studio+7",
        "sync/run/?status__exact=failed",
        "sync/run/?plan__resource__exact=contacts",
        "sync/run/?kind__exact=full",
        "sync/record/?resource=contacts",
        "sync/record/?resource=opportunities&deleted_at__isempty=1",
        "sync/record/?q=record00000000000123",
        "jobs/run/?schedule__job__exact=app.report",
        "jobs/run/?status__exact=complete",
        "webhooks/event/?status__exact=poisoned",
        "webhooks/event/?status__exact=done",
        "webhooks/event/?type=ContactCreate",
        "webhooks/event/?o=-6.1",
        "gateway/call/?code=server_fault",
        "gateway/call/?since=day",
        f"core/auditentry/?q=Location:{place}",
        "core/auditentry/?action=job.asked",
        *(f"gateway/usage/?span={span}" for span in ("hour", "day", "week", "month")),
        f"gateway/usage/?span=month&resource_id={place}",
        *(f"{SEARCH}{text}" for text in texts),
    ]
    return found


def last_page(name: str) -> str:
    """The address of the last page of a list that is counted."""
    rows: Any = {"sync/record": Record, "sync/run": Run, "webhooks/event": Event}[name]
    return f"{name}/?p={(min(10_000, rows.objects.count()) - 1) // 25 + 1}"


def cost(client: Client, page: str) -> Cost:
    """Ask for the page several times. Raises AssertionError for an answer other than 200."""
    url = f"/admin/{page}"
    with CaptureQueriesContext(connection) as asked:
        answer = client.get(url)
    ranked = sorted(asked.captured_queries, key=lambda query: -float(query["time"]))  # the next request clears them
    assert answer.status_code == 200, (url, answer.status_code)
    found = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        client.get(url)
        found.append((time.perf_counter() - started) * 1000)
    return Cost(
        page=page or "(dashboard)",
        ms=statistics.median(found),
        database_ms=1000 * sum(float(query["time"]) for query in ranked),
        queries=len(ranked),
        kilobytes=len(answer.content) / 1024,
        slowest=[f"{query['time']} s  {query['sql'][:600]}" for query in ranked[: ARGUMENTS.slowest]],
    )


def signed_in() -> Client:
    """A client of an operator with all permissions."""
    user = User.objects.filter(username=NAME).first() or User.objects.create_superuser(NAME)
    rights_seal.seal(user)
    client = Client()
    client.force_login(user)
    return client


def main() -> None:
    """Make the data, ask for each page, print the table."""
    if IS_NEW:
        sys.stdout.write(f"Console: making {Sizes.scaled(ARGUMENTS.size)}\n")
        console_data.make(Sizes.scaled(ARGUMENTS.size))
    work_as_the_web_does()
    client = signed_in()
    found = pages()
    chosen = [EMPTY, *(page for page in found.addresses if ARGUMENTS.only in page and page != EMPTY)]
    client.get(f"/admin/{EMPTY}")  # templates are compiled once
    base = cost(client, EMPTY)
    head = f"  {'page of /admin/':<62}{'ms':>8}{'× empty':>9}{'in SQL':>9}{'queries':>9}{'kB':>7}\n"
    sys.stdout.write(f"\nPages of the console, {os.cpu_count()} cores\n{head}")
    costs = []
    for page in chosen:
        costs.append(one := cost(client, page))
        line = f"  {one.page:<62}{one.ms:>8.0f}{one.ms / base.ms:>9.1f}{one.database_ms:>9.0f}{one.queries:>9}"
        sys.stdout.write(f"{line}{one.kilobytes:>7.0f}\n" + "".join(f"      {query}\n" for query in one.slowest))
        sys.stdout.flush()
    if found.without_rows:
        sys.stdout.write(f"  left out, because these have no row: {', '.join(found.without_rows)}\n")
    judge(costs)


def judge(costs: list[Cost]) -> None:
    """Compare the pages with their bounds. Raises SystemExit for one above it."""
    most = ARGUMENTS.limit or (MOST_MS if ARGUMENTS.size >= 1 else 0.0)
    if not most:
        return
    bounds = Bounds()
    for one in costs:
        bounds.judge(f"{one.page}, milliseconds", one.ms, most)
        if one.page.startswith(SEARCH) and ARGUMENTS.size >= 1:
            bounds.judge(f"{one.page}, milliseconds in SQL", one.database_ms, MOST_SEARCH_MS)
    bounds.finish()


if __name__ == "__main__":
    main()
