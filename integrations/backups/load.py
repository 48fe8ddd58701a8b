"""Fills an empty database from a backup: the schema by the migrations that the backup names, the rows by COPY.

Rows that a newer release stores differently go through its migrations afterwards, as in an upgrade.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection, transaction

from integrations.backups import archive, replaced_migrations, tables
from integrations.backups.archive import ArchiveReader, Note
from integrations.backups.replaced_migrations import Node
from integrations.backups.tables import Table
from integrations.core.errors import BadRequest, SealBroken
from integrations.sync.feed import change_feed
from integrations.vault import keys


@dataclass(slots=True)
class Loaded:
    """What a backup had. `rows` by table; `spool` is not put back yet."""

    manifest: Note
    rows: dict[str, int] = field(default_factory=dict)
    spool: list[dict[str, Any]] = field(default_factory=list)

    @property
    def made_at(self) -> datetime:
        """As of when the rows are."""
        return datetime.fromisoformat(self.manifest["made_at"])


def newest(place: Path) -> Path:
    """The file, or the newest backup of a directory. Raises BadRequest when there is none."""
    found = (
        [place] if place.is_file() else sorted(place.glob(f"*{archive.SUFFIX}"), key=lambda one: one.stat().st_mtime)
    )
    if not found:
        raise BadRequest(f"{place} is no backup, and no directory with one")
    return found[-1]


def load(path: Path, *, replace: bool = False) -> Loaded:
    """Fill the database of the settings. With `replace` its tables are dropped first.

    Raises BadRequest when it has tables, when the backup is of a newer release or no backup; SealBroken when BACKUP_KEY
    is another key, VAULT_KEYS lacks a key of what is stored, or the file is damaged anywhere; nothing is changed then.
    """
    with _reader(path) as reader:
        reader.end()
    with _reader(path) as reader:
        loaded = Loaded(reader.manifest)
        _check_keys(reader.manifest)
        had = _known_migrations(reader.manifest)
        if tables.every() and not replace:
            raise BadRequest("the database has tables: restore into an empty one, or give --replace to delete them")
        tables.drop_all()
        _migrate(had)
        with transaction.atomic():
            _fill(reader, loaded)
    ContentType.objects.clear_cache()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    call_command("migrate", verbosity=0, interactive=False)
    change_feed.rebase()
    return loaded


@contextmanager
def _reader(path: Path) -> Iterator[ArchiveReader]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}") from error
    with file:
        yield ArchiveReader(file)


def _check_keys(manifest: Note) -> None:
    missing = sorted(set(manifest["keys"]) - keys.unproven().ciphers.keys())
    if missing:
        named = ", ".join(map(repr, missing))
        raise SealBroken(
            f"VAULT_KEYS lacks keys that sealed what the backup has: {named}: a backup has no keys, "
            "put them at the end of the list from where you keep them",
            key_ids=missing,
        )


def _known_migrations(manifest: Note) -> frozenset[Node]:
    had = frozenset((app, name) for app, name in manifest["migrations"])
    if unknown := sorted(had - replaced_migrations.known()):
        named = ", ".join(".".join(node) for node in unknown[:3])
        raise BadRequest(f"the backup has migrations that this release lacks ({named}): restore with its own release")
    return had


def _migrate(had: frozenset[Node]) -> None:
    """Make the tables that the backup had, in an empty database, by the fewest migrations."""
    nodes = replaced_migrations.shortest(had)
    executor = replaced_migrations.executor(nodes)
    children = executor.loader.graph.node_map
    executor.migrate([node for node in sorted(nodes) if not {child.key for child in children[node].children} & nodes])


def _fill(reader: ArchiveReader, loaded: Loaded) -> None:
    with tables.open_for_filling():
        for name in reader.manifest["tables"]:
            note = reader.note()
            table = Table(note["table"], tuple(note["columns"]))
            loaded.rows[name] = tables.copy_in(table, reader.data())
            if table.name != name or loaded.rows[name] != reader.note()["rows"]:
                raise BadRequest(
                    f"the backup is not one of ours: {name} has {loaded.rows[name]} rows, and it says another"
                )
        rest = reader.note()
        reader.expect_end()
        tables.set_sequences(rest["sequences"])
        loaded.spool = rest["spool"]
