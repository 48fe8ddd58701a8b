"""The plan of an upgrade: what migrates and what that locks, what the vault needs, which processes restart, notes.

What a migration locks is observed: the schema of now is built in a scratch database, and the pending migrations are
applied to it. How large the tables are is asked of the real one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db import ProgrammingError, connection

from hlapp import project
from hlapp.upgrade import migrated_release, migration_rules, observed_migrations, release_notes
from hlapp.upgrade.observed_migrations import KEEPS_OUT, MigrationEffects
from hlapp.upgrade.release_notes import ReleaseNotes
from integrations.backups.replaced_migrations import Node
from integrations.backups.scratch_database import scratch_database
from integrations.core import clock, dispatch
from integrations.core.errors import BadRequest
from integrations.core.models import WorkerProcess
from integrations.vault import status as vault

_SIZES = """
SELECT relname, GREATEST(reltuples, 0)::bigint, pg_total_relation_size(oid) FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace
"""


@dataclass(frozen=True, slots=True)
class TouchedTable:
    """A table that a migration locks. `keeps_out`: reads and writes, writes, or nothing. `rows` is an estimate."""

    name: str
    lock: str
    keeps_out: str
    rewritten: bool
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class PlannedMigration:
    """A pending migration. `warnings` are breaches of the rules for migrations that run beside the release before."""

    name: str
    statements: list[str]
    tables: list[TouchedTable]
    warnings: list[str]


@dataclass(slots=True)
class UpgradePlan:
    """What an upgrade of this deployment takes. `obstacles` have to be removed first."""

    version: str
    since: str
    migrations: list[PlannedMigration] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    workers: list[str] = field(default_factory=list)  # live processes of the release that runs now
    vault: list[str] = field(default_factory=list)
    obstacles: list[str] = field(default_factory=list)
    notes: list[ReleaseNotes] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def make(since: str = "") -> UpgradePlan:
    """The plan for this code and this database. `since`: the version before, unless the audit trail knows it.

    Changes nothing, but for a scratch database that is dropped again.
    """
    plan = UpgradePlan(release_notes.version(), since)
    nodes = observed_migrations.pending()
    sizes = _sizes()
    if sizes:  # else the database is new
        _ask_the_running(plan)
    if nodes:
        plan.migrations = _migrations(plan, nodes, sizes)
    plan.notes = release_notes.since(plan.since)
    plan.steps = list(_steps(plan, nodes))
    return plan


def _migrations(plan: UpgradePlan, nodes: list[Node], sizes: dict[str, tuple[int, int]]) -> list[PlannedMigration]:
    try:
        with scratch_database():
            return [_planned(effects, sizes) for effects in observed_migrations.observe(frozenset(nodes))]
    except BadRequest as error:
        plan.remarks.append(f"locks are unknown: {error}")
        return [PlannedMigration(".".join(node), [], [], []) for node in nodes]


def _ask_the_running(plan: UpgradePlan) -> None:
    plan.since = plan.since or migrated_release.last()
    alive = WorkerProcess.objects.filter(seen_at__gt=clock.now() - dispatch.ALIVE).order_by("name")
    plan.workers = list(alive.values_list("name", flat=True))
    try:
        found = vault.examine()
    except ProgrammingError:  # this code knows columns that the database has yet to get
        plan.remarks.append("the vault can be examined after the migrations: manage.py vault status")
        return
    plan.obstacles += found.problems
    if found.stale:
        plan.vault.append(
            f"{found.stale} values are sealed under an older key or format: run manage.py vault rotate after"
        )
    if found.retirable:
        plan.vault.append(f"keys that seal nothing any more: {', '.join(found.retirable)}")


def _sizes() -> dict[str, tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(_SIZES)
        return {name: (rows, size) for name, rows, size in cursor.fetchall()}


def _planned(effects: MigrationEffects, sizes: dict[str, tuple[int, int]]) -> PlannedMigration:
    tables = [
        TouchedTable(name, mode, KEEPS_OUT[mode], name in effects.rewritten, *sizes.get(name, (0, 0)))
        for name, mode in sorted(effects.locks.items())
        if KEEPS_OUT[mode]
    ]
    return PlannedMigration(effects.name, effects.statements, tables, migration_rules.findings(effects))


def _steps(plan: UpgradePlan, nodes: list[Node]) -> Iterator[str]:
    """In the order in which they keep everything running."""
    yield "manage.py backup DIR"
    yield f"install the new code and {project.requirements()}; manage.py check; manage.py collectstatic --noinput"
    if nodes:
        yield f"manage.py migrate ({len(nodes)} migrations; the processes of the release before go on meanwhile)"
    yield "restart web: kill -HUP of serve does this and the next two; behind a balancer one process after the other"
    yield f"restart worker-urgent and worker ({len(plan.workers)} alive); each hands its runs back within 25 seconds"
    yield "restart beat, the last: its schedule names tasks that all workers know then"
    if any("vault rotate" in line for line in plan.vault):
        yield "manage.py vault rotate"
    yield "manage.py doctor"
