"""Terminal output of the demo: progress bars while it syncs, tables afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from integrations.demo import scenario
from integrations.demo.deployment import OPERATOR, RunningDemo
from integrations.quota.permits import queries as quota
from integrations.tenants.models import Installation

MEGABYTE = 1_000_000


class Bars:
    """One bar for each location, both resources together."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def show(self, now: scenario.SyncState) -> None:
        """Draw the bars as of `now`."""
        for key, row in now.vendor["locations"].items():
            total = sum(row[resource] for resource in scenario.RESOURCES)
            if key not in self._bars:
                self._bars[key] = self._progress.add_task(row["name"], total=total)
            done = sum(now.synced[key, resource] for resource in scenario.RESOURCES)
            self._progress.update(self._bars[key], completed=done, total=total)

    def print_line(self, text: str) -> None:
        """Print a line above the bars."""
        self._progress.console.print(text)


@contextmanager
def bars(console: Console) -> Iterator[Bars]:
    """Show progress bars inside the `with` block."""
    columns = (TextColumn("{task.description:<28.28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        yield Bars(progress)


def locations(now: scenario.SyncState) -> Table:
    """Table of record counts per location: synced here, present at the vendor."""
    table = Table(title="Records here / at the vendor", title_justify="left")
    table.add_column("Location", no_wrap=True)
    for resource in scenario.RESOURCES:
        table.add_column(resource.capitalize(), justify="right", no_wrap=True)
    table.add_column("")
    for key, row in now.vendor["locations"].items():
        pairs = [(now.synced[key, resource], row[resource]) for resource in scenario.RESOURCES]
        same = all(here == there for here, there in pairs)
        cells = [f"{here:,} / {there:,}" for here, there in pairs]
        table.add_row(row["name"], *cells, "[green]same[/]" if same else "[red]differs[/]")
    return table


def totals(demo: RunningDemo, now: scenario.SyncState, *, sync: float, changes: float) -> Table:
    """Table of totals. The sandbox counted the requests and refusals."""
    buckets = now.vendor["quota"].values()
    contacts = sum(count for (_, resource), count in now.synced.items() if resource == "contacts")
    theirs = sum(row["contacts"] for row in now.vendor["locations"].values())
    requests = sum(bucket["requests"] for bucket in buckets)
    refused = sum(bucket["rejected_429"] for bucket in buckets)
    table = Table(title="Totals", show_header=False, title_justify="left")
    table.add_row("Locations installed", f"{now.connected} of {len(now.vendor['locations'])}")
    table.add_row("Contacts synced", f"{contacts:,} of {theirs:,}")
    table.add_row("Requests within quota", f"{requests:,}")
    table.add_row("Refused with 429", f"[{'green' if refused == 0 else 'red'}]{refused}[/]")
    table.add_row("Quota of the day used", quota_used())
    table.add_row("Install and first sync", f"{sync:.1f} s")
    table.add_row(f"{scenario.CHANGES * len(now.vendor['locations'])} changes by webhook", f"{changes:.1f} s")
    for keeper in demo.supervisor.keepers.values():
        table.add_row(f"Memory of {keeper.name}", f"{keeper.memory() / MEGABYTE:.0f} MB")
    return table


def quota_used() -> str:
    """The largest part of a day budget that a company or location has used."""
    shares = []
    for row in Installation.objects.select_related("app"):
        seen = quota.snapshot(row.quota_app, row.resource_id)
        if seen.day_limit:
            shares.append((seen.day_used / seen.day_limit, seen.day_used, seen.day_limit))
    if not shares:
        return "unknown"
    share, used, limit = max(shares)
    return f"at most {used:,} of {limit:,} ({share:.2%}) of one resource"


def urls_and_login(demo: RunningDemo) -> Table:
    """Table of URLs, the operator's login and the log directory."""
    table = Table(title="Serving until Ctrl-C", show_header=False, title_justify="left")
    table.add_row("Install page", f"{demo.web}/install/")
    table.add_row("Operator pages", f"{demo.web}/admin/")
    table.add_row("  login", f"{OPERATOR} / {demo.password}")
    table.add_row("Simulated HighLevel", f"{demo.vendor}/sandbox/")
    # DEMO is needed only where other settings are configured, but it never does harm.
    table.add_row("Commands", f"DEMO={demo.logs.name} .venv/bin/python manage.py status")
    table.add_row("Logs", str(demo.logs))
    return table
