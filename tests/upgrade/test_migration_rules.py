"""What migrations may do while the release before works: the effects are observed, and the rules judge them."""

from __future__ import annotations

import pytest
from django.db import connection

from hlapp.upgrade import migration_rules, observed_migrations

pytestmark = [pytest.mark.django_db, pytest.mark.servers]
NODE = ("sync", "0099_next")


def done(*statements: str) -> observed_migrations.MigrationEffects:
    """The effects of a migration of these statements."""
    with observed_migrations.watched(NODE) as effects, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    return effects


@pytest.mark.parametrize(
    "statements",
    [
        ("ALTER TABLE sync_record ADD COLUMN x text",),
        ("ALTER TABLE sync_record ADD COLUMN x text NOT NULL DEFAULT ''",),
        ("ALTER TABLE sync_record ALTER COLUMN resource TYPE text",),
        ("ALTER TABLE sync_record ADD CONSTRAINT x CHECK (seen_run > 0) NOT VALID",),
        ("ALTER TABLE sync_record VALIDATE CONSTRAINT sync_record_tombstone_proven",),
        (
            "CREATE TABLE fresh (id bigint)",
            "CREATE INDEX fresh_id ON fresh (id)",
            "ALTER TABLE fresh ALTER id SET NOT NULL",
        ),
        (
            "CREATE INDEX app_name ON tenants_app (name)",
            "ALTER TABLE tenants_app ADD COLUMN x uuid DEFAULT gen_random_uuid()",
        ),
        ("UPDATE sync_record SET resource = resource",),
        ("COMMENT ON TABLE sync_record IS 'the copy'",),
    ],
)
def test_what_harms_nobody(statements: tuple[str, ...]) -> None:
    assert migration_rules.findings(done(*statements)) == []


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (("ALTER TABLE sync_record DROP COLUMN seen_run",), "removes sync_record.seen_run"),
        (("ALTER TABLE sync_record RENAME COLUMN seen_run TO seen",), "removes sync_record.seen_run"),
        (("DROP TABLE sync_suppressedrecord",), "removes sync_suppressedrecord"),
        (("ALTER TABLE sync_suppressedrecord RENAME TO forgotten",), "removes sync_suppressedrecord"),
        (
            (
                "ALTER TABLE sync_record ADD COLUMN x text NOT NULL DEFAULT ''",
                "ALTER TABLE sync_record ALTER COLUMN x DROP DEFAULT",
            ),
            "sync_record.x has to be filled and has no default",
        ),
        (("ALTER TABLE sync_record ALTER COLUMN seen_run SET NOT NULL",), "sync_record.seen_run has to be filled"),
        (("ALTER TABLE sync_record ALTER COLUMN seen_run SET NOT NULL",), "reads all rows for NOT NULL"),
        (("ALTER TABLE sync_record ALTER COLUMN seen_run TYPE numeric",), "rewrites sync_record"),
        (("ALTER TABLE sync_record ADD COLUMN x uuid DEFAULT gen_random_uuid()",), "rewrites sync_record"),
        (("CREATE INDEX x ON sync_record (seen_run)",), "builds an index of sync_record"),
        (('CREATE UNIQUE INDEX "x" ON "sync_record" ("id")',), "builds an index of sync_record"),
        (("ALTER TABLE sync_record ADD CONSTRAINT x UNIQUE (id)",), "builds a unique index"),
        (("ALTER TABLE sync_record ADD CONSTRAINT x CHECK (id > 0)",), "reads all rows for a constraint"),
        (("DROP INDEX record_newest",), "drops an index"),
        (
            ("ALTER TABLE sync_record ADD COLUMN x text", "UPDATE sync_record SET x = resource"),
            "writes rows of sync_record while it keeps everybody out",
        ),
    ],
)
def test_what_would_stop_running_processes(statements: tuple[str, ...], words: str) -> None:
    assert words in "; ".join(migration_rules.findings(done(*statements)))


def test_locks_are_those_that_postgresql_gave() -> None:
    effects = done("SELECT 1 FROM tenants_app", "ALTER TABLE sync_record ADD COLUMN x text")
    assert effects.locks["sync_record"] == "AccessExclusiveLock"
    assert effects.statements == ["ALTER TABLE sync_record ADD COLUMN x text"]
    weak = done("ALTER TABLE sync_run SET (fillfactor = 90)")
    assert weak.locks["sync_run"] == "ShareUpdateExclusiveLock"
