"""Benchmark of `vault rotate`: values re-sealed per second, against the unavoidable rewrite of the same rows.

Bare is one UPDATE of both columns of all rows with values of the same size, and the same by batches as a client sends
them; rotation besides reads, opens and seals each value. Rounds are interleaved and
the median counts. Tokens have the size of the vendor's: access tokens of 1.1 kB, refresh tokens of 1.3 kB.
"""

from __future__ import annotations

from bench.setup import prepare, table

prepare()

import base64  # noqa: E402 - the settings of what follows are made by prepare()
import secrets  # noqa: E402
import statistics  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402

from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402

from integrations.core import clock  # noqa: E402
from integrations.core.secret import Secret  # noqa: E402
from integrations.core.tenant import UserType  # noqa: E402
from integrations.tenants import marketplace  # noqa: E402
from integrations.tokens import seals  # noqa: E402
from integrations.tokens.models import Credential  # noqa: E402
from integrations.vault import columns, keys, rotation, sealed_counts  # noqa: E402
from integrations.vault.models import RowMacKey  # noqa: E402
from integrations.vault.seal import seal, unseal  # noqa: E402

ROUNDS, ROWS = 5, 4000
BARE = "bare: one UPDATE of both columns of all rows"
SIZES = {"access_sealed": 1100, "refresh_sealed": 1300}
OLD, NEW = (f"{name}:{base64.b64encode(secrets.token_bytes(32)).decode()}" for name in ("bench-old", "bench-new"))


def fill() -> None:
    """Create credentials as installs do, with invented tokens."""
    app = marketplace.default()
    rows = [
        Credential(app=app, user_type=UserType.LOCATION, resource_id=f"bench{number}", created_at=clock.now())
        for number in range(ROWS)
    ]
    for column in own_columns():
        for row in rows:
            text = Secret(secrets.token_urlsafe(SIZES[column.column] * 3 // 4))
            setattr(row, column.column, seal(text, column.binding(row)))
    Credential.objects.bulk_create(rows, batch_size=1000)


def own_columns() -> list[columns.SealedColumn]:
    """The sealed columns of credentials."""
    return [column for column in columns.registered() if column.model is Credential]


def update_at_once() -> None:
    """Rewrite both columns of all rows by one UPDATE."""
    # A concatenation with nothing is a new value to PostgreSQL: it is written, and stored out of line, anew.
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tokens_credential SET access_sealed = access_sealed || ''::bytea,"
            " refresh_sealed = refresh_sealed || ''::bytea"
        )


def update_by_batches() -> None:
    """Run the statement of the rotation with the present blobs, so without opening and sealing."""
    own = own_columns()
    rows = list(Credential.objects.order_by("pk").only("pk", *SIZES))
    for start in range(0, len(rows), rotation.BATCH):
        same = [
            rotation.Resealed(row.pk, [(column.value(row), column.value(row)) for column in own])
            for row in rows[start : start + rotation.BATCH]
        ]
        rotation._swap(own, same)  # noqa: SLF001 - the very statement


def rotate() -> None:
    """Rotate to the other key. Raises RuntimeError when a value was not re-sealed."""
    settings.VAULT_KEYS = list(reversed(settings.VAULT_KEYS))
    outcome = rotation.rotate(keys.ring(), watcher=rotation.Watcher())
    if outcome.broken or outcome.resealed < 2 * ROWS:
        raise RuntimeError(f"{outcome.resealed} values were re-sealed, {len(outcome.broken)} are broken")


def open_and_seal() -> None:
    """Open and seal the values in memory: the cryptography alone."""
    for column in own_columns():
        for row in MEMORY[column.column]:
            binding = column.binding(row)
            seal(unseal(column.value(row), binding), binding)


def count() -> None:
    """Count the sealed values, as `vault status` does."""
    sealed_counts.count()


MEMORY: dict[str, list[Credential]] = {}


def timed(work: Callable[[], None]) -> float:
    """Values per second."""
    start = time.perf_counter()
    work()
    return 2 * ROWS / (time.perf_counter() - start)


def main() -> None:
    """Measure all rows in interleaved rounds, and print the table."""
    settings.VAULT_KEYS = [NEW, OLD]
    RowMacKey.objects.all().delete()  # a migration sealed it with the key of the environment
    fill()
    MEMORY.update({column.column: list(column.rows()) for column in own_columns()})
    works = {
        BARE: update_at_once,
        "bare: the rotation's UPDATEs, blobs at hand": update_by_batches,
        "vault rotate": rotate,
        "open and seal in memory": open_and_seal,
        "vault status, start-up check: count by key": count,
    }
    rates: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            rates[name].append(timed(work))
    for row in Credential.objects.all()[:100]:
        seals.access_token(row)
    table("Rotation", [(name, statistics.median(found), "values/s") for name, found in rates.items()], base=BARE)
    Credential.objects.all().delete()


if __name__ == "__main__":
    main()
