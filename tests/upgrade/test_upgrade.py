"""An upgrade of a database with rows in every table keeps each row, and the sealed values still open.

`early_database.sql` was dumped from a running installation, so the migrations meet data that no factory made up.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from tests.support.processes import ROOT, environment

EARLY = Path(__file__).with_name("early_database.sql")
OLD_KEY = "upgrade:" + base64.b64encode(b"a key of the upgrade test alone!").decode()
NEW_KEY = "next:" + base64.b64encode(hashlib.sha256(b"the key that comes after it").digest()).decode()
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
NOT_VALIDATED = "SELECT conname FROM pg_constraint WHERE NOT convalidated"

# A line for each part of a schema, without the order of columns and the names that PostgreSQL or Django made up.
SCHEMA = r"""
SELECT concat_ws(' ', 'column', relname, attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
    attgenerated, attstorage, attcollation::regcollation, pg_get_expr(adbin, adrelid))
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT concat_ws(' ', 'constraint', conrelid::regclass, CASE WHEN contype = 'c' THEN conname END,
    pg_get_constraintdef(oid), convalidated)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT regexp_replace(indexdef, 'INDEX \w+_(uniq|key) ON', 'INDEX ON') FROM pg_indexes
WHERE schemaname = 'public'
UNION ALL SELECT concat_ws(' ', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext
"""
WITHOUT_ADDRESS = """
SELECT id FROM tenants_app WHERE get_byte(client_secret_sealed, 0) <> 2
UNION SELECT id FROM tokens_credential WHERE get_byte(access_sealed, 0) <> 2 OR get_byte(refresh_sealed, 0) <> 2
"""

Rows = list[dict[str, Any]]


@pytest.fixture
def early() -> Iterator[str]:
    """The URL of a database that holds the early rows."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    name = f"early_{os.getpid()}"
    with psycopg.connect(parts.geturl(), autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(sql.Identifier(name)))
        try:
            url = parts._replace(path=f"/{name}").geturl()
            with psycopg.connect(url) as database:
                database.execute(EARLY.read_bytes())
            yield url
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def rows(url: str) -> dict[str, Rows]:
    """Every row of every table, as JSON values."""
    with psycopg.connect(url) as database:
        tables = [name for (name,) in database.execute(TABLES)]
        query = sql.SQL("SELECT to_jsonb(r) FROM {} r")
        return {name: [row for (row,) in database.execute(query.format(sql.Identifier(name)))] for name in tables}


def schema(url: str) -> list[str]:
    """Every column, constraint, index, trigger, function and statistics object, sorted, without casts and brackets.

    A dump writes conditions with other casts than the migration did.
    """
    with psycopg.connect(url) as database:
        return sorted(
            re.sub(r"::(text|character varying)(\[\])?|[()]", "", line) for (line,) in database.execute(SCHEMA)
        )


def manage(url: str, *argv: str, fails: bool = False) -> str:
    """The output of a command on that database; its complaint when it should fail."""
    env = environment(DATABASE_URL=url, VAULT_KEYS=f"{NEW_KEY},{OLD_KEY}")
    done = subprocess.run([sys.executable, "manage.py", *argv], cwd=ROOT, env=env, capture_output=True, text=True)  # noqa: PLW1510
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stderr if fails else done.stdout


def missing(before: Rows, after: Rows) -> Rows:
    """Rows of `before` that have no equal in `after`. Columns that are new do not count."""
    kept = [{name: row.get(name) for name in before[0]} for row in after]
    return [row for row in before if row not in kept]


def _as_leader_lease(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `quota_pump` as the table of all leaders has it."""
    kept = {name: row[name] for name in ("owner", "since", "until", "unstarted", "trouble")}
    return {"name": "parked tasks", "sent": row["handed"], **kept}


@pytest.mark.slow
@pytest.mark.servers
def test_an_upgrade_keeps_every_row_and_every_secret(early: str) -> None:
    before = rows(early)
    assert [table for table, found in before.items() if not found] == [], "a table without rows proves nothing"

    manage(early, "migrate", "--verbosity=0")

    before["core_leaderlease"] = [_as_leader_lease(row) for row in before.pop("quota_pump")]
    after = rows(early)
    assert [row for table, found in before.items() for row in missing(found, after[table])] == []
    with psycopg.connect(early) as database:
        assert database.execute(NOT_VALIDATED).fetchall() == []
    assert json.loads(manage(early, "status", "--json"))
    # The migration sealed the audit trail as it found it. The new key was proven by the seals of accounts, and the last
    # entry has the release.
    trail = json.loads(manage(early, "audit", "verify", "--json"))
    assert (trail["entries"], trail["flaws"], trail["keys"]) == (6, [], {"": 3, "next": 3})
    with psycopg.connect(early, autocommit=True) as database:
        database.execute("ALTER TABLE core_auditentry DISABLE TRIGGER append_only")
        database.execute("UPDATE core_auditentry SET actor = 'nobody' WHERE number = 2")
        assert "the first failure is entry 2: " in manage(early, "audit", "verify", fails=True)
        database.execute("UPDATE core_auditentry SET actor = 'command line' WHERE number = 2")
        database.execute("ALTER TABLE core_auditentry ENABLE TRIGGER append_only")
    # Rotation opens every sealed value, to seal it again under the new key.
    rotated = json.loads(manage(early, "vault", "rotate", "--json"))
    assert (rotated["resealed"], rotated["broken"], rotated["unread"], rotated["left"]) == (18, [], [], 0)
    # The early release sealed for no address. Now each secret that is sent has the one of its API.
    with psycopg.connect(early) as database:
        assert database.execute(WITHOUT_ADDRESS).fetchall() == []


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.django_db
def test_an_upgraded_database_has_the_schema_of_a_new_one(early: str) -> None:
    """A new one is made by the migrations that replace those that the upgrade ran."""
    manage(early, "migrate", "--verbosity=0")
    new = schema(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl())
    assert len(new) > 1000
    assert schema(early) == new


@pytest.mark.slow
@pytest.mark.servers
def test_the_code_before_the_last_migrations_still_writes(early: str) -> None:
    """Old and new processes run side by side while an upgrade is rolled out."""
    env = environment(DATABASE_URL=early, VAULT_KEYS=f"{NEW_KEY},{OLD_KEY}")
    command = [sys.executable, "-m", "tests.upgrade.old_writers"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)  # noqa: PLW1510
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["pending"]) >= 8
    assert found["tried"] > 80
    # The lease of a leader moved to another table. Processes of before lead no more, and those of after do.
    assert found["failed"] == {}
