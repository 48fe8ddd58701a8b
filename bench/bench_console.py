"""Benchmark of the operators' pages on a large deployment: milliseconds, queries and kilobytes of each page.

    python -m bench.bench_console                 a hundredth of the full size
    python -m bench.bench_console --size 1        3,000 tenants, 10 million records (`bench.data.console_data`); 15 GB
    python -m bench.bench_console --keep          the database stays, and the next `--keep` uses it again
    python -m bench.bench_console --keep sync/    only the pages whose addresses have this text

Each page is asked for as an operator's browser does, through all of Django in this process. What a page can cost at
least is the first line: the same frame around an empty list. A page above the limit ends the benchmark as a failure
with `--limit MILLISECONDS`.
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
    parser.add_argument("--limit", type=float, default=0.0)
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

from bench.data import console_data  # noqa: E402
from bench.data.console_data import Sizes, company, location  # noqa: E402
from integrations.core.models import AuditEntry  # noqa: E402
from integrations.gateway.models import Call  # noqa: E402
from integrations.jobs.models import Run as JobRun  # noqa: E402
from integrations.operators.rights import rights_seal  # noqa: E402
from integrations.sync.models import Plan, Record, Run  # noqa: E402
from integrations.tenants.models import Installation  # noqa: E402
from integrations.tokens.models import Credential  # noqa: E402
from integrations.webhooks.models import Event  # noqa: E402

REPEATS = 5
EMPTY = "core/bulkaction/"  # nobody has asked for an action over many rows
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


def pages() -> list[str]:
    """Addresses below `/admin/`, as operators use them."""
    place, agency = location(7), company(7)
    details = {
        "tenants/installation": Installation,
        "tokens/credential": Credential,
        "sync/plan": Plan,
        "sync/run": Run,
        "sync/record": Record,
        "jobs/run": JobRun,
        "webhooks/event": Event,
        "gateway/call": Call,
        "core/auditentry": AuditEntry,
    }
    lists = [*details, "tenants/company", "tenants/location", "jobs/schedule", "jobs/jobstate", "jobs/trigger"]
    lists += ["jobs/write", "webhooks/mailbox", "webhooks/answers", "quota/parked", "tenants/installationchange"]
    searches = [f"{name}/?q={place}" for name in details if name not in ("core/auditentry",)]
    return [
        EMPTY,
        "",
        f"tenants/location/{place}/change/",
        f"tenants/company/{agency}/change/",
        *(f"{name}/" for name in lists),
        *searches,
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
        "quota/usage/",
        "core/workerprocess/",
        *(f"search/?extended=1&s={text}" for text in (place, "Studio+70", "john.deo.123@", "webhook-77", "trace-5")),
        *(f"{name}/{pk}/change/" for name, model in details.items() for pk in [_middle(model)]),
    ]


def last_page(name: str) -> str:
    """The address of the last page of a list that is counted."""
    rows: Any = {"sync/record": Record, "sync/run": Run, "webhooks/event": Event}[name]
    return f"{name}/?p={(min(10_000, rows.objects.count()) - 1) // 25 + 1}"


def _middle(model: type) -> object:
    return model._default_manager.order_by("pk").values_list("pk", flat=True)[10]  # type: ignore[attr-defined] # noqa: SLF001


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
    chosen = [page for page in pages() if ARGUMENTS.only in page or page == EMPTY]
    client.get(f"/admin/{EMPTY}")  # templates are compiled once
    base = cost(client, EMPTY)
    head = f"  {'page of /admin/':<62}{'ms':>8}{'× empty':>9}{'in SQL':>9}{'queries':>9}{'kB':>7}\n"
    sys.stdout.write(f"\nPages of the console, {os.cpu_count()} cores\n{head}")
    late = []
    for page in chosen:
        one = cost(client, page)
        line = f"  {one.page:<62}{one.ms:>8.0f}{one.ms / base.ms:>9.1f}{one.database_ms:>9.0f}{one.queries:>9}"
        sys.stdout.write(f"{line}{one.kilobytes:>7.0f}\n" + "".join(f"      {query}\n" for query in one.slowest))
        sys.stdout.flush()
        late += [one.page] if ARGUMENTS.limit and one.ms > ARGUMENTS.limit else []
    if late:
        sys.exit(f"slower than {ARGUMENTS.limit:.0f} ms: {', '.join(late)}")


if __name__ == "__main__":
    main()
