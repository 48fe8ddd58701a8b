"""Rules for migrations that run while the release before still works, on tables with millions of rows.

A migration adds: columns that may be empty or that have a default in the database, tables, indexes built concurrently,
constraints that are validated later. What it wants to remove, the next release removes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

from hlapp.upgrade.observed_migrations import MigrationEffects

# Tables that have a row for an app, a company, an operator, a process or a day. All others grow with tenants, webhooks
# and calls: a new table counts as large until it stands here.
SMALL = frozenset(
    {
        "auth_group",
        "auth_group_permissions",
        "auth_permission",
        "auth_user",
        "auth_user_groups",
        "auth_user_user_permissions",
        "console_operatoralert",
        "core_audithead",
        "core_bulkaction",
        "core_leaderlease",
        "core_workerprocess",
        "django_admin_log",
        "django_content_type",
        "jobs_jobstate",
        "operators_oididentity",
        "operators_openididentity",
        "operators_operatorsession",
        "operators_passkey",
        "operators_recoverycode",
        "operators_rightsseal",
        "operators_signinattempts",
        "operators_totpsecret",
        "privacy_purge",
        "sync_feedposition",
        "sync_resourcechoice",
        "sync_suppressionkey",
        "tenants_app",
        "tenants_company",
        "vault_rowmackey",
        "vault_witness",
        "webhooks_answers",
    }
)
_TABLE = r'(?:ONLY )?"?(\w+)"?'
_INDEX = re.compile(rf"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)(?:IF NOT EXISTS )?\S+ ON {_TABLE}", re.IGNORECASE)
_DROPPED_INDEX = re.compile(r"DROP INDEX (?!CONCURRENTLY)", re.IGNORECASE)
_ALTERED = re.compile(rf"ALTER TABLE (?:IF EXISTS )?{_TABLE} (.*)", re.IGNORECASE | re.DOTALL)
_SCANS = tuple(
    (re.compile(clause, re.IGNORECASE | re.DOTALL), words)
    for clause, words in (
        (r"ADD CONSTRAINT \S+ (?:UNIQUE|PRIMARY KEY)(?! USING INDEX)", "builds a unique index while no session reads"),
        (
            r"ADD CONSTRAINT \S+ (?:CHECK|FOREIGN KEY)(?!.*NOT VALID)",
            "reads all rows for a constraint: NOT VALID first",
        ),
        (
            r"ALTER COLUMN \S+ SET NOT NULL",
            "reads all rows for NOT NULL: first a validated CHECK, one migration earlier",
        ),
    )
)
_WRITES = re.compile(rf"(?:UPDATE|DELETE FROM) {_TABLE}", re.IGNORECASE)


def findings(effects: MigrationEffects) -> list[str]:
    """What of the migration could stop running processes, or takes long on a large table; empty when nothing does."""
    return [*_broken(effects), *dict.fromkeys(_long(effects))]


def _broken(effects: MigrationEffects) -> Iterator[str]:
    """What the release before would stumble over."""
    for name in sorted(effects.removed):
        yield f"removes {name}, which the release before reads: first a release that does not use it"
    for name in sorted(effects.required):
        yield f"{name} has to be filled and has no default in the database: older writers fail (db_default)"


def _long(effects: MigrationEffects) -> Iterator[str]:
    large = effects.tables - SMALL
    for table in sorted(effects.rewritten & large):
        yield f"rewrites {table}: add a column, fill it in batches, and switch in a later release"
    shut = {table for table, mode in effects.locks.items() if mode == "AccessExclusiveLock"} & large
    for statement in effects.statements:
        if (found := _INDEX.search(statement)) and found[1] in large:
            yield f"builds an index of {found[1]} while no session writes: AddIndexConcurrently in one of its own"
        if (found := _ALTERED.search(statement)) and found[1] in large:
            yield from (f"{found[1]}: {words}" for clause, words in _SCANS if clause.search(found[2]))
        if shut:
            yield from _while_shut(statement, shut)


def _while_shut(statement: str, shut: Set[str]) -> Iterator[str]:
    """What takes long while the tables `shut` keep everybody out."""
    if _DROPPED_INDEX.search(statement):
        yield "drops an index while it keeps everybody out of a table: RemoveIndexConcurrently"
    if (found := _WRITES.match(statement)) and found[1] in shut:
        yield f"writes rows of {found[1]} while it keeps everybody out: in a migration of its own, in batches"
